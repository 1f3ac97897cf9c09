import { GantryError } from "#base/errors.ts";
import { snapshotFiles } from "#containers/container-files.ts";
import { hexId } from "#base/ids.ts";
import type { Dockerfile, Instruction } from "#formats/dockerfile-instruction.ts";
import type { Image } from "#images/image-store.ts";
import { metaScope, platformArgs, stageScope, unusedArgs } from "./plan/scope.ts";
import { planStages, stageIndex, type PlannedStage } from "./plan/stages.ts";
import { buildInstruction, onbuildInstructions } from "./stage-builder.ts";
import type { StageState } from "./stage-state.ts";
import { cacheKey } from "./step-cache.ts";
import { commitState } from "./steps/commit.ts";
import type { BuildRun, WithSource } from "./types.ts";

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** Builds the stages that the target needs, one after the other, and names the result. Returns its id. */
export async function buildStages(run: BuildRun, file: Dockerfile): Promise<string> {
  const { options, report } = run;
  const platform = { os: "linux", architecture: ARCHITECTURES[process.arch] ?? process.arch };
  const meta = metaScope(
    file.metaArgs,
    options.buildArgs,
    platformArgs(platform, options.target || "default"),
    file.escape,
  );
  const planned = planStages(file, options.target, meta);
  const progress = { done: 0, total: planned.reduce((sum, { stage }) => sum + 1 + stage.instructions.length, 0) };
  const finished = new Map<number, StageState>();
  const declared = new Set<string>(file.metaArgs.map(({ name }) => name));
  for (const warning of file.warnings) report({ stream: `[Warning] ${warning}\n` });
  for (const each of planned) {
    const state = await buildStage(run, file, each, { meta, finished, progress });
    for (const name of state.scope.declared) declared.add(name);
    finished.set(each.index, state);
  }
  const unused = unusedArgs(options.buildArgs, declared);
  if (unused.length > 0)
    report({ stream: `[Warning] One or more build-args [${unused.join(" ")}] were not consumed\n` });
  const last = planned.at(-1);
  const result = last && finished.get(last.index);
  if (!result) throw new GantryError("internal", "no stage was built");
  return finishImage(run, result);
}

interface Progress {
  done: number;
  readonly total: number;
}

interface Surroundings {
  readonly meta: ReadonlyMap<string, string>;
  readonly finished: ReadonlyMap<number, StageState>;
  readonly progress: Progress;
}

async function buildStage(
  run: BuildRun,
  file: Dockerfile,
  planned: PlannedStage,
  around: Surroundings,
): Promise<StageState> {
  const { stage, index } = planned;
  announce(run, around.progress, stage.original);
  let state = await beginStage(run, planned, around);
  const withSource = sourcesOf(run, file, index, around.finished);
  for (const instruction of triggersOf(state))
    state = await buildInstruction(run, withoutTriggers(state), instruction, withSource);
  state = withoutTriggers(state);
  for (const instruction of stage.instructions) {
    run.options.signal?.throwIfAborted();
    announce(run, around.progress, instruction.original);
    state = await buildInstruction(run, state, instruction, withSource);
    if (!state.dirty && state.imageId !== undefined) run.report({ stream: ` ---> ${shortId(state.imageId)}\n` });
  }
  return state.dirty || state.imageId === undefined ? commitConfig(run, state) : state;
}

/** The image of a state whose configuration alone changed; the one of an earlier build when it changed the same way. */
async function commitConfig(run: BuildRun, state: StageState): Promise<StageState> {
  const steps = state.history.map(({ created_by, empty_layer }) => [created_by, empty_layer]);
  const key = cacheKey([
    "config",
    state.imageId,
    JSON.stringify(state.config),
    state.author,
    JSON.stringify(steps),
    run.options.buildArgs.get("SOURCE_DATE_EPOCH"),
  ]);
  const known = run.options.noCache ? undefined : run.cache.find(key);
  if (known !== undefined && run.images.find(known)) return { ...state, imageId: known, dirty: false };
  const made = await commitState(run, state, undefined);
  await run.cache.put(key, made.imageId ?? "");
  return made;
}

