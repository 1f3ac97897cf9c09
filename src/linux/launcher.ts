import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { LaunchPlan } from "./launch-plan.ts";
import { encodePlan } from "./shim/encode-plan.ts";
import { programFile } from "./shim/program.ts";

/** One launch without a shim (native/shim/launcher.c): the process gets our standard streams, and our parent for its own. */
export interface Launch {
  readonly plan: LaunchPlan;
  /** Where the plan is put for the launcher, which removes it. */
  readonly planFile: string;
  /** The process waits there in its plan's `pause` for who connects to `start.sock`; undefined: it runs through. */
  readonly directory?: string;
  /** Gets "<pid> <start ticks>" when the process is there. */
  readonly stateFile?: string;
  /** Gets the bare process id, as callers of OCI runtimes read it. */
  readonly pidFile?: string;
  /** The process that the plan's "-of" steps mean by "init". */
  readonly init?: number;
  /** A Unix socket that gets the terminal's master. */
  readonly consoleSocket?: string;
  readonly terminal?: { readonly rows: number; readonly columns: number };
  /** So many descriptors from 3 on are the process's too. */
  readonly preserve: number;
  /** Stay for as long as the process runs: signals go to it, its exit code is ours. */
  readonly foreground: boolean;
  /** A descriptor that gets a byte when the process is there. */
  readonly ready?: number;
  /** Executed when the launch fails, with the step's index (-1: none), the error number and a text behind it. */
  readonly onFailure: readonly string[];
}

/** Writes the plan; the result is what has to be executed, program first. Throws `unavailable` when the launcher is not built. */
export function launcherCommand(launch: Launch): readonly [program: string, ...args: string[]] {
  mkdirSync(dirname(launch.planFile), { recursive: true, mode: 0o700 });
  writeFileSync(launch.planFile, encodePlan(launch.plan), { mode: 0o600 });
  const { terminal } = launch;
  const named: readonly (readonly [name: string, value: string | number | undefined])[] = [
    ["plan", launch.planFile],
    ["directory", launch.directory],
    ["pid", launch.stateFile],
    ["pid-file", launch.pidFile],
    ["init", launch.init],
    ["console", launch.consoleSocket],
    ["terminal", terminal && 1],
    ["rows", terminal?.rows],
    ["columns", terminal?.columns],
    ["preserve", launch.preserve],
    ["foreground", launch.foreground ? 1 : undefined],
    ["ready", launch.ready],
  ];
  const args = named.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  return [programFile(), "launch", ...args, "--", ...launch.onFailure];
}

/** Becomes the launcher: what this process was is gone. Does not return. */
export function becomeLauncher(launch: Launch): never {
  const [program, ...args] = launcherCommand(launch);
  process.execve?.(program, ["gantry-shim", ...args], process.env);
  throw new Error("this Node cannot execute another program");
}

/** What comes through `start.sock`: a failed step, or nothing before the end (native/shim/launch.h: struct message). */
export interface StartFailure {
  readonly step: number;
  readonly errno: number;
  readonly text: string;
}

const MESSAGE_BYTES = 4 + 4 + 4 + 512;
const MESSAGE_FAILED = 6;

/** The failure among all that was told over `start.sock`; undefined: the program was executed. */
export function startFailureIn(bytes: Buffer): StartFailure | undefined {
  for (let at = 0; at + MESSAGE_BYTES <= bytes.length; at += MESSAGE_BYTES) {
    if (bytes.readUInt32LE(at) !== MESSAGE_FAILED) continue;
    const text = bytes.subarray(at + 12, at + MESSAGE_BYTES);
    const end = text.indexOf(0);
    return { step: bytes.readUInt32LE(at + 4), errno: bytes.readInt32LE(at + 8), text: text.toString("utf8", 0, end) };
  }
  return undefined;
}
