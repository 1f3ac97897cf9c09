import { PassThrough, type Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { decompressWith, isProgramCompression } from "#images/program-decompressor.ts";

export type Compression = "none" | "gzip" | "zstd" | "bzip2" | "xz";

const MAGIC: readonly (readonly [Compression, Buffer])[] = [
  ["gzip", Buffer.from([0x1f, 0x8b])],
  ["zstd", Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
  ["bzip2", Buffer.from("BZh")],
  ["xz", Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])],
];

/** A stream with its first bytes looked at: what it is packed with, and all of it again. */
export async function sniff(
  source: Readable,
): Promise<{ readonly compression: Compression; readonly first: Buffer; readonly stream: Readable }> {
  const first = (await firstChunk(source)) ?? Buffer.alloc(0);
  const stream = new PassThrough();
  stream.write(first);
  source.on("error", (error) => stream.destroy(error));
  source.pipe(stream);
  const compression = MAGIC.find(([, magic]) => first.subarray(0, magic.length).equals(magic))?.[0] ?? "none";
  return { compression, first, stream };
}

/** Takes the compression off; anything else stays as it is. */
export function decompress(stream: Readable, compression: Compression): Readable {
  if (compression === "none") return stream;
  if (isProgramCompression(compression)) return decompressWith(compression, stream);
  const decompressor = compression === "gzip" ? createGunzip() : createZstdDecompress();
  stream.on("error", (error) => decompressor.destroy(error));
  return stream.pipe(decompressor);
}

/** A stream without its compression, told by its first bytes. */
export async function unpacked(source: Readable): Promise<Readable> {
  const { compression, stream } = await sniff(source);
  return decompress(stream, compression);
}

/** Whether the bytes begin a tar archive (the "ustar" magic of POSIX and GNU). */
export function isTar(first: Buffer): boolean {
  return first.length >= 262 && first.toString("latin1", 257, 262) === "ustar";
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
