import { closeSync, fdatasync, openSync, readSync, writeSync } from "node:fs";
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { GantryError, isGantryError } from "#base/errors.ts";
import { digester, parseDigest, type Digest, type DigestAlgorithm } from "#formats/digest.ts";
import { sniffCompression, type Compression } from "#formats/image-media-types.ts";
import { tarReader } from "#formats/tar-reader.ts";
import type { JobContext, RequestOf, ResultOf } from "./jobs.ts";
import { decompressWith, isProgramCompression, type ProgramCompression } from "../program-decompressor.ts";
import { layerUnpacker } from "./unpacker.ts";

const CHUNK_BYTES = 1024 * 1024;
/** Small enough that the allocator has it at hand. */
const SMALL_CHUNK_BYTES = 64 * 1024;

/** Fetch, verify, decompress, unpack: one pass over the bytes as they come. */
export async function unpackJob(request: RequestOf<"unpack">, context: JobContext): Promise<ResultOf<"unpack">> {
  const expected = request.diffId;
  const unpacker = layerUnpacker(request.target, request.limits);
  const kept = request.keep ? keeper(request.keep.file, request.keep.digest) : undefined;
  let bytes = 0;
  const watched = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      context.check();
      kept?.write(chunk);
      bytes += chunk.length;
      context.progress(bytes);
      yield chunk;
    }
  };
  try {
    const source = await openSource(request, context);
    const algorithm = expected === undefined ? "sha256" : parseDigest(expected).algorithm;
    // Uncompressed bytes that are kept are hashed for that already; those of a plain blob have been.
    const verified = source.compression === "none" && request.blobDigest === expected ? expected : undefined;
    const hashed = verified !== undefined || (source.compression === "none" && kept?.algorithm === algorithm);
    const diff = hashed ? undefined : digester(algorithm);
    const reader = tarReader(unpacker);
    await eachInflated(watched(source.bytes), source.compression, (chunk) => {
      diff?.update(chunk);
      reader.write(chunk);
    });
    reader.close();
    const digest = await kept?.finish();
    const diffId = verified ?? diff?.digest() ?? digest ?? "";
    if (expected !== undefined && diffId !== expected) {
      throw new GantryError(
        "invalid",
        `layer has the digest ${diffId} when uncompressed, not ${expected} as its image says`,
      );
    }
    return { unpacked: unpacker.finish(), diffId, bytes, ...(digest === undefined ? {} : { digest }) };
  } finally {
    await kept?.close();
    unpacker.close();
  }
}

interface Source {
  readonly bytes: AsyncIterable<Buffer>;
  readonly compression: Compression;
}

async function openSource(request: RequestOf<"unpack">, context: JobContext): Promise<Source> {
  if (request.blob === undefined) {
    const { head, bytes } = await firstBytes(context.input);
    return { bytes, compression: request.compression ?? known(sniffCompression(head)) };
  }
  const compression = request.compression ?? known(sniffCompression(headOf(request.blob)));
  return { bytes: fileChunks(request.blob, compression === "none"), compression };
}

function headOf(path: string): Buffer {
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(16);
    return head.subarray(0, readSync(fd, head, 0, head.length, 0));
  } finally {
    closeSync(fd);
  }
}

function known(compression: ReturnType<typeof sniffCompression>): Compression {
  if (compression === "none" || compression === "gzip" || compression === "zstd") return compression;
  throw new GantryError("unsupported", `layer is compressed with ${compression}: only gzip and zstd are supported`);
}

/**
 * A file's bytes. `reuse`: each piece is only good until the next, which spares the kernel from giving
 * us new pages all the time; a decompressor, though, may still read the last piece.
 */
