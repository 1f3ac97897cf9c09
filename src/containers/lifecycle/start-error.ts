import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import { errnoText } from "#linux/syscalls.ts";

/** Why a process was not started, in the words of dockerd over runc, and the exit code that stands for it. */
export interface StartFailure {
  readonly error: GantryError;
  /** 127: no such command; 126: it cannot be executed; 128: anything else. */
  readonly exitCode: number;
}

const CREATE =
  "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: " +
  "unable to start container process: error during container init: ";
const EXEC = "OCI runtime exec failed: exec failed: unable to start container process: ";
const WRONG_TYPE =
  ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type";

const ENOENT = 2;
const EACCES = 13;
const ENOTDIR = 20;
const EISDIR = 21;

/** Translates what a start threw (moby, daemon/errors: translateContainerdStartErr). `command` is the first argument. */
export function startFailure(error: unknown, command: string, kind: "container" | "exec"): StartFailure {
  if (!isGantryError(error, "exec-failed")) return { error: asGantryError(error), exitCode: 128 };
  const { step, errno, text } = stepFailure(error);
  const reason = failureReason({ step, errno, text }, command);
  const exitCode = exitCodeOf(step, errno);
  const message = `${kind === "exec" ? EXEC : CREATE}${reason}${isMount(step) && errno === ENOTDIR ? WRONG_TYPE : ""}`;
  const details = { ...error.details, exitCode };
  return { error: new GantryError("exec-failed", message, details, error), exitCode };
}

/** Why a launch failed, for people: what its step says, or what Go's exec.LookPath says of a program. */
export function failureReason(
  { step, errno, text }: { readonly step: string; readonly errno: number; readonly text: string },
  command: string,
): string {
  if (step === "chdir") return directoryReason(errno, text);
  return step === "exec" || step === "find-program" ? execReason(command, errno) : stepReason(step, errno, text);
}

function exitCodeOf(step: string, errno: number): number {
  if (errno === EACCES || (step === "exec" && errno === EISDIR)) return 126;
  if (step === "chdir") return errno === ENOENT ? 127 : 126;
  if (step === "exec") return errno === ENOENT || errno === ENOTDIR ? 127 : 126;
  return isMount(step) && errno === ENOTDIR ? 127 : 128;
}

/** What Go's exec.LookPath says, which runc uses. */
function execReason(command: string, errno: number): string {
  const quoted = JSON.stringify(command);
  if (command.includes("/")) {
    if (errno === ENOENT || errno === ENOTDIR) return `exec: ${quoted}: stat ${command}: ${errnoText(errno)}`;
    if (errno === EACCES) return `exec: ${quoted}: permission denied`;
    if (errno === EISDIR) return `exec: ${quoted}: is a directory: permission denied`;
  } else if (errno === ENOENT || errno === EACCES || errno === ENOTDIR) {
    return errno === EACCES
      ? `exec: ${quoted}: permission denied`
      : `exec: ${quoted}: executable file not found in $PATH`;
  }
  return `exec ${command}: ${errnoText(errno)}`;
}

/** The shim says `chdir <path>`. */
function directoryReason(errno: number, text: string): string {
  const path = text.replace(/^chdir /, "");
  return `chdir to cwd (${JSON.stringify(path)}) set in config.json failed: ${errnoText(errno)}`;
}

function stepReason(step: string, errno: number, text: string): string {
  return `${isMount(step) ? "error mounting: " : ""}${text}${text.toLowerCase().endsWith(errnoText(errno)) ? "" : `: ${errnoText(errno)}`}`;
}

const isMount = (step: string): boolean => step === "mount" || step === "bind" || step === "remount";

/** What the shim told: see `spawn` in linux/shim.ts. */
function stepFailure(error: GantryError): { step: string; errno: number; text: string } {
  const { step, errno, text } = error.details;
  return {
    step: typeof step === "string" ? step : "",
    errno: typeof errno === "number" ? errno : 0,
    text: typeof text === "string" ? text : error.message,
  };
}

function asGantryError(error: unknown): GantryError {
  return isGantryError(error) ? error : new GantryError("internal", errorText(error), {}, error);
}
