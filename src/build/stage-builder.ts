import { Readable } from "node:stream";
import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import { applyConfigInstruction, resolveWorkdir } from "#formats/dockerfile-config.ts";
import { parseSingleInstruction } from "#formats/dockerfile.ts";
import { expandWord } from "#formats/dockerfile-expand.ts";
import type { Instruction } from "#formats/dockerfile-instruction.ts";
import { TAR_END } from "#formats/tar-writer.ts";
import { cacheKey } from "./step-cache.ts";
import { withHistory, type StageState } from "./stage-state.ts";
import { cachedStep, commitState, withLayer } from "./steps/commit.ts";
import { copyStep, resumed, type CopyInstruction } from "./steps/copy.ts";
import { runStep } from "./steps/run.ts";
import type { BuildRun, WithSource } from "./types.ts";

/** One instruction on a state: the next state. An error names the instruction's line and shows it. */
export async function buildInstruction(
  run: BuildRun,
  state: StageState,
  instruction: Instruction,
  withSource: WithSource,
): Promise<StageState> {
  try {
    return await dispatch(run, state, instruction, withSource);
  } catch (error) {
    if (!isGantryError(error) || error.details["line"] !== undefined) throw error;
    throw new GantryError(error.code, errorText(error), { ...error.details, line: instruction.location.start }, error);
  }
}

async function dispatch(
  run: BuildRun,
  state: StageState,
  instruction: Instruction,
  withSource: WithSource,
): Promise<StageState> {
  switch (instruction.kind) {
    case "run":
      return runStep(run, state, instruction, withSource);
    case "copy":
    case "add":
      return copyFrom(run, state, instruction, withSource);
    case "workdir":
      return workdirStep(run, state, instruction.value);
    case "arg":
      return declareArgs(run, state, instruction);
    case "maintainer":
      return withHistory({ ...state, author: instruction.value }, `MAINTAINER ${instruction.value}`, run.created, true);
    default: {
      const lookup = state.scope.lookup(state.config.Env ?? []);
      const config = applyConfigInstruction(state.config, instruction, {
        lookup,
        escape: run.escape,
        cmdSet: state.cmdSet,
      });
      return withHistory(
        { ...state, config, cmdSet: state.cmdSet || instruction.kind === "cmd" },
        instruction.original,
        run.created,
        true,
      );
    }
  }
}

function copyFrom(
  run: BuildRun,
  state: StageState,
  instruction: CopyInstruction,
  withSource: WithSource,
): Promise<StageState> {
  const { from } = instruction.options;
  if (from === undefined)
    return copyStep(run, state, instruction, {
      files: run.context.files,
      ignored: run.context.ignore,
      fromContext: true,
    });
  const name = expandWord(from, state.scope.lookup(state.config.Env ?? []), run.escape);
  return withSource(name, (source) => copyStep(run, state, instruction, source));
}

function declareArgs(
  run: BuildRun,
  state: StageState,
  { args, original }: Extract<Instruction, { kind: "arg" }>,
): StageState {
  for (const { name, value } of args) {
    const lookup = state.scope.lookup(state.config.Env ?? []);
    state.scope.declare(name, value === undefined ? undefined : expandWord(value, lookup, run.escape));
  }
  return withHistory(state, original, run.created, true);
}

/** WORKDIR makes its directory when it is not there. */
async function workdirStep(run: BuildRun, state: StageState, value: string): Promise<StageState> {
  const path = resolveWorkdir(
    state.config.WorkingDir ?? "",
    expandWord(value, state.scope.lookup(state.config.Env ?? []), run.escape),
  );
  const next = { ...state, config: { ...state.config, WorkingDir: path } };
  const key = cacheKey(["workdir", state.imageId, JSON.stringify(next.config)]);
  const { state: made, imageId } = await cachedStep(run, key, () =>
    withLayer(run, state.imageId, async (files, snapshotId) => {
      const there = files.stat(`${path}/`)?.kind === "directory";
      if (!there) await files.write(path, Readable.from([TAR_END]), { keepKinds: true, make: true });
      return commitState(run, withHistory(next, `WORKDIR ${path}`, run.created, there), there ? undefined : snapshotId);
    }),
  );
  return made ?? resumed(run, next, imageId);
}

/** What the base image asks of those who build on it: its ONBUILD triggers, in order. */
export function onbuildInstructions(triggers: readonly string[]): Instruction[] {
  return triggers.map((trigger) => parseSingleInstruction(trigger));
}
