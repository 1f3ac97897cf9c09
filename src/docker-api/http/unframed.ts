import { Transform } from "node:stream";

const HEADER_BYTES = 8;

/** Takes the headers (type, three zeros, length) out of Docker's multiplexed stream: the bytes of all streams as they came. */
export function unframed(): Transform {
  let header = Buffer.alloc(0);
  /** Bytes of the frame that are still to come. */
  let left = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (let rest = chunk; rest.length > 0;) {
        if (left === 0) {
          const wanted = HEADER_BYTES - header.length;
          header = Buffer.concat([header, rest.subarray(0, wanted)]);
          rest = rest.subarray(wanted);
          if (header.length < HEADER_BYTES) break;
          left = header.readUInt32BE(4);
          header = Buffer.alloc(0);
          continue;
        }
        const bytes = rest.subarray(0, left);
        left -= bytes.length;
        rest = rest.subarray(bytes.length);
        this.push(bytes);
      }
      done();
    },
  });
}
