import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { GantryError, isGantryError } from "#base/errors.ts";
import { digester, parseDigest, type Digest } from "#formats/digest.ts";
import { sniffCompression, type Compression } from "#formats/image-media-types.ts";
import { tarReader } from "#formats/tar-reader.ts";
import type { JobContext, RequestOf, ResultOf } from "./jobs.ts";
import { layerUnpacker } from "./unpacker.ts";

const CHUNK_BYTES = 1024 * 1024;
const INFLATED_CHUNK_BYTES = 256 * 1024;

/** Fetch, verify, decompress, unpack: one pass over the bytes as they come. */
export async function unpackJob(request: RequestOf<"unpack">, context: JobContext): Promise<ResultOf<"unpack">> {
  const expected = request.diffId;
  const unpacker = layerUnpacker(request.target, request.limits);
  const kept = request.keep ? keeper(request.keep.file, request.keep.digest) : undefined;
  let bytes = 0;
  const source = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of request.blob === undefined ? context.input : fileChunks(request.blob)) {
      context.check();
      kept?.write(chunk);
      bytes += chunk.length;
      context.progress(bytes);
      yield chunk;
    }
  };
  try {
    const diff = digester(expected === undefined ? "sha256" : parseDigest(expected).algorithm);
    const reader = tarReader(unpacker);
    await eachInflated(source(), request.compression, (chunk) => {
      diff.update(chunk);
      reader.write(chunk);
    });
    reader.close();
    const diffId = diff.digest();
    const digest = kept?.finish();
    if (expected !== undefined && diffId !== expected) {
      throw new GantryError(
        "invalid",
        `layer has the digest ${diffId} when uncompressed, not ${expected} as its image says`,
      );
    }
    return { unpacked: unpacker.finish(), diffId, bytes, ...(digest === undefined ? {} : { digest }) };
  } finally {
    kept?.close();
    unpacker.close();
  }
}

/** A file's bytes in large pieces. Each piece is new memory: a decompressor may still read the last one. */
export async function* fileChunks(path: string): AsyncGenerator<Buffer> {
  const fd = openSync(path, "r");
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      const length = readSync(fd, chunk, 0, chunk.length, null);
      if (length === 0) return;
      yield chunk.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

interface Keeper {
  write(chunk: Buffer): void;
  /** The digest; throws `invalid` when it is not the expected one. */
  finish(): Digest;
  close(): void;
}

function keeper(file: string, expected: Digest | undefined): Keeper {
  const fd = openSync(file, "wx", 0o600);
  const hash = digester(expected === undefined ? "sha256" : parseDigest(expected).algorithm);
  return {
    write(chunk) {
      hash.update(chunk);
      for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
    },
    finish() {
      const digest = hash.digest();
      if (expected !== undefined && digest !== expected) {
        throw new GantryError("invalid", `filesystem layer verification failed for digest ${expected}`);
      }
      return digest;
    },
    close: () => closeSync(fd),
  };
}

/** Calls `take` with the uncompressed bytes. `compression` undefined: as the first bytes say. */
export async function eachInflated(
  source: AsyncGenerator<Buffer>,
  compression: Compression | undefined,
  take: (chunk: Buffer) => void | Promise<void>,
): Promise<void> {
  const first = compression === undefined ? await firstBytes(source) : undefined;
  const kind = compression ?? sniffCompression(first?.head ?? Buffer.alloc(0));
  if (kind !== "none" && kind !== "gzip" && kind !== "zstd") {
    throw new GantryError("unsupported", `archive is compressed with ${kind}: only gzip and zstd are supported`);
  }
  const bytes = first?.bytes ?? source;
  if (kind === "none") {
    for await (const chunk of bytes) await take(chunk);
    return;
  }
  try {
    await pipeline(
      Readable.from(bytes, { objectMode: false }),
      inflater(kind),
      async (inflated: AsyncIterable<Buffer>) => {
        for await (const chunk of inflated) await take(chunk);
      },
    );
  } catch (error) {
    if (isGantryError(error) || !isFormatError(error)) throw error;
    throw new GantryError("invalid", `archive is not valid ${kind}: ${error.message}`, {}, error);
  }
}

function inflater(kind: "gzip" | "zstd"): Transform {
  return kind === "gzip"
    ? createGunzip({ chunkSize: INFLATED_CHUNK_BYTES })
    : createZstdDecompress({ chunkSize: INFLATED_CHUNK_BYTES });
}

function isFormatError(error: unknown): error is Error {
  const code = String((error as NodeJS.ErrnoException | undefined)?.code);
  return code.startsWith("Z_") || code.startsWith("ZSTD_");
}

/** The first six bytes or more, and all bytes again. */
async function firstBytes(source: AsyncGenerator<Buffer>): Promise<{ head: Buffer; bytes: AsyncGenerator<Buffer> }> {
  let head: Buffer = Buffer.alloc(0);
  while (head.length < 6) {
    const next = await source.next();
    if (next.done) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  const bytes = async function* (): AsyncGenerator<Buffer> {
    if (head.length > 0) yield head;
    yield* source;
  };
  return { head, bytes: bytes() };
}
