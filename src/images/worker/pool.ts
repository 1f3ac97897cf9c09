import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import {
  WINDOW_BYTES,
  type Failure,
  type FromWorker,
  type JobName,
  type RequestOf,
  type ResultOf,
  type ToWorker,
} from "./jobs.ts";

/** Worker threads for whole-layer work, started when needed and ended when idle. */
export interface WorkerPool {
  run<N extends JobName>(name: N, request: RequestOf<N>, options?: RunOptions): Promise<ResultOf<N>>;
  /** Cancels what runs and ends the threads. */
  close(): Promise<void>;
}

export interface RunOptions {
  /** Bytes for the job; read only as fast as it takes them. An error of theirs fails the job. */
  readonly input?: AsyncIterable<Uint8Array>;
  /** Takes the job's output; the job waits while the promise is open. */
  readonly output?: (chunk: Buffer) => Promise<void> | undefined;
  readonly progress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Jobs that wait for a thread (a download has one, too, however slow it is); beyond it further ones are refused (`too-many-requests`). */
const MAX_WAITING = 1024;
const IDLE_MS = 5000;

export function workerPool(size = Math.min(8, Math.max(4, availableParallelism()))): WorkerPool {
  const idle = new Map<Worker, NodeJS.Timeout>();
  const waiting: ((worker: Worker) => void)[] = [];
  const running = new Set<() => void>();
  let threads = 0;
  let closed = false;
  const release = (worker: Worker, broken: boolean): void => {
    const next = broken ? undefined : waiting.shift();
    if (next) return next(worker);
    if (broken || closed) return retire(worker);
    const timer = setTimeout(() => retire(worker), IDLE_MS);
    timer.unref();
    worker.unref();
    idle.set(worker, timer);
  };
  const retire = (worker: Worker): void => {
    idle.delete(worker);
    threads--;
    void worker.terminate();
    // Its place may be taken by a job that waits.
    const next = threads < size ? waiting.shift() : undefined;
    if (next && !closed) next(start());
  };
  const start = (): Worker => {
    threads++;
    // Descriptors come from system calls that Node does not see; each job closes its own.
    return new Worker(workerFile(), { name: "images", trackUnmanagedFds: false });
  };
  const acquire = async (): Promise<Worker> => {
    if (closed) throw new GantryError("unavailable", "image store is closed");
    const [free] = idle;
    if (free) {
      const [worker, timer] = free;
      clearTimeout(timer);
      idle.delete(worker);
      worker.ref();
      return worker;
    }
    if (threads < size) return start();
    if (waiting.length >= MAX_WAITING)
      throw new GantryError("too-many-requests", "too many image operations are waiting");
    return new Promise((resolve) => waiting.push(resolve));
  };
  return {
    async run(name, request, options = {}) {
      options.signal?.throwIfAborted();
      const worker = await acquire();
      let broken = false;
      const cancel = new SharedArrayBuffer(4);
      const stop = (): void => void Atomics.store(new Int32Array(cancel), 0, 1);
      running.add(stop);
      try {
        return await runJob(worker, { name, request, cancel, options, stop }, () => (broken = true));
      } finally {
        running.delete(stop);
        release(worker, broken);
      }
    },
    async close() {
      closed = true;
      for (const stop of running) stop();
      for (const [worker, timer] of idle) {
        clearTimeout(timer);
        retire(worker);
      }
    },
  };
}

function workerFile(): URL {
  const source = import.meta.url.endsWith(".ts");
  return new URL(source ? "./layers.worker.ts" : "./layers.worker.js", import.meta.url);
}

interface PoolJob<N extends JobName> {
  readonly name: N;
  readonly request: RequestOf<N>;
  readonly cancel: SharedArrayBuffer;
  readonly options: RunOptions;
  readonly stop: () => void;
}

function runJob<N extends JobName>(worker: Worker, job: PoolJob<N>, onBroken: () => void): Promise<ResultOf<N>> {
  const { options, stop } = job;
  const send = (message: ToWorker, transfer: ArrayBuffer[] = []): void => worker.postMessage(message, transfer);
  const feed = inputFeeder(send);
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      worker.off("message", receive);
      worker.off("error", fail);
      worker.off("exit", exit);
      options.signal?.removeEventListener("abort", abort);
      feed.stop();
      act();
    };
    const fail = (error: unknown): void => {
      onBroken();
      settle(() => reject(new GantryError("internal", `image worker failed: ${errorText(error)}`, {}, error)));
    };
    const exit = (code: number): void => fail(new Error(`it ended with code ${code}`));
    const abort = (): void => {
      stop();
      send({ kind: "broken", failure: { code: "cancelled", message: "operation cancelled", details: {} } });
    };
    const receive = (message: FromWorker): void => {
      if (message.kind === "result") settle(() => resolve(message.result as ResultOf<N>));
      else if (message.kind === "failed") settle(() => reject(feed.failure() ?? fromFailure(message.failure)));
      else if (message.kind === "taken") feed.taken(message.bytes);
      else if (message.kind === "progress") options.progress?.(message.bytes);
      else void forward(message.data, options, send, stop);
    };
    worker.on("message", receive).on("error", fail).on("exit", exit);
    options.signal?.addEventListener("abort", abort, { once: true });
    send({
      kind: "job",
      name: job.name,
      request: job.request,
      cancel: job.cancel,
      hasInput: options.input !== undefined,
    });
    if (options.input) void feed.run(options.input);
  });
}

