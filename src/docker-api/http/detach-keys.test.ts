import assert from "node:assert/strict";
import { test } from "node:test";
import { detachFilter, parseDetachKeys } from "./detach-keys.ts";

test("key names become bytes", () => {
  assert.deepEqual([...parseDetachKeys("")], [16, 17]);
  assert.deepEqual([...parseDetachKeys("ctrl-a,x")], [1, 120]);
  assert.deepEqual([...parseDetachKeys("DEL,ctrl-[")], [127, 27]);
  assert.throws(() => parseDetachKeys("ctrl-p,nope"), {
    code: "invalid",
    message: "Invalid detach keys (ctrl-p,nope) provided: Unknown character: 'nope'",
  });
});

async function type(...chunks: string[]): Promise<{ out: string; detached: boolean }> {
  let detached = false;
  const filter = detachFilter(parseDetachKeys(""), () => (detached = true));
  for (const chunk of chunks) filter.write(chunk);
  filter.end();
  const out: Buffer[] = [];
  for await (const chunk of filter) out.push(chunk as Buffer);
  return { out: Buffer.concat(out).toString(), detached };
}

test("the sequence detaches, also across chunks, and nothing after it passes", async () => {
  assert.deepEqual(await type("ab\x10\x11cd"), { out: "ab", detached: true });
  assert.deepEqual(await type("ab\x10", "\x11cd"), { out: "ab", detached: true });
});

test("a sequence that does not complete is passed on", async () => {
  assert.deepEqual(await type("a\x10b"), { out: "a\x10b", detached: false });
  assert.deepEqual(await type("a\x10"), { out: "a\x10", detached: false });
  assert.deepEqual(await type("\x10\x10\x11x"), { out: "\x10", detached: true });
});
