import type { Duplex } from "node:stream";
import { StringDecoder } from "node:string_decoder";

const HEADER_BYTES = 8;

/** Reports what a container writes, out of Docker's multiplexed framing (type, three zeros, length, bytes), until it ends. */
export async function reportOutput(output: Duplex, report: (text: string) => void): Promise<void> {
  const decoders = new Map<number, StringDecoder>();
  let pending: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of output as AsyncIterable<Buffer>) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      while (pending.length >= HEADER_BYTES) {
        const end = HEADER_BYTES + pending.readUInt32BE(4);
        if (pending.length < end) break;
        const type = pending.readUInt8(0);
        const decoder = decoders.get(type) ?? new StringDecoder("utf8");
        decoders.set(type, decoder);
        const text = decoder.write(pending.subarray(HEADER_BYTES, end));
        if (text !== "") report(text);
        pending = pending.subarray(end);
      }
    }
  } catch {
    output.destroy(); // the container was taken away in mid-sentence: how it ended is told by its exit
  }
}
