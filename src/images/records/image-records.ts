import { readFile } from "node:fs/promises";
import { GantryError } from "#base/errors.ts";
import { keyedSerial } from "#base/serial.ts";
import type { Digest } from "#formats/digest.ts";
import type { Descriptor, ImageConfig } from "#formats/image-config.ts";
import { familiarString, parseReference } from "#formats/reference.ts";
import { replaceFile } from "../durable-files.ts";
import type { Image } from "../image-store.ts";

/** One way in which an image came, or was made: its manifest and its layers' blobs. */
export interface ManifestSource {
  readonly manifest: Descriptor;
  /** As the manifest has them, from bottom to top. */
  readonly layers: readonly Descriptor[];
}

export interface ImageRecord {
  /** Digest of the configuration. */
  readonly id: Digest;
  /** The newest first; at most MAX_SOURCES. */
  readonly sources: readonly ManifestSource[];
  /** Chain id of the top layer. */
  readonly top: Digest | undefined;
  readonly layerBytes: readonly number[];
  readonly parent: Digest | undefined;
  readonly lastTaggedAt: number;
}

/** What is known at one time. References are whole names: `docker.io/library/busybox:latest`, `...@sha256:...`. */
export interface Records {
  readonly images: ReadonlyMap<Digest, ImageRecord>;
  readonly references: ReadonlyMap<string, Digest>;
}

/** What a change may change. */
export interface Draft {
  readonly images: Map<Digest, ImageRecord>;
  readonly references: Map<string, Digest>;
}

export interface ImageRecords {
  readonly now: Records;
  /** Changes by one writer at a time; resolves when the change is on the disk. When `change` throws, nothing has changed. */
  update<T>(change: (draft: Draft) => T): Promise<T>;
  /** Changes what is known at once, and the disk soon: a crash may lose it, and so does a disk that cannot take it. */
  updateSoon<T>(change: (draft: Draft) => T): Promise<T>;
  /** Resolves when all that is known is on the disk. */
  flush(): Promise<void>;
  /** Sees to it that the configuration of an image about to be recorded is known. */
  configure(id: Digest, config: ImageConfig): void;
  image(id: Digest): Image | undefined;
  list(): readonly Image[];
  referencesOf(id: Digest): readonly string[];
  childrenOf(id: Digest): readonly Digest[];
  isReferenced(digest: Digest): boolean;
}

export const MAX_SOURCES = 8;
/** Images on one machine; more are refused. */
const MAX_IMAGES = 20_000;

interface Stored {
  readonly version: 1;
  readonly images: readonly ImageRecord[];
  readonly references: readonly [string, Digest][];
}

export interface RecordsOptions {
  readonly path: string;
  /** The configuration of an image that was recorded. */
  readonly readConfig: (id: Digest) => Promise<ImageConfig>;
  /** Resolves when these blobs are on the disk. */
  readonly settle: (digests: Iterable<Digest>) => Promise<void>;
  readonly onLost: (id: Digest, error: unknown) => void;
  readonly onFailed: (error: unknown) => void;
}

export async function openRecords(options: RecordsOptions): Promise<ImageRecords> {
  const { path, readConfig, onLost } = options;
  const stored = await readStored(path);
  const configs = new Map<Digest, ImageConfig>();
  for (const { id } of stored.images) {
    try {
      configs.set(id, await readConfig(id));
    } catch (error) {
      onLost(id, error);
    }
  }
  const images = new Map(stored.images.filter(({ id }) => configs.has(id)).map((record) => [record.id, record]));
  const references = new Map(stored.references.filter(([, id]) => images.has(id)));
  return imageRecords(options, { images, references }, configs);
}

async function readStored(path: string): Promise<Stored> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Stored;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { version: 1, images: [], references: [] };
    throw new GantryError("internal", `${path} cannot be read: ${(error as Error).message}`, {}, error);
  }
}

