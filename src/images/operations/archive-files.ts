import { rm } from "node:fs/promises";
import type { Readable } from "node:stream";
import { GantryError } from "#base/errors.ts";
import type { Digest } from "#formats/digest.ts";
import type { ContentLease } from "../content-store.ts";
import type { IngestedFile } from "../worker/jobs.ts";
import type { Context } from "./context.ts";

/** The files of an image archive, as blobs that its lease keeps. */
export interface ArchiveFiles {
  /** The digest of a file, links followed; undefined when the archive has none of that name. */
  find(path: string): Digest | undefined;
  /** A document of the archive. Throws `invalid` when it is not there. */
  read(path: string, maxBytes: number): Promise<Buffer>;
}

/** Bounds on an image archive: files in it, and bytes of them all. */
const LIMITS = { files: 100_000, bytes: 2 ** 42 };
const MAX_LINKS = 8;
/** Blobs on their way to the disk at a time. */
const SYNCING = 4;

/** Takes an archive in: one pass over its bytes, each file of it a blob. */
export async function takeArchive(context: Context, archive: Readable, lease: ContentLease): Promise<ArchiveFiles> {
  const { content, pool } = context;
  const request = { folder: content.ingestFolder, limits: LIMITS };
  const { files } = await pool.run("ingest", request, { input: archive as AsyncIterable<Uint8Array> });
  const stored = files.filter((file) => file.kind === "file");
  try {
    await eachOf(stored, SYNCING, ({ file, digest }) => lease.adopt(file, digest));
  } catch (error) {
    for (const { file } of stored) await rm(file, { force: true });
    throw error;
  }
  const byPath = new Map<string, IngestedFile>(files.map((file) => [file.path, file]));
  const find = (path: string): Digest | undefined => {
    let file = byPath.get(path.replace(/^(\.?\/)+/, ""));
    for (let links = 0; file?.kind === "link" && links < MAX_LINKS; links++) file = byPath.get(file.target);
    return file?.kind === "file" ? file.digest : undefined;
  };
  return {
    find,
    async read(path, maxBytes) {
      const digest = find(path);
      if (digest === undefined) throw new GantryError("invalid", `open ${path}: no such file in the archive`);
      return content.bytes(digest, maxBytes);
    },
  };
}

/** Runs `run` for each item, so many at a time; the first error ends it. */
export async function eachOf<T>(items: readonly T[], atOnce: number, run: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const work = async (): Promise<void> => {
    for (const item of waiting) await run(item);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
