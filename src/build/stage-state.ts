import type { ImageConfig, ImageHistory, RunConfig } from "#formats/image-config.ts";
import type { Scope } from "./plan/scope.ts";

/** A stage so far. Instructions give the next state; the last one is the stage's result. */
export interface StageState {
  /** The image that its layers are committed to; undefined: none yet (scratch). */
  readonly imageId: string | undefined;
  readonly config: RunConfig;
  readonly history: readonly ImageHistory[];
  readonly author: string | undefined;
  /** It has a CMD of its own: ENTRYPOINT leaves it alone. */
  readonly cmdSet: boolean;
  /** Something changed since `imageId` was made. */
  readonly dirty: boolean;
  readonly scope: Scope;
}

/** The image configuration of a state; `diffIds` are its image's. */
export function imageConfigOf(
  state: StageState,
  options: { created: string; os: string; architecture: string; variant?: string; diffIds: readonly string[] },
): ImageConfig {
  const { created, os, architecture, variant, diffIds } = options;
  return {
    created,
    ...(state.author !== undefined && { author: state.author }),
    architecture,
    os,
    ...(variant !== undefined && { variant }),
    config: state.config,
    rootfs: { type: "layers", diff_ids: [...diffIds] },
    history: [...state.history],
  };
}

/** A step in the image's history. */
export function withHistory(state: StageState, createdBy: string, created: string, emptyLayer: boolean): StageState {
  const step: ImageHistory = {
    created,
    created_by: createdBy,
    ...(state.author !== undefined && { author: state.author }),
    ...(emptyLayer && { empty_layer: true }),
  };
  return { ...state, history: [...state.history, step], dirty: true };
}
