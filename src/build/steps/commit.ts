import { hexId } from "#base/ids.ts";
import { snapshotFiles, type RootFiles } from "#containers/container-files.ts";
import { findInImages } from "../cache-from.ts";
import { imageConfigOf, type StageState } from "../stage-state.ts";
import type { BuildRun } from "../types.ts";

/** The image of a state, with a layer on top when one is given; the state then stands on it. */
export async function commitState(
  run: BuildRun,
  state: StageState,
  snapshotId: string | undefined,
): Promise<StageState> {
  const config = configOf(run, state, run.created);
  const { newestSeconds } = run;
  const imageId = await run.images.commitSnapshot(snapshotId, config, state.imageId, { newestSeconds });
  // A layer without files is none, and the image's history says so.
  return { ...state, imageId, history: run.images.get(imageId).config.history ?? [], dirty: false };
}

/** The image configuration of a state, of its base's platform or of the one that is built for. */
export function configOf(run: BuildRun, state: StageState, created: string): ReturnType<typeof imageConfigOf> {
  const base = state.imageId === undefined ? undefined : run.images.get(state.imageId).config;
  const { os, architecture, variant } = base ?? run.platform;
  return imageConfigOf(state, {
    created,
    os,
    architecture,
    ...(variant !== undefined && { variant }),
    diffIds: base?.rootfs.diff_ids ?? [],
  });
}

/** Changes files in a new writable layer over a state's image, then goes on with that layer, and removes it. */
export async function withLayer<C, T>(
  run: BuildRun,
  imageId: string | undefined,
  change: (files: RootFiles) => Promise<C>,
  use: (snapshotId: string, changed: C) => Promise<T>,
): Promise<T> {
  const snapshot = await run.images.createSnapshot(`build-${hexId(undefined, 16)}`, imageId);
  try {
    const files = snapshotFiles(snapshot);
    let changed: C;
    try {
      changed = await change(files);
    } finally {
      files.close();
    }
    return await use(snapshot.id, changed);
  } finally {
    await run.images.removeSnapshot(snapshot.id);
  }
}

/** Steps that are being made now, by key: the same step of two stages, or of two builds, is made once. */
const making = new Map<string, Promise<unknown>>();

/**
 * A step that changes files: takes the image of an earlier build with the same key, of this machine or of an image of
 * `--cache-from`, or makes it. `next` is the state with the step's configuration, its history without the step.
 */
export async function cachedStep(
  run: BuildRun,
  key: string,
  next: StageState,
  make: () => Promise<StageState>,
): Promise<StageState> {
  await making.get(key)?.catch(() => undefined); // whoever made it has told of it; here it is tried again
  const found = run.options.noCache ? undefined : await findStep(run, key, next);
  if (found !== undefined) {
    run.report.cached();
    return resumed(run, next, found);
  }
  run.signal.throwIfAborted();
  const made = make();
  making.set(key, made);
  try {
    const state = await made;
    if (state.imageId !== undefined) await run.cache.put(key, state.imageId);
    return state;
  } finally {
    if (making.get(key) === made) making.delete(key);
  }
}

async function findStep(run: BuildRun, key: string, next: StageState): Promise<string | undefined> {
  const known = run.cache.find(key);
  if (known !== undefined && run.images.find(known)) return known;
  const elsewhere = await findInImages(run, key, next);
  if (elsewhere !== undefined) await run.cache.put(key, elsewhere);
  return elsewhere;
}

/** A state that goes on from the image of an earlier build. */
function resumed(run: BuildRun, state: StageState, imageId: string): StageState {
  const { config } = run.images.get(imageId);
  return { ...state, imageId, history: config.history ?? [], steps: config["gantry.steps"] ?? [], dirty: false };
}
