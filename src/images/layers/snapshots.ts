import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import type { Digest } from "#formats/digest.ts";
import { TAR_END } from "#formats/tar-writer.ts";
import type { Change, RootMount, Snapshot } from "../image-store.ts";
import type { ResultOf } from "../worker/jobs.ts";
import type { RunOptions, WorkerPool } from "../worker/pool.ts";
import type { LayerStore } from "./layer-store.ts";
import { btrfsRoots, type BtrfsRoots } from "./btrfs-roots.ts";
import { chainName, type Places } from "./places.ts";
import type { Trash } from "./trash.ts";

export type Driver = Snapshot["driver"];

/** Containers' writable layers. */
export interface Snapshots {
  create(id: string, imageId: string | undefined, top: Digest | undefined): Promise<Snapshot>;
  get(id: string): Snapshot | undefined;
  list(): readonly Snapshot[];
  remove(id: string): Promise<void>;
  changes(id: string): Promise<readonly Change[]>;
  /** Writes a tar to `output`: the changes as a layer, or all that the container sees. */
  pack(id: string, content: "changes" | "root", options: RunOptions, newestSeconds?: number): Promise<void>;
  /** Writes a tar of a chain of layers, merged. */
  packImage(top: Digest | undefined, options: RunOptions): Promise<void>;
  /** Makes its writable layer one of an image, with its archive in a new file: see the worker's job. The snapshot is not to be used after. */
  seal(id: string, file: string): Promise<ResultOf<"seal"> & { readonly upper: string }>;
  bytes(id: string): Promise<number>;
}

interface Recorded {
  readonly id: string;
  readonly driver: Driver;
  readonly imageId: string | undefined;
  readonly top: Digest | undefined;
  /** Links of the lower directories, from top to bottom. */
  readonly lower: readonly string[];
}

interface Held {
  readonly snapshot: Snapshot;
  readonly top: Digest | undefined;
  /** Paths of the links below it. */
  readonly lowers: readonly string[];
}

interface State {
  readonly places: Places;
  readonly pool: WorkerPool;
  readonly trash: Trash;
  readonly layers: LayerStore;
  readonly driver: Driver;
  readonly roots: BtrfsRoots;
  readonly snapshots: Map<string, Held>;
  /** Being made: the name is taken. */
  readonly making: Set<string>;
}

/** Docker's ids and whatever else a caller names its containers by. */
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/** Changed paths of one container that are told, at most. */
const MAX_CHANGES = 1_000_000;

/**
 * The options of every overlay: with a kernel's own defaults a renamed directory may become a redirect, and a changed file's
 * data stay below (metacopy), which the readers of layers do not follow.
 */
const OVERLAY_OPTIONS = ["index=off", "redirect_dir=nofollow", "metacopy=off"];

/** Reads what is there and retains the layers that it stands on; what is half made goes. */
export function openSnapshots(
  places: Places,
  pool: WorkerPool,
  trash: Trash,
  layers: LayerStore,
  driver: Driver,
): Snapshots {
  const state: State = {
    places,
    pool,
    trash,
    layers,
    driver,
    roots: btrfsRoots(places, pool),
    snapshots: new Map(),
    making: new Set(),
  };
  for (const name of readdirSync(places.snapshots)) {
    const recorded = readRecord(join(places.snapshots, name));
    if (recorded?.id !== name || (recorded.top !== undefined && !layers.get(recorded.top))) {
      trash.take(join(places.snapshots, name));
      continue;
    }
    if (recorded.top !== undefined) layers.retain(recorded.top);
    state.snapshots.set(name, held(places, recorded));
  }
  const known = (id: string): Held => {
    const found = state.snapshots.get(id);
    if (!found) throw new GantryError("not-found", `snapshot ${id} does not exist`);
    return found;
  };
  return {
    create: (id, imageId, top) => create(state, id, imageId, top),
    get: (id) => state.snapshots.get(id)?.snapshot,
    list: () => Array.from(state.snapshots.values(), (one) => one.snapshot),
    remove: (id) => remove(state, id),
    async changes(id) {
      const { changes } = await pool.run("changes", { ...stack(state, known(id)), most: MAX_CHANGES });
      return changes;
    },
    async pack(id, content, options, newestSeconds) {
      await pool.run(
        "pack",
        { ...stack(state, known(id)), content, ...(newestSeconds !== undefined && { newestSeconds }) },
        options,
      );
    },
    async packImage(top, options) {
      const [init = "", ...shown] = await layers.lowers(top);
      // An image without layers has what its mount points' layer has above it: nothing.
      const [upper, ...lowers] = real(state, top === undefined ? [init] : shown);
      if (top === undefined || upper === undefined) return void (await options.output?.(TAR_END));
      await pool.run("pack", { upper, lowers, full: false, content: "root" }, options);
    },
    async seal(id, file) {
      const { upper, lowers } = stack(state, known(id));
      return { ...(await pool.run("seal", { upper, lowers, file })), upper };
    },
    async bytes(id) {
      const { apparent } = await pool.run("measure", { folder: known(id).snapshot.upperDir });
      return apparent;
    },
  };
}

