import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { emptySoon } from "./empty-soon.ts";

function tree(): { top: string; trash: string; outside: string } {
  const top = mkdtempSync(join(tmpdir(), "gantry-empty-"));
  const [trash, outside] = [join(top, "trash"), join(top, "outside")];
  mkdirSync(join(trash, "a", "work", "work"), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, "kept"), "");
  writeFileSync(join(trash, "a/snapshot.json"), "{}");
  writeFileSync(Buffer.concat([Buffer.from(`${trash}/a/`), Buffer.from([0xff, 0xfe])]), "");
  symlinkSync(outside, join(trash, "a/link"));
  return { top, trash, outside };
}

test("a folder is emptied, links in it are not followed", async () => {
  const { top, trash, outside } = tree();
  assert.equal(await emptySoon(trash, 100), true);
  assert.deepEqual(readdirSync(trash), []);
  assert.deepEqual(readdirSync(outside), ["kept"]);
  rmSync(top, { recursive: true });
});

test("it stops at its budget, and at trees whose paths grow long", async () => {
  const { top, trash } = tree();
  assert.equal(await emptySoon(trash, 3), false);
  mkdirSync(join(trash, "deep", ...Array.from({ length: 20 }, () => "x")), { recursive: true });
  assert.equal(await emptySoon(trash, 100), false);
  assert.ok(readdirSync(trash).includes("deep"));
  rmSync(top, { recursive: true });
});