function imageRecords(options: RecordsOptions, first: Records, configs: Map<Digest, ImageConfig>): ImageRecords {
  const serial = keyedSerial();
  let now = first;
  let index = indexOf(now);
  const cache = new Map<Digest, Image>();
  const image = (id: Digest): Image | undefined => {
    const record = now.images.get(id);
    const config = configs.get(id);
    if (!record || !config) return undefined;
    const known = cache.get(id) ?? describe(record, config, index.references.get(id) ?? []);
    cache.set(id, known);
    return known;
  };
  const adopt = (next: Records): void => {
    for (const id of now.images.keys()) if (!next.images.has(id)) configs.delete(id);
    now = next;
    index = indexOf(now);
    cache.clear();
  };
  /** What the disk has. */
  let stored = first;
  const write = async (next: Records): Promise<void> => {
    await options.settle(newBlobs(stored, next));
    const document: Stored = { version: 1, images: [...next.images.values()], references: [...next.references] };
    await replaceFile(options.path, JSON.stringify(document));
    stored = next;
  };
  const flush = (): Promise<void> =>
    serial.run("records", async () => {
      if (now === stored) return;
      try {
        await write(now);
      } catch (error) {
        // What the disk cannot take is not there: whoever counted on it is told so.
        adopt(stored);
        throw error;
      }
    });
  return {
    get now() {
      return now;
    },
    update(change) {
      return serial.run("records", async () => {
        const { draft, result } = changed(now, change);
        await write(draft);
        adopt(draft);
        return result;
      });
    },
    async updateSoon(change) {
      const result = await serial.run("records", async () => {
        const one = changed(now, change);
        adopt(one.draft);
        return one.result;
      });
      flush().catch(options.onFailed);
      return result;
    },
    flush,
    configure: (id, config) => void configs.set(id, config),
    image,
    list: () => Array.from(now.images.keys(), image).filter((one) => one !== undefined),
    referencesOf: (id) => index.references.get(id) ?? [],
    childrenOf: (id) => index.children.get(id) ?? [],
    isReferenced: (digest) => index.blobs.has(digest),
  };
}

function changed<T>(now: Records, change: (draft: Draft) => T): { readonly draft: Records; readonly result: T } {
  const draft: Draft = { images: new Map(now.images), references: new Map(now.references) };
  const result = change(draft);
  if (draft.images.size > MAX_IMAGES) throw new GantryError("too-large", `there are ${MAX_IMAGES} images already`);
  return { draft, result };
}

/** The blobs of images that the disk does not know as they are now. */
function* newBlobs(stored: Records, next: Records): Generator<Digest> {
  for (const record of next.images.values()) {
    if (stored.images.get(record.id) === record) continue;
    yield record.id;
    for (const { manifest, layers } of record.sources) {
      yield manifest.digest;
      for (const layer of layers) yield layer.digest;
    }
  }
}

interface Index {
  readonly references: ReadonlyMap<Digest, readonly string[]>;
  readonly children: ReadonlyMap<Digest, readonly Digest[]>;
  readonly blobs: ReadonlySet<Digest>;
}

function indexOf({ images, references }: Records): Index {
  const names = new Map<Digest, string[]>();
  const children = new Map<Digest, Digest[]>();
  const blobs = new Set<Digest>();
  const add = <T>(map: Map<Digest, T[]>, key: Digest, value: T): void => {
    const list = map.get(key);
    if (list) list.push(value);
    else map.set(key, [value]);
  };
  for (const [reference, id] of references) add(names, id, reference);
  for (const list of names.values()) list.sort();
  for (const record of images.values()) {
    if (record.parent !== undefined) add(children, record.parent, record.id);
    blobs.add(record.id);
    for (const { manifest, layers } of record.sources) {
      blobs.add(manifest.digest);
      for (const layer of layers) blobs.add(layer.digest);
    }
  }
  return { references: names, children, blobs };
}

function describe(record: ImageRecord, config: ImageConfig, references: readonly string[]): Image {
  const names = references.map(parseReference);
  const [source] = record.sources;
  if (!source) throw new GantryError("internal", `image ${record.id} has no manifest`);
  const created = Date.parse(config.created ?? "");
  return {
    id: record.id,
    tags: names.filter((name) => name.digest === undefined).map(familiarString),
    digests: names.filter((name) => name.digest !== undefined).map(familiarString),
    config,
    manifest: source.manifest,
    layers: source.layers,
    layerBytes: record.layerBytes,
    size: record.layerBytes.reduce((total, bytes) => total + bytes, 0),
    parent: record.parent,
    createdAt: Number.isNaN(created) ? 0 : created,
    lastTaggedAt: record.lastTaggedAt,
  };
}
