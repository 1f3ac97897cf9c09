import { Readable } from "node:stream";
import { GantryError, isGantryError } from "#base/errors.ts";
import type { RootFiles } from "#containers/container-files.ts";
import { applyConfigInstruction, resolveWorkdir } from "#formats/dockerfile-config.ts";
import { parseSingleInstruction } from "#formats/dockerfile.ts";
import { expandWord } from "#formats/dockerfile-expand.ts";
import type { Instruction } from "#formats/dockerfile-instruction.ts";
import { encodeTarHeader, TAR_END } from "#formats/tar-writer.ts";
import { cacheKey } from "./step-cache.ts";
import { withHistory, type StageState } from "./stage-state.ts";
import { cachedStep, commitState, withLayer } from "./steps/commit.ts";
import { copyStep, type CopyInstruction } from "./steps/copy.ts";
import { runStep } from "./steps/run.ts";
import type { BuildRun, WithSource } from "./types.ts";

/** One instruction on a state: the next state. An error has the instruction's lines in its details. */
export async function buildInstruction(
  run: BuildRun,
  state: StageState,
  instruction: Instruction,
  withSource: WithSource,
): Promise<StageState> {
  try {
    return await dispatch(run, state, instruction, withSource);
  } catch (error) {
    if (!isGantryError(error) || error.details["lines"] !== undefined) throw error;
    const { start, end } = instruction.location;
    throw new GantryError(error.code, error.message, { ...error.details, line: start, lines: [start, end] }, error);
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
      return withHistory(
        { ...state, author: instruction.value },
        { createdBy: `MAINTAINER ${instruction.value}`, created: run.created, emptyLayer: true },
      );
    default: {
      const lookup = state.scope.lookup(state.config.Env ?? []);
      const config = applyConfigInstruction(state.config, instruction, {
        lookup,
        escape: run.escape,
        cmdSet: state.cmdSet,
      });
      const isCommand = instruction.kind === "cmd";
      // Of no use but to Windows, and in every image with a CMD that BuildKit makes.
      const escaped = isCommand ? { ArgsEscaped: true } : {};
      return withHistory(
        { ...state, config: { ...config, ...escaped }, cmdSet: state.cmdSet || isCommand },
        { createdBy: instruction.original, created: run.created, emptyLayer: true },
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
  if (from.includes("$"))
    throw new GantryError(
      "invalid",
      `'${from}' can't be used in --from: variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround`,
      { flag: "from" },
    );
  return withSource(from, (source) => copyStep(run, state, instruction, source));
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
  return withHistory(state, { createdBy: original, created: run.created, emptyLayer: true });
}

/** WORKDIR makes its directory when it is not there. */
async function workdirStep(run: BuildRun, state: StageState, value: string): Promise<StageState> {
  const path = resolveWorkdir(
    state.config.WorkingDir ?? "",
    expandWord(value, state.scope.lookup(state.config.Env ?? []), run.escape),
  );
  const next = { ...state, config: { ...state.config, WorkingDir: path } };
  const key = cacheKey(["workdir", state.imageId, JSON.stringify(next.config)]);
  return cachedStep(run, key, next, () =>
    withLayer(
      run,
      state.imageId,
      async (files) => {
        const there = files.stat(`${path}/`)?.kind === "directory";
        if (!there) await makeWorkdir(files, path, next.config.User);
        return there;
      },
      (snapshotId, there) => {
        const step = { createdBy: `WORKDIR ${path}`, created: run.created, emptyLayer: there, key };
        return commitState(run, withHistory(next, step), there ? undefined : snapshotId);
      },
    ),
  );
}

/** With all that is missing above it; it is the user's. */
async function makeWorkdir(files: RootFiles, path: string, user: string | undefined): Promise<void> {
  const parts = path.split("/").filter((part) => part !== "");
  const missing = parts.map((_, at) => parts.slice(0, at + 1).join("/")).filter((each) => !files.stat(`/${each}/`));
  const entries = missing.map((each) =>
    encodeTarHeader({
      path: `${each}/`,
      type: "directory",
      mode: 0o755,
      uid: 0,
      gid: 0,
      size: 0,
      modifiedNanos: BigInt(Date.now()) * 1_000_000n,
      linkPath: "",
      device: { major: 0, minor: 0 },
      xattrs: new Map(),
    }),
  );
  const owner = user ? { owner: files.ownerOf(user) } : {};
  await files.write("/", Readable.from([...entries, TAR_END]), { keepKinds: true, ...owner });
}

/** What the base image asks of those who build on it: its ONBUILD triggers, in order. */
export function onbuildInstructions(triggers: readonly string[]): Instruction[] {
  return triggers.map((trigger) => parseSingleInstruction(trigger));
}
