import type { Readable } from "node:stream";
import { GantryError } from "#base/errors.ts";
import type { Platform, RunConfig } from "#formats/image-config.ts";
import { expandWord } from "#formats/dockerfile-expand.ts";
import { parsePlatform } from "#formats/image-platform.ts";
import { baseImage } from "./base-image.ts";
import type { ContextFiles } from "./build-context.ts";
import { contentDigest } from "./content-digest.ts";
import { stageScope } from "./plan/scope.ts";
import type { PlannedStage } from "./plan/stages.ts";
import { namedImage } from "./sources.ts";
import { withHistory, type StageState } from "./stage-state.ts";
import { cacheKey } from "./step-cache.ts";
import { cachedStep, commitState, withLayer } from "./steps/commit.ts";
import type { BuildRun } from "./types.ts";

/** FROM: the state that a stage begins with. `finished` gives the end of an earlier stage. */
export async function beginStage(
  run: BuildRun,
  { base, stage }: PlannedStage,
  meta: ReadonlyMap<string, string>,
  finished: (index: number) => StageState | undefined,
): Promise<StageState> {
  if (base.kind === "stage") {
    const from = finished(base.index);
    if (!from) throw new GantryError("internal", `stage ${base.index} is not built`);
    return { ...from, cmdSet: false, scope: stageScope(run.options.buildArgs, meta, from.scope) };
  }
  const empty = {
    config: {},
    history: [],
    steps: [],
    author: undefined,
    cmdSet: false,
    dirty: false,
    scope: stageScope(run.options.buildArgs, meta),
  };
  if (base.kind === "scratch") return { ...empty, imageId: undefined, config: SCRATCH };
  const named = run.context.named.get(base.reference);
  if (named) return directoryStage(run, { ...empty, imageId: undefined, config: SCRATCH }, base.reference, named);
  const platform = wantedPlatform(run, stage.platform, meta);
  const { id, config } = await baseImage(run, namedImage(run, base.reference) ?? base.reference, {
    line: stage.location.start,
    ...(platform && { platform }),
  });
  return {
    ...empty,
    imageId: id,
    config: config.config ?? {},
    history: config.history ?? [],
    steps: config["gantry.steps"] ?? [],
    author: config.author,
  };
}

/** FROM a named context that is a directory: an image of nothing with its files (BuildKit, dockerui/namedcontext.go). */
async function directoryStage(
  run: BuildRun,
  state: StageState,
  name: string,
  { files, ignore }: ContextFiles,
): Promise<StageState> {
  const read = (): Readable => files.read("/", { as: ".", skip: ignore });
  const key = cacheKey(["context", name, JSON.stringify(run.platform), await contentDigest(read())]);
  return cachedStep(run, key, state, () =>
    withLayer(
      run,
      undefined,
      (to) => to.write("/", read(), { keepKinds: false, owner: { uid: 0, gid: 0 } }),
      (snapshotId) => {
        const createdBy = `[context ${name}] load from client`;
        return commitState(
          run,
          withHistory(state, { createdBy, created: run.created, emptyLayer: false, key }),
          snapshotId,
        );
      },
    ),
  );
}

/** What an image of nothing has all the same (BuildKit frontend/dockerfile/dockerfile2llb, emptyImage). */
const SCRATCH: RunConfig = {
  Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  WorkingDir: "/",
};

/** `FROM --platform`, else `--platform` of the build; undefined: whatever is here will do. */
function wantedPlatform(
  run: BuildRun,
  given: string | undefined,
  meta: ReadonlyMap<string, string>,
): Platform | undefined {
  if (given === undefined) return run.options.platform;
  const text = expandWord(given, (name) => meta.get(name), run.escape);
  if (text === "") throw new GantryError("invalid", `empty platform value from expression ${given}`);
  return parsePlatform(text);
}
