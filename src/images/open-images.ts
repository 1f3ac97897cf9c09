import { closeSync, statfsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import { systemClock, type Clock } from "#base/clock.ts";
import { GantryError, isGantryError } from "#base/errors.ts";
import { silentLogger, type Logger } from "#base/logger.ts";
import { keyedSerial } from "#base/serial.ts";
import { signal } from "#base/signal.ts";
import type { Digest } from "#formats/digest.ts";
import type { Platform } from "#formats/image-config.ts";
import { CONFIG_LIMITS, parseImageConfig } from "#formats/image-config-reader.ts";
import { hostPlatform } from "#formats/image-platform.ts";
import { isBtrfs } from "#linux/btrfs.ts";
import { flock, isSyscallError, LOCK_EX, LOCK_NB, O_CREAT, O_RDWR, open } from "#linux/syscalls.ts";
import { openContent } from "./content/open-content.ts";
import type { Image, ImageEvent, ImageStore, ImageUser } from "./image-store.ts";
import { openLayers } from "./layers/layer-store.ts";
import { chainName, makePlaces } from "./layers/places.ts";
import { openSnapshots, type Driver } from "./layers/snapshots.ts";
import { openTrash } from "./layers/trash.ts";
import type { Context } from "./operations/context.ts";
import { commitSnapshot } from "./operations/commit-step.ts";
import { commitLayer, deriveImage, importRoot } from "./operations/import.ts";
import { ensureChain } from "./operations/add-image.ts";
import { loadArchive, wantedBlob } from "./operations/load.ts";
import { diskUsage, imageHistory, pruneImages, removeImages, tagImage } from "./operations/manage.ts";
import { pullAllTags, pullImage } from "./operations/pull.ts";
import { pushImage } from "./operations/push.ts";
import { inspectRemote, tryLogin } from "./operations/registry-queries.ts";
import { saveImages } from "./operations/save.ts";
import { semaphore } from "./operations/semaphore.ts";
import { lookUp } from "./records/lookup.ts";
import { openRecords, type ImageRecords } from "./records/image-records.ts";
import type { RegistryOptions } from "./registry-options.ts";
import { workerPool, type RunOptions } from "./worker/pool.ts";

export interface ImagesOptions {
  /** The data root; everything of images lies below its folder `images`. */
  readonly dataDir: string;
  /** How containers get their root; by default overlay2 where the kernel and the file system have it, else vfs. */
  readonly driver?: Driver;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** What images are chosen for; this machine by default. */
  readonly platform?: Platform;
  readonly registries?: RegistryOptions & { readonly retryDelayMs?: number };
  /** Worker threads for whole layers. */
  readonly workers?: number;
}

/**
 * Opens the images of a data root: takes up what is there whole, and removes what an interrupted process left half done.
 * Throws `conflict` when another process has it open.
 */
export async function openImages(options: ImagesOptions): Promise<ImageStore> {
  const folder = join(options.dataDir, "images");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lock = lockFolder(folder);
  try {
    return await openLocked(folder, options, () => closeSync(lock));
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/** The lock ends with the process, however that ends. */
function lockFolder(folder: string): number {
  const fd = open(join(folder, "lock"), O_RDWR | O_CREAT, 0o600);
  try {
    flock(fd, LOCK_EX | LOCK_NB);
    return fd;
  } catch (error) {
    closeSync(fd);
    if (!isSyscallError(error, "EAGAIN")) throw error;
    throw new GantryError("conflict", `images in ${folder} are in use by another process`);
  }
}

async function openLocked(folder: string, options: ImagesOptions, unlock: () => void): Promise<ImageStore> {
  const logger = options.logger ?? silentLogger;
  const pool = workerPool(options.workers);
  const places = await makePlaces(folder);
  const trash = openTrash(places.trash, pool, logger);
  const known: { records?: ImageRecords } = {};
  const content = await openContent(join(folder, "content"), {
    isReferenced: (digest) => known.records?.isReferenced(digest) ?? true,
    now: (options.clock ?? systemClock).now(),
  });
  const records = await openRecords({
    path: join(folder, "images.json"),
    readConfig: async (id) => parseImageConfig(await content.bytes(id, CONFIG_LIMITS.bytes)),
    settle: (digests) => content.settle(digests),
    onLost: (id, error) => logger.error({ image: id, error }, "image is lost: its configuration cannot be read"),
    onFailed: (error) => logger.error({ error }, "images of build steps are lost: they cannot be written down"),
  });
  known.records = records;
  const layers = openLayers(places, pool, trash);
  const driver = chooseDriver(folder, options.driver);
  const snapshots = openSnapshots(places, pool, trash, layers, driver);
  let users: (imageId: string) => readonly ImageUser[] = () => [];
  const context: Context = {
    content,
    layers,
    snapshots,
    records,
    pool,
    clock: options.clock ?? systemClock,
    logger,
    events: signal<ImageEvent>((error) => logger.error({ error }, "a listener to image events failed")),
    users: (imageId) => users(imageId),
    chains: keyedSerial(),
    host: options.platform ?? hostPlatform(),
    registries: {
      ...options.registries,
      retryDelayMs: options.registries?.retryDelayMs ?? 5000,
      downloads: semaphore(3),
      uploads: semaphore(5),
    },
  };
  await repairImages(context);
  layers.sweep();
  await content.collect();
  const store = imageStore(context, (chainId) => join(places.layers, chainName(chainId), "diff"));
  return {
    ...store,
    driver,
    setUsers: (tellUsers) => void (users = tellUsers),
    async close() {
      await records.flush();
      await trash.settle();
      await pool.close();
      unlock();
    },
  };
}

/** Images whose layers did not outlive a crash of the machine get them back from their blobs; those that cannot are gone. */
async function repairImages(context: Context): Promise<void> {
  const { records, layers, logger } = context;
  for (const { id, top, sources } of Array.from(records.now.images.values())) {
    if (top === undefined) continue;
    if (layers.get(top)) {
      layers.retain(top);
      continue;
    }
    const blobs = sources[0]?.layers ?? [];
    const diffIds = records.image(id)?.config.rootfs.diff_ids ?? [];
    try {
      logger.warn({ image: id }, "layers of an image are missing: they are unpacked again");
      await ensureChain(
        context,
        diffIds.map((diffId, at) => wantedBlob(context, diffId, blobs[at], undefined, { verified: false })),
      );
    } catch (error) {
      logger.error({ image: id, error }, "image is lost: its layers cannot be unpacked again");
      await records.update((draft) => {
        draft.images.delete(id);
        for (const [reference, owner] of draft.references) if (owner === id) draft.references.delete(reference);
      });
    }
  }
}

/** f_type of overlayfs, which the kernel does not take as the upper side of another overlay. */
const OVERLAYFS_MAGIC = 0x794c7630;

/** As Docker chooses: overlay2 unless the file system cannot carry it. Throws `unsupported` for a driver that it cannot carry either. */
function chooseDriver(folder: string, wanted: Driver | undefined): Driver {
  const onOverlay = statfsSync(folder).type === OVERLAYFS_MAGIC;
  if (wanted === undefined) return onOverlay ? "vfs" : "overlay2";
  const fits = wanted === "btrfs" ? isBtrfs(folder) : wanted !== "overlay2" || !onOverlay;
  if (fits) return wanted;
  throw new GantryError(
    "unsupported",
    `storage driver ${wanted}: prerequisites for driver not satisfied (wrong filesystem?): ${folder} is not on ${wanted === "btrfs" ? "btrfs" : "a file system that overlayfs can write to"}`,
    { driver: wanted },
  );
}

function imageStore(
  context: Context,
  layerFolder: (chainId: Digest) => string,
): Omit<ImageStore, "setUsers" | "close" | "driver"> {
  const { records, snapshots, content, events } = context;
  const measured = new Map<Digest, number>();
  const get = (reference: string): Image => {
    const { id } = lookUp(records.now, reference);
    const image = records.image(id);
    if (!image) throw new GantryError("not-found", `No such image: ${reference}`);
    return image;
  };
  return {
    content,
    events,
    load: (archive, report) => loadArchive(context, archive, report),
    import: (archive, importOptions) => importRoot(context, archive, importOptions),
    save: (references) => saveImages(context, references),
    list: () => records.list(),
    get,
    find(reference) {
      try {
        return get(reference);
      } catch (error) {
        if (isGantryError(error, "not-found") || isGantryError(error, "invalid")) return undefined;
        throw error;
      }
    },
    tag: (reference, target) => tagImage(context, reference, target),
    remove: (reference, removal) => removeImages(context, reference, removal),
    prune: (pruning) => pruneImages(context, pruning),
    pull: (reference, pulling) => pullImage(context, reference, pulling),
    pullAllTags: (repository, pulling) => pullAllTags(context, repository, pulling),
    push: (reference, pushing) => pushImage(context, reference, pushing),
    login: (registry, auth, aborted) => tryLogin(context, registry, auth, aborted),
    inspectRemote: (reference, auth, aborted) => inspectRemote(context, reference, auth, aborted),
    history: (reference) => imageHistory(context, reference),
    async createSnapshot(id, imageId) {
      const record = imageId === undefined ? undefined : records.now.images.get(imageId);
      if (imageId !== undefined && !record) throw new GantryError("not-found", `No such image: ${imageId}`);
      return snapshots.create(id, imageId, record?.top);
    },
    snapshot: (id) => snapshots.get(id),
    snapshots: () => snapshots.list(),
    removeSnapshot: (id) => snapshots.remove(id),
    changes: (id) => snapshots.changes(id),
    exportLayer: (id, exporting) => packed((run) => snapshots.pack(id, "changes", run, exporting?.newestSeconds)),
    exportRoot: (id) => packed((run) => snapshots.pack(id, "root", run)),
    exportImage(reference) {
      const top = records.now.images.get(lookUp(records.now, reference).id)?.top;
      return packed((run) => snapshots.packImage(top, run));
    },
    deriveImage: (config, from, layers) => deriveImage(context, config, from, layers),
    snapshotBytes: (id) => snapshots.bytes(id),
    commitLayer: (layer, config, base, reference) => commitLayer(context, layer, config, base, reference),
    async commitSnapshot(id, config, base, { newestSeconds } = {}) {
      // A full copy of the image says by itself nothing of what changed; and files' own times must not be changed in place.
      if (id !== undefined && snapshots.get(id)?.driver === "overlay2" && newestSeconds === undefined)
        return commitSnapshot(context, id, config, base);
      const layer = id && packed((run) => snapshots.pack(id, "changes", run, newestSeconds));
      return commitLayer(context, layer || undefined, config, base, undefined, { durable: false });
    },
    async flush(id) {
      await records.flush();
      if (!records.now.images.has(id))
        throw new GantryError("unavailable", `image ${id} could not be written to the disk`, { image: id });
    },
    usage: () => diskUsage(context, measured, layerFolder),
  };
}

/** A tar that is made as fast as it is read; who stops reading it ends the work. */
function packed(pack: (options: RunOptions) => Promise<void>): Readable {
  const stream = new PassThrough({ highWaterMark: 1024 * 1024 });
  const stop = new AbortController();
  stream.once("close", () => stop.abort());
  const output = async (chunk: Buffer): Promise<void> => {
    stop.signal.throwIfAborted();
    if (stream.write(chunk)) return;
    await new Promise<void>((resolve, reject) => {
      stream.once("drain", resolve);
      stop.signal.addEventListener("abort", () => reject(new GantryError("cancelled", "the reader has gone")), {
        once: true,
      });
    });
  };
  pack({ output, signal: stop.signal }).then(
    () => stream.end(),
    (error: Error) => stream.destroy(error),
  );
  return stream;
}
