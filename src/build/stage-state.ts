import type { ImageConfig, ImageHistory, RunConfig } from "#formats/image-config.ts";
import type { Scope } from "./plan/scope.ts";

/** A stage so far. Instructions give the next state; the last one is the stage's result. */
export interface StageState {
  /** The image that its layers are committed to; undefined: none yet (scratch). */
  readonly imageId: string | undefined;
  readonly config: RunConfig;
  readonly history: readonly ImageHistory[];
  /** Cache keys of the steps, one for each entry of the history; "" for those that make no layer. */
  readonly steps: readonly string[];
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
    ...(state.steps.some((key) => key !== "") && { "gantry.steps": [...state.steps] }),
  };
}

/** A step in the image's history; `key` is its cache key when files may have changed by it. */
export function withHistory(
  state: StageState,
  step: { readonly createdBy: string; readonly created: string; readonly emptyLayer: boolean; readonly key?: string },
): StageState {
  const { createdBy, created, emptyLayer, key = "" } = step;
  const entry: ImageHistory = {
    created,
    created_by: createdBy,
    ...(state.author !== undefined && { author: state.author }),
    ...(emptyLayer && { empty_layer: true }),
  };
  return { ...state, history: [...state.history, entry], steps: [...alignedSteps(state), key], dirty: true };
}

/** A base that Gantry did not build has no keys. */
function alignedSteps({ history, steps }: StageState): string[] {
  return history.map((_, at) => steps[at] ?? "");
}
