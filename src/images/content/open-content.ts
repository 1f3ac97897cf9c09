import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { GantryError } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import { keyedSerial, type KeyedSerial } from "#base/serial.ts";
import { digestOf, isDigest, parseDigest, type Digest } from "#formats/digest.ts";
import type { ContentLease, ContentStore } from "../content-store.ts";
import { blobWriter } from "./blob-writer.ts";
import { clearFolder, replaceFile } from "../durable-files.ts";
import { diskSync, type DiskSync } from "./disk-sync.ts";
import { openPartials, type Partials } from "./partials.ts";

export interface ContentOptions {
  /** True for a blob that an image needs: it is not collected. */
  readonly isReferenced: (digest: Digest) => boolean;
  /** Epoch milliseconds. */
  readonly now: number;
}

/**
 * Opens the blobs below `folder`: `blobs/<algorithm>/<hex>` as in an OCI layout, `ingest/` for what is being written,
 * `partial/` for what is being downloaded, `holds.json` for what others keep. Leftovers of an interrupted process are removed; its
 * downloads are kept, to go on from.
 */
export async function openContent(folder: string, options: ContentOptions): Promise<ContentStore> {
  const ingest = join(folder, "ingest");
  await mkdir(ingest, { recursive: true, mode: 0o700 });
  await clearFolder(ingest);
  const sizes = await readBlobs(join(folder, "blobs"));
  const holds = await readHolds(join(folder, "holds.json"));
  const held = new Map<Digest, number>();
  for (const digests of holds.values()) for (const digest of digests) count(held, digest, 1);
  const partials = await openPartials(join(folder, "partial"), options.now);
  const disk = diskSync((digest) => void sizes.delete(digest));
  return contentStore({
    folder,
    ingest,
    sizes,
    holds,
    held,
    leased: new Map(),
    options,
    serial: keyedSerial(),
    disk,
    partials,
  });
}

function count(counts: Map<Digest, number>, digest: Digest, change: 1 | -1): void {
  const now = (counts.get(digest) ?? 0) + change;
  if (now > 0) counts.set(digest, now);
  else counts.delete(digest);
}

interface State {
  readonly folder: string;
  readonly ingest: string;
  /** Every blob that is here. */
  readonly sizes: Map<Digest, number>;
  readonly holds: Map<string, ReadonlySet<Digest>>;
  /** How many leases keep a blob. */
  readonly leased: Map<Digest, number>;
  /** How many owners hold a blob. */
  readonly held: Map<Digest, number>;
  readonly options: ContentOptions;
  /** A blob comes and goes in turn. */
  readonly serial: KeyedSerial;
  readonly disk: DiskSync;
  readonly partials: Partials;
}

async function readBlobs(folder: string): Promise<Map<Digest, number>> {
  const sizes = new Map<Digest, number>();
  for (const algorithm of ["sha256", "sha384", "sha512"]) {
    const path = join(folder, algorithm);
    await mkdir(path, { recursive: true, mode: 0o700 });
    for (const hex of await readdir(path)) {
      const digest = `${algorithm}:${hex}`;
      if (isDigest(digest)) sizes.set(digest, (await stat(join(path, hex))).size);
    }
  }
  return sizes;
}

async function readHolds(path: string): Promise<Map<string, ReadonlySet<Digest>>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Map();
    throw error;
  }
  const entries = JSON.parse(text) as [string, Digest[]][];
  return new Map(entries.map(([owner, digests]) => [owner, new Set(digests)]));
}

