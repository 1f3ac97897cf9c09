import type { Duplex } from "node:stream";
import type { Signal } from "#base/signal.ts";
import type { LaunchPlan } from "./launch-plan.ts";
import { shimClient } from "./shim/client.ts";
import { connectSocket } from "./shim/connect.ts";
import { readExitFiles } from "./shim/exit-files.ts";
import { executeShim } from "./shim/start.ts";

/**
 * The shim's client. A shim is one small C process per container: it executes launch plans, is the parent of the
 * container's processes, owns their stdio, writes the log, records exits on disk until they are acknowledged, and
 * outlives the daemon. It is spoken to over `<dir>/shim.sock` (0600, a filesystem socket, peer credentials checked).
 */
export interface Shim {
  /** The shim's own process id. */
  readonly pid: number;
  /** Everything that happens, in order; after a reconnect, unacknowledged exits come again. */
  readonly events: Signal<ShimEvent>;
  /**
   * Starts a process under `id` ("init" for the container's first, an exec id for others). Resolves when the process has
   * executed every step up to the first `pause` step, or the final `exec`. Throws `exec-failed` with details {step: its name, index, errno, code, text}.
   */
  spawn(id: string, plan: LaunchPlan, io: ProcessIo): Promise<ShimProcess>;
  /** Lets a process waiting in its plan's `pause` step go on; resolves after the exec has succeeded. */
  resume(id: string): Promise<void>;
  /** What runs or has run unacknowledged, after a reconnect. */
  processes(): Promise<readonly ShimProcess[]>;
  /** Sends a signal through a pidfd; false when the process is gone. */
  signal(id: string, signal: number): Promise<boolean>;
  /** Sets the window size of a process with a terminal. */
  resize(id: string, rows: number, columns: number): Promise<void>;
  /**
   * Opens a stream to a process's stdio on a connection of its own. Output is Docker's multiplexed framing (8-byte header) or,
   * with a terminal, raw bytes; what is written goes to stdin; ending the writable side closes stdin (once, when `stdinOnce`).
   */
  attach(id: string, streams: { stdin: boolean; stdout: boolean; stderr: boolean }): Promise<Duplex>;
  /**
   * The same, beginning where the log stands: what is read of the log up to `log`, and then from the stream, is everything once, unfinished
   * lines included. `log` is undefined when the process has none.
   */
  attachAfterLog(
    id: string,
    streams: { stdin: boolean; stdout: boolean; stderr: boolean },
  ): Promise<{ readonly stream: Duplex; readonly log: LogPosition | undefined }>;
  /** Closes and reopens the log file (after rotation by the daemon), by name. */
  reopenLog(id: string): Promise<void>;
  /**
   * The exit of `id` has been recorded elsewhere: the shim may forget it, and ends itself after the last one. Of a process that still
   * runs, the exit is told to nobody then: for one that is given up.
   */
  acknowledge(id: string): Promise<void>;
  /** Drops the connection; the shim and its processes go on. */
  disconnect(): void;
}

export interface ShimProcess {
  readonly id: string;
  /** In the host's pid namespace. */
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: with the pid, names the process for good. */
  readonly startTicks: number;
  readonly state: ProcessState;
  readonly exit?: ProcessExit;
}

/** "starting": on its way through its plan; "paused": waiting in the plan's `pause` step for `resume`. */
export type ProcessState = "starting" | "paused" | "running" | "exited";

export interface ProcessExit {
  /** 0..255, or 128 + signal. */
  readonly code: number;
  readonly signal?: number;
  /** The kernel's OOM killer struck in the container's cgroup. */
  readonly oomKilled: boolean;
  /** Epoch milliseconds. */
  readonly at: number;
}

export type ShimEvent =
  | { readonly kind: "exit"; readonly id: string; readonly exit: ProcessExit }
  | { readonly kind: "oom" }
  /** The plan's `notify` step was reached (namespaces exist: the network can be set up meanwhile). */
  | { readonly kind: "notify"; readonly id: string; readonly pid: number; readonly tag: string }
  /** The connection to the shim broke; `exit` events that follow come from the files it left. */
  | { readonly kind: "lost" };

export interface ProcessIo {
  /** A pty of the container's own devpts; otherwise pipes. */
  readonly terminal?: { readonly rows: number; readonly columns: number };
  /** Keep stdin open for attachers; otherwise stdin is /dev/null. */
  readonly stdin: "none" | "open" | "once";
  /** json-file log (one JSON document a line: log, stream, time); undefined: none is kept. */
  readonly log?: LogFile;
  /** For exec: output that no attacher takes is dropped when false, held (64 KiB per stream, then back-pressure) when true. */
  readonly waitForAttach?: boolean;
}

/** A place in a log that may be rotated meanwhile: which file, and how many bytes of it. */
export interface LogPosition {
  readonly inode: bigint;
  readonly size: number;
}

export interface LogFile {
  readonly path: string;
  /** Rotation by the shim: at this size the file becomes path.1, and so on; 0: never. */
  readonly maxBytes: number;
  readonly maxFiles: number;
  /** A JSON object that every record carries as `attrs`, as text of less than 32 KiB. */
  readonly attributes?: string;
}

/**
 * Starts a shim in `directory` (made by the caller, 0700; it holds the socket and the exit records) and connects to it.
 * Throws `unavailable` when the shim's program is missing or does not start.
 */
export async function startShim(directory: string): Promise<Shim> {
  return shimClient(directory, executeShim(directory));
}

/** Connects to the shim that serves `directory`; throws `not-found` when none does. */
export async function connectShim(directory: string): Promise<Shim> {
  return shimClient(directory, await connectSocket(directory));
}

/** The exits that a shim recorded in `directory` and nobody acknowledged, by process id; for when the shim is gone. */
export function recordedExits(directory: string): Promise<ReadonlyMap<string, ProcessExit>> {
  return readExitFiles(directory);
}