function announce({ report }: BuildRun, progress: Progress, text: string): void {
  progress.done++;
  report({ stream: `Step ${progress.done}/${progress.total} : ${text}\n` });
}

async function beginStage(
  run: BuildRun,
  { base, stage }: PlannedStage,
  { meta, finished }: Surroundings,
): Promise<StageState> {
  if (base.kind === "stage") {
    const from = finished.get(base.index);
    if (!from) throw new GantryError("internal", `stage ${base.index} is not built`);
    return { ...from, cmdSet: false, scope: stageScope(run.options.buildArgs, meta, from.scope) };
  }
  const empty = {
    config: {},
    history: [],
    author: undefined,
    cmdSet: false,
    dirty: false,
    scope: stageScope(run.options.buildArgs, meta),
  };
  if (base.kind === "scratch") return { ...empty, imageId: undefined };
  const image = await baseImage(run, base.reference, stage.location.start);
  run.report({ stream: ` ---> ${shortId(image.id)}\n` });
  return {
    ...empty,
    imageId: image.id,
    config: image.config.config ?? {},
    history: image.config.history ?? [],
    author: image.config.author,
  };
}

async function baseImage(run: BuildRun, reference: string, line: number): Promise<Image> {
  const found = run.options.pull ? undefined : run.images.find(reference);
  if (found) return found;
  const auth = run.options.auths.get(registryOf(reference));
  try {
    return await run.images.pull(reference, {
      report: run.report,
      ...(auth && { auth }),
      ...(run.options.signal && { signal: run.options.signal }),
    });
  } catch (error) {
    // What is there and cannot be looked for again is still good.
    const local = run.options.pull ? undefined : run.images.find(reference);
    if (local) return local;
    throw error instanceof GantryError
      ? new GantryError(error.code, error.message, { ...error.details, line }, error)
      : error;
  }
}

/** The registry's host in a reference; Docker Hub's key without one. */
function registryOf(reference: string): string {
  const [first = "", ...rest] = reference.split("/");
  const isHost = rest.length > 0 && (first.includes(".") || first.includes(":") || first === "localhost");
  return isHost ? first : "https://index.docker.io/v1/";
}

function triggersOf({ config }: StageState): Instruction[] {
  return onbuildInstructions(config.OnBuild ?? []);
}

function withoutTriggers(state: StageState): StageState {
  if (!state.config.OnBuild?.length) return state;
  const { OnBuild: _triggers, ...config } = state.config;
  return { ...state, config, dirty: true };
}

/** `COPY --from`: an earlier stage by name or number, else an image. */
function sourcesOf(
  run: BuildRun,
  file: Dockerfile,
  before: number,
  finished: ReadonlyMap<number, StageState>,
): WithSource {
  return async (name, use) => {
    const index = stageIndex(file, name, before, true);
    const imageId = index === undefined ? (await baseImage(run, name, 0)).id : finished.get(index)?.imageId;
    const snapshot = await run.images.createSnapshot(`build-${hexId(undefined, 16)}`, imageId);
    const files = snapshotFiles(snapshot);
    try {
      return await use({ files, ignored: () => false, fromContext: false });
    } finally {
      files.close();
      await run.images.removeSnapshot(snapshot.id);
    }
  };
}

async function finishImage(run: BuildRun, state: StageState): Promise<string> {
  const { labels, tags } = run.options;
  const labelled =
    labels.size === 0
      ? state
      : await commitState(
          run,
          { ...state, config: { ...state.config, Labels: { ...state.config.Labels, ...Object.fromEntries(labels) } } },
          undefined,
        );
  const id = labelled.imageId ?? "";
  await run.cache.markResult(id);
  run.report({ aux: { ID: id } });
  run.report({ stream: `Successfully built ${shortId(id)}\n` });
  for (const tag of tags) {
    await run.images.tag(id, tag);
    run.report({
      stream: `Successfully tagged ${tag.includes(":", tag.lastIndexOf("/") + 1) ? tag : `${tag}:latest`}\n`,
    });
  }
  return id;
}

function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}
