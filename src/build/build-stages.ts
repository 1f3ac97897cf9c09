import { cpus } from "node:os";
import { GantryError } from "#base/errors.ts";
import type { BuildEvent } from "#formats/build-events.ts";
import type { Dockerfile, Instruction } from "#formats/dockerfile-instruction.ts";
import { hostPlatform } from "#formats/image-platform.ts";
import { beginStage } from "./begin-stage.ts";
import { checkEntitlements } from "./entitlements.ts";
import { buildGraph, type InstructionVertex } from "./graph/build-graph.ts";
import { runGraph } from "./graph/run-graph.ts";
import { metaScope, platformArgs, unusedArgs } from "./plan/scope.ts";
import { planStages, type PlannedStage } from "./plan/stages.ts";
import { sourcesOf } from "./sources.ts";
import { buildInstruction, onbuildInstructions } from "./stage-builder.ts";
import type { StageState } from "./stage-state.ts";
import { cacheKey } from "./step-cache.ts";
import { commitState } from "./steps/commit.ts";
import type { BuildReport, BuildRun, StepReport } from "./types.ts";

/** Steps that run at once, at most: their commands share the machine. */
const PARALLEL_STEPS = Math.max(2, Math.min(8, cpus().length));

/** Builds the stages that the target needs, those that do not need each other side by side, and names the result. Returns its id. */
export async function buildStages(
  run: Omit<BuildRun, "report">,
  file: Dockerfile,
  report: BuildReport,
): Promise<string> {
  const { options } = run;
  const meta = metaOf(run, file);
  const planned = planStages(file, options.target, meta);
  const vertices = buildGraph(file, planned);
  for (const { instruction } of vertices) if (instruction) checkAllowed(options, instruction);
  report({ kind: "plan", vertices: vertices.map(({ shown }) => shown) });
  const build: Stages = { run, file, meta, states: new Map(), ends: endsOf(vertices) };
  await runGraph({
    vertices,
    limit: PARALLEL_STEPS,
    signal: options.signal,
    report,
    perform: (vertex, signal) => perform(build, vertex, { ...run, signal, report: stepReport(report, vertex.id) }),
  });
  warnOfUnusedArgs(build, report);
  const last = planned.at(-1);
  const result = last && build.states.get(last.index);
  if (!result) throw new GantryError("internal", "no stage was built");
  return finishImage({ ...run, report: stepReport(report, -1) }, result, report);
}

/** Before anything is done; of what only a base image asks (ONBUILD), the step itself asks again. */
function checkAllowed(options: BuildRun["options"], instruction: Instruction): void {
  const { start, end } = instruction.location;
  try {
    checkEntitlements(options, instruction);
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    throw new GantryError(error.code, error.message, { ...error.details, line: start, lines: [start, end] }, error);
  }
}

/** ARGs before the first FROM, and those of the platform. */
export function metaOf(
  { options, platform }: Pick<BuildRun, "options" | "platform">,
  file: Dockerfile,
): ReadonlyMap<string, string> {
  const automatic = platformArgs(platform, hostPlatform(), options.target || "default");
  return metaScope(file.metaArgs, options.buildArgs, automatic, file.escape);
}

interface Stages {
  readonly run: Omit<BuildRun, "report">;
  readonly file: Dockerfile;
  readonly meta: ReadonlyMap<string, string>;
  /** Of each stage by its index: how far it is. */
  readonly states: Map<number, StageState>;
  /** The last vertex of each stage. */
  readonly ends: ReadonlySet<number>;
}

function endsOf(vertices: readonly InstructionVertex[]): ReadonlySet<number> {
  return new Set(new Map(vertices.map(({ id, planned }) => [planned.index, id])).values());
}

async function perform(build: Stages, vertex: InstructionVertex, run: BuildRun): Promise<string | undefined> {
  const { planned, instruction } = vertex;
  const before = build.states.get(planned.index);
  let state: StageState;
  if (!instruction) state = await begin(build, planned, run);
  else if (before) state = await step(build, planned, run, before, instruction);
  else throw new GantryError("internal", `stage ${planned.index} has not begun`);
  if (build.ends.has(vertex.id) && (state.dirty || state.imageId === undefined)) state = await commitConfig(run, state);
  build.states.set(planned.index, state);
  return state.dirty ? undefined : state.imageId;
}

/** FROM, and what the base image asks of those who build on it. */
async function begin(build: Stages, planned: PlannedStage, run: BuildRun): Promise<StageState> {
  const { start, end } = planned.stage.location;
  try {
    let state = await beginStage(run, planned, build.meta, (index) => build.states.get(index));
    const triggers = onbuildInstructions(state.config.OnBuild ?? []);
    for (const trigger of triggers) state = await step(build, planned, run, withoutTriggers(state), trigger);
    return withoutTriggers(state);
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    throw new GantryError(error.code, error.message, { ...error.details, line: start, lines: [start, end] }, error);
  }
}

function step(
  { file, states }: Stages,
  { index }: PlannedStage,
  run: BuildRun,
  state: StageState,
  instruction: Instruction,
): Promise<StageState> {
  const withSource = sourcesOf(run, file, index, (other) => states.get(other)?.imageId);
  return buildInstruction(run, state, instruction, withSource);
}

function withoutTriggers(state: StageState): StageState {
  if (!state.config.OnBuild?.length) return state;
  const { OnBuild: _triggers, ...config } = state.config;
  return { ...state, config, dirty: true };
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
    state.imageId === undefined ? JSON.stringify(run.platform) : "",
    run.options.buildArgs.get("SOURCE_DATE_EPOCH"),
  ]);
  const known = run.options.noCache ? undefined : run.cache.find(key);
  if (known !== undefined && run.images.find(known)) return { ...state, imageId: known, dirty: false };
  const made = await commitState(run, state, undefined);
  await run.cache.put(key, made.imageId ?? "");
  return made;
}

function stepReport(report: BuildReport, vertex: number): StepReport {
  const send = (event: BuildEvent): void => {
    if (vertex >= 0) report(event);
  };
  return {
    log: (text) => send({ kind: "log", vertex, text }),
    container: (id) => send({ kind: "container", vertex, id }),
    cached: () => send({ kind: "cached", vertex }),
    pull: (message) => send({ kind: "pull", vertex, message }),
  };
}

function warnOfUnusedArgs({ run, file, states }: Stages, report: BuildReport): void {
  const declared = new Set(file.metaArgs.map(({ name }) => name));
  for (const { scope } of states.values()) for (const name of scope.declared) declared.add(name);
  const unused = unusedArgs(run.options.buildArgs, declared);
  if (unused.length === 0) return;
  const message = `One or more build-args [${unused.join(" ")}] were not consumed`;
  report({ kind: "warning", warning: { rule: "", message, description: "", url: "", line: 0 } });
}

async function finishImage(run: BuildRun, state: StageState, report: BuildReport): Promise<string> {
  const { labels, tags } = run.options;
  const Labels = { ...state.config.Labels, ...Object.fromEntries(labels) };
  const labelled =
    labels.size === 0 ? state : await commitConfig(run, { ...state, config: { ...state.config, Labels }, dirty: true });
  const id = labelled.imageId ?? "";
  if (!run.options.cacheOnly) await run.cache.markResult(id);
  report({ kind: "result", imageId: id });
  for (const tag of tags) {
    await run.images.tag(id, tag);
    report({ kind: "tagged", tag: tag.includes(":", tag.lastIndexOf("/") + 1) ? tag : `${tag}:latest` });
  }
  await run.images.flush(id);
  return id;
}
