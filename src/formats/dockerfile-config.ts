import { posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import { expandWord, type Lookup } from "./dockerfile-expand.ts";
import type { CommandLine, Instruction, InstructionBody } from "./dockerfile-instruction.ts";
import { parseSingleInstruction } from "./dockerfile.ts";
import { parseContainerPorts, portKey } from "./docker-ports.ts";
import { parseSignal } from "./docker-signals.ts";
import type { RunConfig } from "./image-config.ts";

export const DEFAULT_SHELL: readonly string[] = ["/bin/sh", "-c"];

/** Instructions that only change the configuration of an image. */
export type ConfigInstruction = Extract<
  InstructionBody,
  {
    kind:
      | "env"
      | "label"
      | "user"
      | "workdir"
      | "stopsignal"
      | "cmd"
      | "entrypoint"
      | "shell"
      | "expose"
      | "volume"
      | "healthcheck"
      | "onbuild";
  }
>;

/**
 * The configuration after an instruction. `lookup` gives variables; `cmdSet` says whether this stage has its own CMD already (ENTRYPOINT
 * drops an inherited one). Throws `invalid` for a bad port, signal or variable.
 */
export function applyConfigInstruction(
  config: RunConfig,
  instruction: ConfigInstruction,
  context: { lookup: Lookup; escape: string; cmdSet: boolean },
): RunConfig {
  const expand = (text: string): string => expandWord(text, context.lookup, context.escape);
  switch (instruction.kind) {
    case "env":
      // All values are read before any is set: `ENV a=1 b=$a` takes the old a.
      return {
        ...config,
        Env: instruction.pairs
          .map(({ name, value }) => [expand(name), expand(value)] as const)
          .reduce(setEnv, config.Env ?? []),
      };
    case "label":
      return {
        ...config,
        Labels: {
          ...config.Labels,
          ...Object.fromEntries(instruction.pairs.map(({ name, value }) => [expand(name), expand(value)])),
        },
      };
    case "user":
      return { ...config, User: expand(instruction.value) };
    case "workdir":
      return { ...config, WorkingDir: resolveWorkdir(config.WorkingDir ?? "", expand(instruction.value)) };
    case "stopsignal":
      return { ...config, StopSignal: checkedSignal(expand(instruction.value)) };
    case "cmd":
      return { ...config, Cmd: shellArgs(instruction.command, config) };
    case "entrypoint":
      return { ...config, Entrypoint: shellArgs(instruction.command, config), ...(!context.cmdSet && { Cmd: null }) };
    case "shell":
      return { ...config, Shell: [...instruction.shell] };
    case "expose":
      return { ...config, ExposedPorts: { ...config.ExposedPorts, ...exposedPorts(instruction.ports.map(expand)) } };
    case "volume":
      return {
        ...config,
        Volumes: { ...config.Volumes, ...Object.fromEntries(instruction.paths.map((path) => [expand(path), {}])) },
      };
    case "healthcheck":
      return { ...config, Healthcheck: { ...instruction.healthcheck } };
    case "onbuild":
      return { ...config, OnBuild: [...(config.OnBuild ?? []), instruction.expression] };
  }
}

/** Sets a variable in `NAME=value` lines, in its place when it is there. */
export function setEnv(env: readonly string[], [name, value]: readonly [string, string]): string[] {
  const line = `${name}=${value}`;
  const at = env.findIndex((each) => each.split("=", 1)[0] === name);
  return at < 0 ? [...env, line] : env.with(at, line);
}

/** A relative WORKDIR goes on from the one before. */
export function resolveWorkdir(before: string, path: string): string {
  if (path === "") throw new GantryError("invalid", "WORKDIR cannot be empty");
  return posix.resolve(before === "" ? "/" : before, path);
}

function shellArgs(command: CommandLine, config: RunConfig): string[] {
  if (command.form === "exec") return [...command.args];
  return [...(config.Shell ?? DEFAULT_SHELL), command.text];
}

function exposedPorts(specs: readonly string[]): Record<string, object> {
  const ports = specs.flatMap((spec) => spec.split(/\s+/)).filter((spec) => spec !== "");
  return Object.fromEntries(
    ports.flatMap((spec) => parseContainerPorts(spec.toLowerCase()).map((port) => [portKey(port), {}])),
  );
}

function checkedSignal(signal: string): string {
  parseSignal(signal);
  return signal;
}

const CHANGE_KINDS = new Set([
  "cmd",
  "entrypoint",
  "healthcheck",
  "env",
  "expose",
  "label",
  "onbuild",
  "stopsignal",
  "user",
  "volume",
  "workdir",
]);

/** `--change` of commit and import: one instruction each, of those that Docker allows. Throws `invalid` in Docker's words. */
export function applyChanges(config: RunConfig, changes: readonly string[]): RunConfig {
  let result = config;
  let cmdSet = false;
  for (const change of changes) {
    for (const line of change.split("\n").filter((each) => each.trim() !== "")) {
      const word = line.trim().split(/\s/, 1)[0] ?? "";
      if (!CHANGE_KINDS.has(word.toLowerCase()))
        throw new GantryError("invalid", `${word.toUpperCase()} is not a valid change command`);
      const instruction = parseSingleInstruction(line);
      if (!isChange(instruction))
        throw new GantryError("invalid", `${instruction.kind.toUpperCase()} is not a valid change command`);
      const env = new Map(
        (result.Env ?? []).map((each) => [each.split("=", 1)[0] ?? "", each.slice(each.indexOf("=") + 1)]),
      );
      result = applyConfigInstruction(result, instruction, { lookup: (name) => env.get(name), escape: "\\", cmdSet });
      cmdSet ||= instruction.kind === "cmd";
    }
  }
  return result;
}

function isChange(instruction: Instruction): instruction is Instruction & ConfigInstruction {
  return CHANGE_KINDS.has(instruction.kind);
}
