import { PassThrough, type Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";

const GZIP = Buffer.from([0x1f, 0x8b]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/** A stream without its compression, told by its first bytes: gzip, zstd or none. */
export async function unpacked(source: Readable): Promise<Readable> {
  const first = await firstChunk(source);
  const rest = new PassThrough();
  if (first) rest.write(first);
  source.on("error", (error) => rest.destroy(error));
  source.pipe(rest);
  if (first?.subarray(0, 2).equals(GZIP)) return through(rest, createGunzip());
  if (first?.subarray(0, 4).equals(ZSTD)) return through(rest, createZstdDecompress());
  return rest;
}

function through(source: Readable, decompressor: NodeJS.ReadWriteStream & Readable): Readable {
  source.on("error", (error) => decompressor.destroy(error));
  return source.pipe(decompressor) as unknown as Readable;
}

async function firstChunk(source: Readable): Promise<Buffer | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
  const onReadable = (): void => {
    const chunk = source.read() as Buffer | null;
    if (chunk !== null) resolve(chunk);
  };
  source.on("readable", onReadable);
  source.once("end", () => resolve(undefined));
  source.once("error", reject);
  const chunk = await promise;
  source.off("readable", onReadable);
  return chunk;
}
