import { PassThrough, type Duplex, type Readable, type Writable } from "node:stream";
import { GantryError } from "#base/errors.ts";
import type { Container as EngineContainer, LogOptions } from "#containers/engine.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { runtimeUid } from "../pods/labels.ts";
import { isRunning, observePod, type ObservedPod } from "../pods/observed.ts";
import type { NodeDeps } from "../ports.ts";
import { demultiplexer } from "./demultiplex.ts";

export interface PodLogOptions {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly sinceMs?: number;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  readonly stream?: "All" | "Stdout" | "Stderr";
  readonly signal?: AbortSignal;
}

export interface ExecRequest {
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** A process's streams and its end. */
export interface ProcessStreams {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Undefined with a terminal: all output is on stdout. */
  readonly stderr: Readable | undefined;
  resize(rows: number, columns: number): void;
  /** The process ended: its exit code. For attach: 0 when the stream ended. */
  readonly exit: Promise<number>;
}

/** The streaming side of a kubelet: what the API server's pod subresources are made of. */
export interface NodeStreams {
  logs(pod: Pod, container: string, options: PodLogOptions): Promise<Readable>;
  exec(pod: Pod, container: string, request: ExecRequest): Promise<ProcessStreams>;
  attach(pod: Pod, container: string, request: Omit<ExecRequest, "command">): Promise<ProcessStreams>;
  portForward(pod: Pod, port: number): Promise<Duplex>;
}

export function nodeStreams(deps: NodeDeps, containersOf: (uid: string) => readonly EngineContainer[]): NodeStreams {
  const { engine, host } = deps;
  const observe = (pod: Pod): ObservedPod => observePod(runtimeUid(pod), containersOf(runtimeUid(pod)));
  const running = (pod: Pod, name: string): EngineContainer => {
    const found = observe(pod).current.get(name);
    if (!found || !isRunning(found)) throw new GantryError("not-found", `container not found ("${name}")`);
    return found;
  };
  return {
    async logs(pod, name, options) {
      const observed = observe(pod);
      const found = options.previous ? observed.previous.get(name) : observed.current.get(name);
      if (!found && options.previous)
        throw new GantryError(
          "invalid",
          `previous terminated container "${name}" in pod "${pod.metadata.name}" not found`,
        );
      if (!found)
        throw new GantryError(
          "invalid",
          `container "${name}" in pod "${pod.metadata.name}" is waiting to start: ${waitingReason(pod, name)}`,
        );
      return engine.logs(found.id, engineLogOptions(options));
    },
    async exec(pod, name, { command, tty, stdin, stdout, stderr }) {
      const container = running(pod, name);
      const { id } = await engine.createExec(container.id, {
        args: command,
        env: [],
        privileged: false,
        terminal: tty,
        stdin,
        stdout,
        stderr,
      });
      const stream = await engine.startExec(id, { detach: false });
      if (!stream) throw new GantryError("internal", "exec has no stream");
      return splitStreams(
        stream,
        tty,
        (rows, columns) => void engine.resizeExec(id, rows, columns),
        engine.waitExec(id),
      );
    },
    async attach(pod, name, { tty, stdin, stdout, stderr }) {
      const container = running(pod, name);
      const terminal = container.config.terminal;
      if (tty && !terminal) throw new GantryError("invalid", `container "${name}" has no terminal to attach to`);
      const stream = await engine.attach(container.id, { stdin, stdout, stderr, logs: false, stream: true });
      const ended = new Promise<number>((resolve) => stream.once("close", () => resolve(0)));
      return splitStreams(stream, terminal, (rows, columns) => void engine.resize(container.id, rows, columns), ended);
    },
    async portForward(pod, port) {
      const { sandbox } = observe(pod);
      if (!sandbox || sandbox.state.status !== "running")
        throw new GantryError("conflict", `pod ${pod.metadata.name} is not running`);
      return host.dial(sandbox.state.pid, port);
    },
  };
}

function waitingReason(pod: Pod, name: string): string {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  return statuses.find((status) => status.name === name)?.state?.waiting?.reason ?? "ContainerCreating";
}

function engineLogOptions(options: PodLogOptions): LogOptions {
  const stream = options.stream ?? "All";
  return {
    stdout: stream !== "Stderr",
    stderr: stream !== "Stdout",
    follow: options.follow,
    timestamps: options.timestamps,
    framing: "raw",
    ...(options.sinceMs === undefined ? {} : { since: options.sinceMs }),
    ...(options.tailLines === undefined ? {} : { tail: options.tailLines }),
    ...(options.signal ? { signal: options.signal } : {}),
  };
}

/** Takes a multiplexed (or, with a terminal, raw) duplex apart. Output is held back while its reader is slow. */
function splitStreams(
  stream: Duplex,
  tty: boolean,
  resize: (rows: number, columns: number) => void,
  exit: Promise<number>,
): ProcessStreams {
  if (tty) return { stdin: stream, stdout: stream, stderr: undefined, resize, exit };
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const feed = demultiplexer((id, data) => {
    const target = id === 1 ? stdout : stderr;
    if (target.write(data)) return;
    stream.pause();
    target.once("drain", () => stream.resume());
  });
  stream.on("data", feed);
  stream.on("error", (error) => {
    stdout.destroy(error);
    stderr.destroy(error);
  });
  stream.on("end", () => {
    stdout.end();
    stderr.end();
  });
  // The end of the process is told after all that it wrote.
  const drained = new Promise<void>((resolve) => stream.once("close", resolve).once("end", resolve));
  return { stdin: stream, stdout, stderr, resize, exit: drained.then(() => exit) };
}
