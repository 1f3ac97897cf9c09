import { hexId } from "#base/ids.ts";
import { snapshotFiles, type RootFiles } from "#containers/container-files.ts";
import { imageConfigOf, type StageState } from "../stage-state.ts";
import type { BuildRun } from "../types.ts";

/** Host platform of images without a base. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** The image of a state, with a layer on top when one is given; the state then stands on it. */
export async function commitState(
  run: BuildRun,
  state: StageState,
  snapshotId: string | undefined,
): Promise<StageState> {
  const base = state.imageId === undefined ? undefined : run.images.get(state.imageId);
  const config = imageConfigOf(state, {
    created: run.created,
    os: base?.config.os ?? "linux",
    architecture: base?.config.architecture ?? ARCHITECTURES[process.arch] ?? process.arch,
    ...(base?.config.variant !== undefined && { variant: base.config.variant }),
    diffIds: base?.config.rootfs.diff_ids ?? [],
  });
  const layer = snapshotId === undefined ? undefined : run.images.exportLayer(snapshotId);
  return { ...state, imageId: await run.images.commitLayer(layer, config, base?.id), dirty: false };
}

/** Runs with the files of a new writable layer over a state's image, and removes it. */
export async function withLayer<T>(
  run: BuildRun,
  imageId: string | undefined,
  use: (files: RootFiles, snapshotId: string) => Promise<T>,
): Promise<T> {
  const snapshot = await run.images.createSnapshot(`build-${hexId(undefined, 16)}`, imageId);
  try {
    const files = snapshotFiles(snapshot);
    try {
      return await use(files, snapshot.id);
    } finally {
      files.close();
    }
  } finally {
    await run.images.removeSnapshot(snapshot.id);
  }
}

/** A step that changes files: takes the image of an earlier build with the same key, or makes it. */
export async function cachedStep(
  run: BuildRun,
  key: string,
  make: () => Promise<StageState>,
): Promise<{ readonly state: StageState | undefined; readonly imageId: string }> {
  const known = run.options.noCache ? undefined : run.cache.find(key);
  if (known !== undefined && run.images.find(known)) {
    run.report({ stream: " ---> Using cache\n" });
    return { state: undefined, imageId: known };
  }
  const state = await make();
  if (state.imageId !== undefined) await run.cache.put(key, state.imageId);
  return { state, imageId: state.imageId ?? "" };
}