function readRecord(folder: string): Recorded | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, "snapshot.json"), "utf8")) as Recorded;
  } catch {
    // Never finished: its maker was not answered.
    return undefined;
  }
}

function held(places: Places, { id, driver, imageId, top, lower }: Recorded): Held {
  const folder = join(places.snapshots, id);
  const upper = join(folder, "diff");
  const lowers = lower.map((name) => join(places.links, name));
  const mount: RootMount =
    driver === "overlay2"
      ? {
          kind: "overlay",
          lower: lowers,
          upper,
          work: join(folder, "work"),
          options: OVERLAY_OPTIONS,
        }
      : { kind: "bind", source: upper };
  return { snapshot: { id, driver, imageId, mount, upperDir: upper }, top, lowers };
}

async function create(
  state: State,
  id: string,
  imageId: string | undefined,
  top: Digest | undefined,
): Promise<Snapshot> {
  if (!ID.test(id)) throw new GantryError("invalid", `snapshot id ${JSON.stringify(id)} is not valid`);
  if (state.snapshots.has(id) || state.making.has(id))
    throw new GantryError("already-exists", `snapshot ${id} exists already`);
  const { places, layers, driver } = state;
  state.making.add(id);
  // From here on the layers stay, whatever becomes of the image.
  if (top !== undefined) layers.retain(top);
  const staging = join(places.staging, hexId(undefined, 16));
  try {
    const lowers = await layers.lowers(top);
    const recorded: Recorded = {
      id,
      driver,
      imageId,
      top,
      lower: lowers.map((path) => path.slice(places.links.length + 1)),
    };
    await makeRoot(state, staging, top, lowers);
    writeFileSync(join(staging, "snapshot.json"), JSON.stringify(recorded), { mode: 0o600 });
    renameSync(staging, join(places.snapshots, id));
    const made = held(places, recorded);
    state.snapshots.set(id, made);
    return made.snapshot;
  } catch (error) {
    if (top !== undefined) layers.release(top);
    if (lstatSync(staging, { throwIfNoEntry: false })) state.trash.take(staging);
    throw error;
  } finally {
    state.making.delete(id);
  }
}

/** The directory that a container writes to: empty over the layers, or with all their files. */
async function makeRoot(
  { driver, pool, places, roots }: State,
  staging: string,
  top: Digest | undefined,
  lowers: readonly string[],
): Promise<void> {
  if (driver === "btrfs") {
    mkdirSync(staging, { mode: 0o700 });
    return roots.snapshot(top && chainName(top), real({ places }, lowers), staging);
  }
  makeUpper(staging, lowers[0] ?? places.staging);
  if (driver === "vfs") await pool.run("copy", { layers: real({ places }, lowers), target: join(staging, "diff") });
}

/** The upper directory is the root's own: it looks as the one below it. */
function makeUpper(folder: string, below: string): void {
  const upper = join(folder, "diff");
  mkdirSync(folder, { mode: 0o700 });
  mkdirSync(upper);
  mkdirSync(join(folder, "work"), { mode: 0o700 });
  const { uid, gid, mode } = lstatSync(`${below}/.`);
  chownSync(upper, uid, gid);
  chmodSync(upper, mode & 0o7777);
}

async function remove(state: State, id: string): Promise<void> {
  const found = state.snapshots.get(id);
  if (!found) return;
  state.snapshots.delete(id);
  state.trash.take(join(state.places.snapshots, id));
  if (found.top !== undefined) state.layers.release(found.top);
}

/** The directories behind the links: the readers of layers follow none. */
function real({ places }: Pick<State, "places">, links: readonly string[]): string[] {
  return links.map((path) => join(places.links, readlinkSync(path)));
}

/** A snapshot of vfs or btrfs has all files of its own (`full`): what it lacks has been deleted. */
function stack(state: State, held: Held): { upper: string; lowers: readonly string[]; full: boolean } {
  const lowers = real(state, held.lowers);
  return { upper: held.snapshot.upperDir, lowers, full: held.snapshot.driver !== "overlay2" };
}
