// kill -9 in the middle of writing: what was acknowledged is there, and nothing is there by half.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openSqliteStore } from "#store/sqlite.ts";

const ROUNDS = 8;
const WRITER = new URL("../support/store-writer.ts", import.meta.url).pathname;

it("acknowledged writes survive kill -9", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-kill-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "state.db");
  let counted = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const acknowledged = await writeAndKill(path, counted, 40 + Math.random() * 160);
    assert.ok(acknowledged.length > 0, "something was written");
    counted += 1_000_000;
    const store = await openSqliteStore(path);
    try {
      const last = acknowledged.reduce((most, { revision }) => Math.max(most, revision), 0);
      assert.ok(store.revision >= last, `revision ${store.revision} after ${last} was acknowledged`);
      for (const { key, revision } of newestOfEachKey(acknowledged)) {
        const entry = await store.get(key);
        assert.ok(
          entry && entry.modRevision >= revision,
          `${key} at ${entry?.modRevision}, acknowledged at ${revision}`,
        );
      }
      for (const { key, value } of (await store.range("/test/")).items) {
        const text = Buffer.from(value).toString();
        const number = Number(text.slice(0, text.indexOf(":")));
        assert.equal(text, `${number}:${"x".repeat(number % 3000)}`, `${key} is whole`);
      }
    } finally {
      await store.close();
    }
  }
});

interface Acknowledged {
  readonly revision: number;
  readonly key: string;
}

function newestOfEachKey(all: readonly Acknowledged[]): Iterable<Acknowledged> {
  const newest = new Map<string, Acknowledged>();
  for (const one of all) if (one.revision > (newest.get(one.key)?.revision ?? 0)) newest.set(one.key, one);
  return newest.values();
}

async function writeAndKill(path: string, start: number, afterMs: number): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [WRITER, path, String(start)], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  let begun: () => void = () => undefined;
  const writing = new Promise<void>((resolve) => (begun = resolve));
  child.stdout.on("data", (data: Buffer) => {
    text += data.toString();
    begun();
  });
  const gone = new Promise<void>((resolve) => void child.once("close", () => resolve()));
  await Promise.race([writing, gone]);
  await sleep(afterMs);
  child.kill("SIGKILL");
  await gone;
  // The last line may have been cut off.
  const lines = text.slice(0, text.lastIndexOf("\n")).split("\n").filter(Boolean);
  return lines.map((line) => ({ revision: Number(line.split(" ")[0]), key: line.split(" ")[1] ?? "" }));
}