function contentStore(state: State): ContentStore {
  const { sizes, ingest } = state;
  const path = (digest: Digest): string => {
    if (!sizes.has(digest)) throw new GantryError("not-found", `blob ${digest} is not here`);
    return blobPath(state, digest);
  };
  return {
    size: (digest) => sizes.get(digest),
    path,
    read(digest, range = {}) {
      const { start = 0, end } = range;
      if (end !== undefined && end <= start) return Readable.from([]);
      const options = { start, highWaterMark: READ_BYTES, ...(end === undefined ? {} : { end: end - 1 }) };
      return createReadStream(path(digest), options);
    },
    async bytes(digest, maxBytes) {
      const file = path(digest);
      const size = sizes.get(digest) ?? 0;
      if (size > maxBytes)
        throw new GantryError("too-large", `blob ${digest} has ${size} bytes: at most ${maxBytes} are read`);
      return readFile(file);
    },
    lease: () => contentLease(state),
    temporary: () => join(ingest, hexId(undefined, 16)),
    ingestFolder: ingest,
    partials: state.partials,
    hold: (owner, digests) => hold(state, owner, digests),
    holders: () => state.holds,
    settle: (digests) => state.disk.settle(digests),
    collect: () => collect(state),
    get totalBytes() {
      let total = state.partials.totalBytes;
      for (const size of sizes.values()) total += size;
      return total;
    },
  };
}

const READ_BYTES = 512 * 1024;

function blobPath(state: State, digest: Digest): string {
  const { algorithm, hex } = parseDigest(digest);
  return join(state.folder, "blobs", algorithm, hex);
}

function contentLease(state: State): ContentLease {
  const kept = new Set<Digest>();
  const add = (digest: Digest): void => {
    if (kept.has(digest)) return;
    kept.add(digest);
    count(state.leased, digest, 1);
  };
  const adoptLeased = (file: string, digest: Digest): Promise<void> => {
    add(digest);
    return adopt(state, file, digest);
  };
  const lease: ContentLease = {
    async put(data) {
      const digest = digestOf(data);
      if (lease.keep(digest)) return digest;
      const writer = await lease.writer();
      try {
        await writer.write(data);
        await writer.commit(digest);
      } finally {
        await writer.abort();
      }
      return digest;
    },
    async writer() {
      const file = join(state.ingest, hexId(undefined, 16));
      return blobWriter(file, (digest) => adoptLeased(file, digest));
    },
    adopt: adoptLeased,
    keep(digest) {
      const here = state.sizes.has(digest);
      if (here) add(digest);
      return here;
    },
    release() {
      for (const digest of kept) count(state.leased, digest, -1);
      kept.clear();
    },
  };
  return lease;
}

/**
 * From a finished temporary file to a blob. It reaches the disk behind our back, before anything that names it is written down; what a
 * crash of the machine leaves of others under a blob's name is collected when the store opens.
 */
function adopt(state: State, file: string, digest: Digest): Promise<void> {
  return state.serial.run(digest, async () => {
    if (state.sizes.has(digest)) {
      await rm(file, { force: true });
      return;
    }
    const { size } = await stat(file);
    const target = blobPath(state, digest);
    await rename(file, target);
    state.sizes.set(digest, size);
    state.disk.begin(digest, target);
  });
}

function hold(state: State, owner: string, digests: Iterable<Digest>): Promise<void> {
  const set = new Set(digests);
  for (const digest of state.holds.get(owner) ?? []) count(state.held, digest, -1);
  for (const digest of set) count(state.held, digest, 1);
  if (set.size === 0) state.holds.delete(owner);
  else state.holds.set(owner, set);
  return state.serial.run("holds", async () => {
    await state.disk.settle(set);
    const entries = [...state.holds].map(([name, held]) => [name, [...held]]);
    await replaceFile(join(state.folder, "holds.json"), JSON.stringify(entries));
  });
}

async function collect(state: State): Promise<number> {
  let freed = 0;
  for (const [digest, size] of state.sizes) {
    if (isKept(state, digest)) continue;
    freed += await state.serial.run(digest, async () => {
      // Asked again, in turn: something may have come to need it.
      if (isKept(state, digest) || !state.sizes.delete(digest)) return 0;
      await rm(blobPath(state, digest), { force: true });
      return size;
    });
  }
  return freed;
}

function isKept(state: State, digest: Digest): boolean {
  return state.leased.has(digest) || state.held.has(digest) || state.options.isReferenced(digest);
}
