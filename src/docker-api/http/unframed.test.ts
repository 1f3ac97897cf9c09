import assert from "node:assert/strict";
import { test } from "node:test";
import { unframed } from "./unframed.ts";

function frame(type: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(type, 0);
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

test("the bytes of every stream come in order, however they are cut", async () => {
  const all = Buffer.concat([frame(1, "out"), frame(2, ""), frame(2, "error"), frame(1, "x".repeat(300))]);
  for (const size of [1, 3, 7, 8, 9, 100, all.length]) {
    const stream = unframed();
    for (let at = 0; at < all.length; at += size) stream.write(all.subarray(at, at + size));
    stream.end();
    assert.equal((await stream.toArray()).join(""), `outerror${"x".repeat(300)}`);
  }
});
