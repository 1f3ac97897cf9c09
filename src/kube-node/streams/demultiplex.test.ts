import assert from "node:assert/strict";
import { test } from "node:test";
import { demultiplexer } from "./demultiplex.ts";

function frame(stream: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

test("frames come apart again, however the bytes are cut", () => {
  const bytes = Buffer.concat([frame(1, "hello"), frame(2, "oh no"), frame(1, ""), frame(1, "bye")]);
  for (let size = 1; size <= bytes.length; size++) {
    const out = { 1: "", 2: "" };
    const feed = demultiplexer((stream, data) => (out[stream] += data.toString()));
    for (let at = 0; at < bytes.length; at += size) feed(bytes.subarray(at, at + size));
    assert.deepEqual(out, { 1: "hellobye", 2: "oh no" });
  }
});
