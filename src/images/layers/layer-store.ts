import { existsSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import { chainIds, type Digest } from "#formats/digest.ts";
import type { Compression } from "#formats/image-media-types.ts";
import type { WorkerPool } from "../worker/pool.ts";
import type { Unpacked } from "../worker/unpacker.ts";
import { initLayers, type InitLayers } from "./init-layers.ts";
import { layerTarget, readLayers, repairLinks, type Layer } from "./layer-files.ts";
import { chainName, type Places } from "./places.ts";
import type { Trash } from "./trash.ts";

export type { Layer } from "./layer-files.ts";

/** Where the archive of a layer is: a blob, or a stream that is kept in `keep` while it is unpacked. */
export type LayerSource =
  | {
      readonly kind: "blob";
      readonly path: string;
      readonly compression?: Compression;
      /** As it was verified when the blob came: a plain archive need not be hashed again. */
      readonly digest?: Digest;
    }
  | {
      readonly kind: "stream";
      readonly input: AsyncIterable<Uint8Array>;
      readonly compression?: Compression;
      readonly keep: { readonly file: string; readonly digest?: Digest };
      readonly signal?: AbortSignal;
    };

export interface StagedLayer {
  readonly folder: string;
  readonly unpacked: Unpacked;
  readonly diffId: Digest;
  /** Of the archive as it came, when it was kept. */
  readonly digest: Digest | undefined;
}

export interface LayerStore {
  get(chainId: Digest): Layer | undefined;
  /** The layers of a chain, from bottom to top. Throws `not-found` when one is missing. */
  chain(top: Digest | undefined): readonly Layer[];
  /** Unpacks an archive where nobody sees it. `diffId` undefined: whatever it is. */
  stage(source: LayerSource, diffId: Digest | undefined, onProgress?: (bytes: number) => void): Promise<StagedLayer>;
  /** Takes over a directory that is a layer already. */
  take(diff: string, unpacked: Unpacked, diffId: Digest): Promise<StagedLayer>;
  /** Makes a staged layer the one on top of `parent`; drops it when that is there already. The caller gets one reference. */
  commit(staged: StagedLayer, parent: Digest | undefined): Promise<Layer>;
  /** Drops a staged layer; harmless when it has been committed. */
  discard(staged: StagedLayer): void;
  /** One more user of a layer that is here. */
  retain(chainId: Digest): void;
  /** One user less. Returns the layers that are gone by it, from top to bottom. */
  release(chainId: Digest): readonly Layer[];
  /** Directories of a chain from top to bottom, by short links, with the mount points' layer on top. */
  lowers(top: Digest | undefined): Promise<readonly string[]>;
  /** Removes layers that nobody uses; to be called once, when all users have retained theirs. */
  sweep(): void;
  all(): Iterable<Layer>;
}

interface State {
  readonly places: Places;
  readonly pool: WorkerPool;
  readonly trash: Trash;
  readonly layers: Map<Digest, Layer>;
  readonly users: Map<Digest, number>;
  readonly inits: InitLayers;
  nextLink: number;
}

/** Reads what is there; removes what is half made. */
export function openLayers(places: Places, pool: WorkerPool, trash: Trash): LayerStore {
  for (const name of readdirSync(places.staging)) trash.take(join(places.staging, name));
  const layers = readLayers(places, trash);
  const inits = initLayers(places, pool, trash, repairLinks(places, layers.values(), trash));
  const state: State = { places, pool, trash, layers, users: new Map(), inits, nextLink: 0 };
  for (const layer of layers.values()) {
    state.nextLink = Math.max(state.nextLink, Number.parseInt(layer.link, 36) + 1);
    if (layer.parent !== undefined) retain(state, layer.parent);
  }
  return {
    get: (chainId) => layers.get(chainId),
    chain: (top) => chain(state, top),
    stage: (source, diffId, onProgress) => stage(state, source, diffId, onProgress),
    take: (diff, unpacked, diffId) => take(state, diff, unpacked, diffId),
    commit: (staged, parent) => commit(state, staged, parent),
    discard({ folder }) {
      if (existsSync(folder)) trash.take(folder);
    },
    retain: (chainId) => retain(state, chainId),
    release: (chainId) => release(state, chainId),
    lowers: (top) => lowers(state, top),
    sweep() {
      for (const layer of Array.from(layers.values())) if (!state.users.has(layer.chainId)) remove(state, layer);
    },
    all: () => layers.values(),
  };
}

function chain(state: State, top: Digest | undefined): readonly Layer[] {
  const layers: Layer[] = [];
  for (let next = top; next !== undefined;) {
    const layer = state.layers.get(next);
    if (!layer) throw new GantryError("not-found", `layer ${next} is not here`);
    layers.push(layer);
    next = layer.parent;
  }
  return layers.reverse();
}

async function stage(
  { places, pool, trash }: State,
  source: LayerSource,
  diffId: Digest | undefined,
  progress: ((bytes: number) => void) | undefined,
): Promise<StagedLayer> {
  const folder = join(places.staging, hexId(undefined, 16));
  const target = { diff: join(folder, "diff"), trash: join(folder, "trash") };
  await mkdir(target.diff, { recursive: true, mode: 0o755 });
  await mkdir(target.trash, { mode: 0o700 });
  const { compression } = source;
  const request = {
    target,
    ...(diffId === undefined ? {} : { diffId }),
    ...(compression === undefined ? {} : { compression }),
  };
  const options = progress ? { progress } : {};
  try {
    const { unpacked, ...result } =
      source.kind === "blob"
        ? await pool.run(
            "unpack",
            { ...request, blob: source.path, ...(source.digest !== undefined && { blobDigest: source.digest }) },
            options,
          )
        : await pool.run(
            "unpack",
            { ...request, keep: source.keep },
            { ...options, input: source.input, ...(source.signal ? { signal: source.signal } : {}) },
          );
    return { folder, unpacked, diffId: result.diffId, digest: result.digest };
  } catch (error) {
    trash.take(folder);
    throw error;
  }
}

async function take({ places }: State, diff: string, unpacked: Unpacked, diffId: Digest): Promise<StagedLayer> {
  const folder = join(places.staging, hexId(undefined, 16));
  await mkdir(folder, { mode: 0o700 });
  renameSync(diff, join(folder, "diff"));
  return { folder, unpacked, diffId, digest: diffId };
}

async function commit(state: State, staged: StagedLayer, parent: Digest | undefined): Promise<Layer> {
  const { folder, unpacked, diffId } = staged;
  const chainId = parent === undefined ? diffId : (chainIds([parent, diffId])[1] ?? diffId);
  if (!state.layers.has(chainId)) {
    const below = chain(state, parent).map((layer) => join(state.places.layers, chainName(layer.chainId), "diff"));
    const request = { diff: join(folder, "diff"), lowers: below.reverse(), implicit: unpacked.implicit };
    if (below.length > 0 && unpacked.implicit.length > 0) await state.pool.run("inherit", request);
    if (existsSync(join(folder, "trash"))) state.trash.take(join(folder, "trash"));
  }
  const link = (state.nextLink++).toString(36);
  const layer: Layer = { chainId, diffId, parent, size: unpacked.size, link, opaqueRoot: unpacked.opaqueRoot };
  await writeFile(join(folder, "layer.json"), JSON.stringify(layer), { mode: 0o600 });
  return place(state, layer, folder);
}

/** From here on it is there; or it is there already, since another load was first. */
function place(state: State, layer: Layer, folder: string): Layer {
  const present = state.layers.get(layer.chainId);
  if (present) {
    state.trash.take(folder);
  } else {
    symlinkSync(layerTarget(layer.chainId), join(state.places.links, layer.link));
    renameSync(folder, join(state.places.layers, chainName(layer.chainId)));
    state.layers.set(layer.chainId, layer);
    if (layer.parent !== undefined) retain(state, layer.parent);
  }
  retain(state, layer.chainId);
  return present ?? layer;
}

function retain(state: State, chainId: Digest): void {
  state.users.set(chainId, (state.users.get(chainId) ?? 0) + 1);
}

function release(state: State, chainId: Digest): readonly Layer[] {
  const left = (state.users.get(chainId) ?? 0) - 1;
  if (left > 0) {
    state.users.set(chainId, left);
    return [];
  }
  const layer = state.layers.get(chainId);
  state.users.delete(chainId);
  return layer ? remove(state, layer) : [];
}

function remove(state: State, layer: Layer): readonly Layer[] {
  const { places, trash } = state;
  if (!state.layers.delete(layer.chainId)) return [];
  state.inits.remove(layer);
  trash.take(join(places.layers, chainName(layer.chainId)));
  rmSync(join(places.links, layer.link), { force: true });
  return [layer, ...(layer.parent === undefined ? [] : release(state, layer.parent))];
}

async function lowers(state: State, top: Digest | undefined): Promise<readonly string[]> {
  const shown: string[] = [];
  for (const layer of chain(state, top).toReversed()) {
    shown.push(join(state.places.links, layer.link));
    if (layer.opaqueRoot) break;
  }
  const init = await state.inits.ensure(top === undefined ? undefined : state.layers.get(top), shown);
  return [init, ...shown];
}
