import assert from "node:assert/strict";
import type { TestGantry } from "./gantry.ts";

/** Runs docker, wants it to succeed, and gives what it printed, without the space around it. */
export async function dockerOk(gantry: TestGantry, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await gantry.docker(...args);
  assert.equal(code, 0, `docker ${args.join(" ")}: ${stderr}\n${stdout}`);
  return stdout.trim();
}

/** Waits for a condition, for ten seconds at most. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail("it did not come about within ten seconds");
}
