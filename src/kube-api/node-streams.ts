import type { Duplex, Readable, Writable } from "node:stream";
import type { Pod } from "#formats/kube-types.generated.ts";

export interface PodLogOptions {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  /** Epoch milliseconds. */
  readonly sinceMs?: number;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  readonly stream?: "All" | "Stdout" | "Stderr";
  readonly signal?: AbortSignal;
}

export interface AttachRequest {
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export interface ExecRequest extends AttachRequest {
  readonly command: readonly string[];
}

/** A process's streams and its end. */
export interface ProcessStreams {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** undefined with a terminal: all output is on stdout. */
  readonly stderr: Readable | undefined;
  resize(rows: number, columns: number): void;
  /** The exit code; rejects when the process could not run. */
  readonly exit: Promise<number>;
}

/** What the API server needs of the nodes, for logs, exec, attach and port-forward. main/ plugs the kubelets' in. */
export interface NodeStreams {
  logs(pod: Pod, container: string, options: PodLogOptions): Promise<Readable>;
  exec(pod: Pod, container: string, request: ExecRequest): Promise<ProcessStreams>;
  attach(pod: Pod, container: string, request: AttachRequest): Promise<ProcessStreams>;
  portForward(pod: Pod, port: number): Promise<Duplex>;
}