async function* fileChunks(path: string, reuse: boolean): AsyncGenerator<Buffer> {
  const fd = openSync(path, "r");
  try {
    const shared = reuse ? Buffer.allocUnsafeSlow(CHUNK_BYTES) : undefined;
    for (let at = 0; ;) {
      const chunk = shared ?? Buffer.allocUnsafeSlow(SMALL_CHUNK_BYTES);
      const length = readSync(fd, chunk, 0, chunk.length, at);
      if (length === 0) return;
      at += length;
      yield chunk.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

interface Keeper {
  readonly algorithm: DigestAlgorithm;
  write(chunk: Buffer): void;
  /** The digest; throws `invalid` when it is not the expected one. */
  finish(): Promise<Digest>;
  close(): Promise<void>;
}

/** Bytes after which what has been written is sent on to the disk, while more comes: the end then has little to wait for. */
const FLUSH_BYTES = 32 * 1024 * 1024;

function keeper(file: string, expected: Digest | undefined): Keeper {
  const fd = openSync(file, "wx", 0o600);
  const algorithm = expected === undefined ? "sha256" : parseDigest(expected).algorithm;
  const hash = digester(algorithm);
  let unflushed = 0;
  let flushing: Promise<void> | undefined;
  const flush = (): void => {
    unflushed = 0;
    // An error shows again when the file is synchronised for good.
    flushing = new Promise((resolve) => fdatasync(fd, () => resolve()));
    void flushing.then(() => (flushing = undefined));
  };
  return {
    algorithm,
    write(chunk) {
      hash.update(chunk);
      for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
      unflushed += chunk.length;
      if (unflushed >= FLUSH_BYTES && !flushing) flush();
    },
    async finish() {
      const digest = hash.digest();
      if (expected !== undefined && digest !== expected) {
        throw new GantryError("invalid", `filesystem layer verification failed for digest ${expected}`);
      }
      return digest;
    },
    async close() {
      await flushing;
      closeSync(fd);
    },
  };
}

/** Calls `take` with the uncompressed bytes. */
export async function eachInflated(
  source: AsyncGenerator<Buffer>,
  compression: Compression | ProgramCompression,
  take: (chunk: Buffer) => void,
): Promise<void> {
  if (compression === "none") {
    for await (const chunk of source) take(chunk);
    return;
  }
  if (isProgramCompression(compression)) {
    const plain = decompressWith(compression, Readable.from(source, { objectMode: false }));
    for await (const chunk of plain as AsyncIterable<Buffer>) take(chunk);
    return;
  }
  try {
    await pipeline(
      Readable.from(source, { objectMode: false }),
      inflater(compression),
      async (inflated: AsyncIterable<Buffer>) => {
        for await (const chunk of inflated) take(chunk);
      },
    );
  } catch (error) {
    if (isGantryError(error) || !isFormatError(error)) throw error;
    throw new GantryError("invalid", `archive is not valid ${compression}: ${error.message}`, {}, error);
  }
}

function inflater(kind: "gzip" | "zstd"): Transform {
  const options = { chunkSize: SMALL_CHUNK_BYTES };
  return kind === "gzip" ? createGunzip(options) : createZstdDecompress(options);
}

function isFormatError(error: unknown): error is Error {
  const code = String((error as NodeJS.ErrnoException | undefined)?.code);
  return code.startsWith("Z_") || code.startsWith("ZSTD_");
}

/** The uncompressed bytes of a stream that says by its first bytes what compressed it. */
export async function inflatedStream(input: AsyncIterable<Buffer>, take: (chunk: Buffer) => void): Promise<void> {
  const { head, bytes } = await firstBytes(input);
  const compression = sniffCompression(head);
  await eachInflated(bytes, isProgramCompression(compression) ? compression : known(compression), take);
}

/** The first six bytes or more, and all bytes again. */
async function firstBytes(input: AsyncIterable<Buffer>): Promise<{ head: Buffer; bytes: AsyncGenerator<Buffer> }> {
  const source = input[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < 6) {
    const next = await source.next();
    if (next.done) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  const bytes = async function* (): AsyncGenerator<Buffer> {
    if (head.length > 0) yield head;
    for (let next = await source.next(); !next.done; next = await source.next()) yield next.value;
  };
  return { head, bytes: bytes() };
}
