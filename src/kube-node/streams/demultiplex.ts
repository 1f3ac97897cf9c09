/** Splits Docker's multiplexed framing (8-byte header: stream, 3 zeros, length) back into its streams. */
export function demultiplexer(onFrame: (stream: 1 | 2, data: Buffer) => void): (chunk: Buffer) => void {
  let header = Buffer.alloc(0);
  let stream: 1 | 2 = 1;
  let left = 0;
  return (chunk) => {
    let rest = chunk;
    while (rest.length > 0) {
      if (left === 0) {
        const wanted = 8 - header.length;
        header = Buffer.concat([header, rest.subarray(0, wanted)]);
        rest = rest.subarray(wanted);
        if (header.length < 8) return;
        stream = header[0] === 2 ? 2 : 1;
        left = header.readUInt32BE(4);
        header = Buffer.alloc(0);
        continue;
      }
      const data = rest.subarray(0, left);
      rest = rest.subarray(data.length);
      left -= data.length;
      onFrame(stream, data);
    }
  };
}