async function forward(
  data: Uint8Array,
  options: RunOptions,
  send: (message: ToWorker) => void,
  stop: () => void,
): Promise<void> {
  try {
    await options.output?.(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  } catch {
    // Nobody takes the output any more: whoever closed it knows.
    stop();
  }
  send({ kind: "taken", bytes: data.byteLength });
}

interface InputFeeder {
  run(input: AsyncIterable<Uint8Array>): Promise<void>;
  taken(bytes: number): void;
  stop(): void;
  /** The input's own error, which is the one to tell. */
  failure(): unknown;
}

/** Small chunks travel together: a message costs more than its bytes. What waits longer than FLUSH_MS goes as it is. */
const BATCH_BYTES = 256 * 1024;
const FLUSH_MS = 2;

function inputFeeder(send: (message: ToWorker, transfer?: ArrayBuffer[]) => void): InputFeeder {
  let underway = 0;
  let stopped = false;
  let broken: unknown;
  let wake: (() => void) | undefined;
  const batch = batcher((data) => {
    underway += data.byteLength;
    send({ kind: "chunk", data }, [data.buffer]);
  });
  return {
    async run(input) {
      try {
        for await (const chunk of input) {
          if (stopped) return;
          batch.add(chunk);
          while (underway >= WINDOW_BYTES && !stopped) await new Promise<void>((resolve) => (wake = resolve));
        }
        batch.flush();
        if (!stopped) send({ kind: "end" });
      } catch (error) {
        broken = error;
        if (!stopped) send({ kind: "broken", failure: { code: "internal", message: errorText(error), details: {} } });
      }
    },
    taken(bytes) {
      underway -= bytes;
      wake?.();
    },
    stop() {
      stopped = true;
      batch.drop();
      wake?.();
    },
    failure: () => broken,
  };
}

interface Batcher {
  add(chunk: Uint8Array): void;
  flush(): void;
  drop(): void;
}

/** Copies chunks into larger ones, which `send` may give away. */
function batcher(send: (data: Uint8Array<ArrayBuffer>) => void): Batcher {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;
  const drop = (): void => {
    clearTimeout(timer);
    timer = undefined;
    waiting = [];
    bytes = 0;
  };
  const flush = (): void => {
    if (bytes === 0) return;
    const data = new Uint8Array(bytes);
    let at = 0;
    for (const chunk of waiting) {
      data.set(chunk, at);
      at += chunk.byteLength;
    }
    drop();
    send(data);
  };
  return {
    add(chunk) {
      waiting.push(chunk);
      bytes += chunk.byteLength;
      if (bytes >= BATCH_BYTES) flush();
      else timer ??= setTimeout(flush, FLUSH_MS);
    },
    flush,
    drop,
  };
}

function fromFailure(failure: Failure): GantryError {
  return new GantryError(failure.code as GantryError["code"], failure.message, failure.details);
}

/** True when an operation ended because its caller gave it up. */
export function isCancelled(error: unknown): boolean {
  return isGantryError(error, "cancelled") || (error as Error | undefined)?.name === "AbortError";
}
