import { closeSync, createReadStream, openSync, writeSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { digester } from "#formats/digest.ts";
import type { JobContext, RequestOf, ResultOf } from "./jobs.ts";

const CHUNK_BYTES = 256 * 1024;

/** Compresses a file with gzip at zlib's own level, which is Docker's. The same bytes give the same bytes. */
export async function compressJob(
  { file, target }: RequestOf<"compress">,
  context: JobContext,
): Promise<ResultOf<"compress">> {
  const hash = digester();
  const fd = openSync(target, "wx", 0o600);
  let size = 0;
  let taken = 0;
  const watched = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      context.check();
      taken += chunk.length;
      context.progress(taken);
      yield chunk;
    }
  };
  try {
    const source = createReadStream(file, { highWaterMark: CHUNK_BYTES });
    await pipeline(source, watched, createGzip(), async (compressed: AsyncIterable<Buffer>) => {
      for await (const chunk of compressed) {
        hash.update(chunk);
        size += chunk.length;
        for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
      }
    });
  } finally {
    closeSync(fd);
  }
  return { digest: hash.digest(), size };
}
