import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startShim } from "#linux/shim.ts";
import { kill } from "#linux/syscalls.ts";
import { skipRuntime, until } from "../support/runtime.ts";

const skip = skipRuntime ?? false;

function field(pid: number | string, name: string): string {
  return new RegExp(`^${name}:\\s+(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
}

/** The nursery is the only child of ours that stays, and the parent of our shims. */
function nurseries(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && existsSync(`/proc/${name}/status`))
    .filter((pid) => field(pid, "PPid") === String(process.pid) && field(pid, "Name") === "gantry-nursery")
    .map(Number);
}

test("shims are children of one nursery; one that was killed is replaced, and its shims go on", { skip }, async () => {
  const directory = mkdtempSync(join(tmpdir(), "gantry-nursery-"));
  const start = (name: string) => {
    mkdirSync(join(directory, name));
    return startShim(join(directory, name));
  };
  const shims = [await start("a"), await start("b")];
  try {
    const [nursery = 0, ...more] = nurseries();
    assert.deepEqual(more, []);
    for (const { pid } of shims) assert.equal(Number(field(pid, "PPid")), nursery);
    const title = readFileSync(`/proc/${shims[0]?.pid}/cmdline`, "utf8").replaceAll("\0", "");
    assert.equal(title, `gantry-shim ${join(directory, "a")}`);

    kill(nursery, 9);
    await until(() => nurseries().length === 0);
    shims.push(await start("c"));
    for (const shim of shims) assert.deepEqual(await shim.processes(), []);
    assert.equal(nurseries().length, 1);
  } finally {
    for (const shim of shims) shim.disconnect();
    await until(() => shims.every(({ pid }) => !existsSync(`/proc/${pid}`)));
    rmSync(directory, { recursive: true });
  }
  assert.equal(nurseries().length, 1);
});
