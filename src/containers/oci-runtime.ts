import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import type { Clock } from "#base/clock.ts";
import { COMMANDS } from "./runtime/commands.ts";
import { logger, writeAll, type LogTarget, type RuntimeContext } from "./runtime/context.ts";
import { LAUNCH_FAILED, launchFailed } from "./runtime/launch-failed.ts";
import { parseFlags, type FlagTable, type Flags } from "./runtime/options.ts";

/** What the runtime command is given by the process that it runs in. */
export interface RuntimeProcess {
  /** Program and arguments that start this command again. */
  readonly self: readonly string[];
  readonly version: string;
  readonly clock: Clock;
}

const GLOBAL_FLAGS: FlagTable = {
  root: "text",
  log: "text",
  "log-format": "text",
  debug: "flag",
  version: "flag",
  help: "flag",
  "systemd-cgroup": "flag",
  rootless: "text",
  criu: "text",
};

const DEFAULT_ROOT = "/run/gantry-runtime";
/** What `exec` ends with when nothing was executed, as runc's. */
const EXEC_FAILED = 255;

/**
 * gantry-runtime: the OCI runtime command line as runc has it, on the launch plans of the engine. Resolves with the exit code; `create` and
 * `exec` do not come back, they become the launcher. What goes wrong is logged as runc logs it, and never thrown.
 */
export async function ociRuntime(argv: readonly string[], process: RuntimeProcess): Promise<number> {
  let log: RuntimeContext["log"] = logger({ path: undefined, format: "text", debug: false }, process.clock);
  let toFile = false;
  let command = "";
  try {
    const { flags, rest } = parseFlags(argv, GLOBAL_FLAGS, { aliases: { v: "version", h: "help" }, stop: true });
    const target = logTarget(flags);
    toFile = target.path !== undefined;
    log = logger(target, process.clock);
    command = rest[0] ?? "";
    if (flags.has("version") || command === "--version") return printVersion(process.version);
    refuse(flags);
    const self = [...process.self, ...argv.slice(0, argv.length - rest.length)];
    const out = (text: string): void => writeAll(1, text);
    const { version, clock } = process;
    const context: RuntimeContext = { root: flags.text("root") || DEFAULT_ROOT, clock, version, self, out, log };
    if (command === LAUNCH_FAILED) return await launchFailed(context, rest.slice(1));
    return await dispatch(context, command, rest.slice(1), flags.has("help"));
  } catch (error) {
    const failed = command === LAUNCH_FAILED ? failedCommand(error) : command;
    const message = failed === "" ? errorText(error) : `runc ${failed} failed: ${errorText(error)}`;
    log("error", message);
    if (toFile) writeAll(2, `${message}\n`);
    return failed === "exec" ? EXEC_FAILED : 1;
  }
}

/** The command that became the launcher. */
function failedCommand(error: unknown): string {
  const kind = isGantryError(error) ? error.details["kind"] : undefined;
  return typeof kind === "string" ? kind : "";
}

async function dispatch(
  context: RuntimeContext,
  name: string,
  argv: readonly string[],
  help: boolean,
): Promise<number> {
  if (name === "" || name === "help" || help) {
    context.out(`usage: gantry-runtime [global flags] command\ncommands: ${Object.keys(COMMANDS).join(", ")}\n`);
    return 0;
  }
  if (name === "checkpoint" || name === "restore")
    throw new GantryError("unsupported", `${name} is not supported`, { command: name });
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new GantryError("invalid", `No help topic for '${name}'`, { command: name });
  const { aliases, stop = false, words } = command;
  const { flags, rest } = parseFlags(argv, command.flags, { ...(aliases && { aliases }), stop });
  const [least, most] = words;
  if (rest.length < least)
    throw new GantryError("invalid", `"${name}" requires a minimum of ${least} argument${least === 1 ? "" : "s"}`);
  if (rest.length > most)
    throw new GantryError("invalid", `"${name}" requires a maximum of ${most} argument${most === 1 ? "" : "s"}`);
  return (await command.run(context, flags, rest)) ?? 0;
}

function refuse(flags: Flags): void {
  if (flags.has("systemd-cgroup"))
    throw new GantryError("unsupported", "--systemd-cgroup is not supported", { flag: "systemd-cgroup" });
  const rootless = flags.text("rootless") ?? "auto";
  if (rootless !== "auto" && rootless !== "false")
    throw new GantryError("unsupported", "--rootless is not supported", { flag: "rootless" });
}

function logTarget(flags: Flags): LogTarget {
  const format = flags.text("log-format") ?? "text";
  if (format !== "text" && format !== "json") throw new GantryError("invalid", `unknown log-format "${format}"`);
  return { path: flags.text("log") || undefined, format, debug: flags.has("debug") };
}

function printVersion(version: string): number {
  writeAll(1, `gantry-runtime version ${version}\nspec: 1.2.0\nnode: ${process.versions.node}\n`);
  return 0;
}
