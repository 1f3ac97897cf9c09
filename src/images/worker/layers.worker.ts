import { parentPort } from "node:worker_threads";
import { errorText, GantryError, isGantryError } from "#base/errors.ts";
import { unpackJob } from "./unpack-job.ts";
import { ingestJob } from "./ingest-job.ts";
import { inheritJob } from "./inherit-job.ts";
import { initJob } from "./init-job.ts";
import { changesJob } from "./changes-job.ts";
import { compressJob } from "./compress-job.ts";
import { copyJob } from "./copy-job.ts";
import { packJob } from "./pack-job.ts";
import { sealJob } from "./seal-job.ts";
import { measureJob, removeJob } from "./tree-jobs.ts";
import { WINDOW_BYTES } from "./jobs.ts";
import type { Failure, FromWorker, JobContext, JobName, RequestOf, ResultOf, ToWorker } from "./jobs.ts";

/** A worker thread of the images room: one job at a time. */

type Run<N extends JobName> = (request: RequestOf<N>, context: JobContext) => Promise<ResultOf<N>> | ResultOf<N>;

const RUN: { readonly [N in JobName]: Run<N> } = {
  unpack: unpackJob,
  ingest: ingestJob,
  inherit: inheritJob,
  init: initJob,
  remove: removeJob,
  copy: copyJob,
  changes: changesJob,
  pack: packJob,
  seal: sealJob,
  compress: compressJob,
  measure: measureJob,
};

/** As often as Docker's progress reader tells (pkg/progress: every 512 KiB). */
const PROGRESS_BYTES = 512 * 1024;

interface Running {
  receive(message: ToWorker): void;
}

let running: Running | undefined;

parentPort?.on("message", (message: ToWorker) => {
  if (message.kind === "job") running = start(message);
  else running?.receive(message);
});

function send(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}

function start(message: Extract<ToWorker, { kind: "job" }>): Running {
  const cancel = new Int32Array(message.cancel);
  let reported = 0;
  const input = inputQueue(message.hasInput);
  const output = outputWindow();
  const context: JobContext = {
    input: input.chunks(),
    output: (chunk) => output.send(chunk),
    progress(bytes) {
      if (bytes - reported < PROGRESS_BYTES) return;
      reported = bytes;
      send({ kind: "progress", bytes });
    },
    check() {
      if (Atomics.load(cancel, 0) !== 0) throw new GantryError("cancelled", "operation cancelled");
    },
  };
  const run = RUN[message.name] as (request: unknown, context: JobContext) => unknown;
  void (async () => {
    try {
      send({ kind: "result", result: await run(message.request, context) });
    } catch (error) {
      send({ kind: "failed", failure: failureOf(error) });
    }
    running = undefined;
  })();
  return {
    receive(received) {
      if (received.kind === "taken") output.taken(received.bytes);
      else input.receive(received);
    },
  };
}

function failureOf(error: unknown): Failure {
  if (isGantryError(error)) return { code: error.code, message: error.message, details: error.details };
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === "ENOSPC" || code === "EDQUOT")
    return { code: "unavailable", message: "no space left on device", details: {} };
  return { code: "internal", message: errorText(error), details: {} };
}

interface InputQueue {
  receive(message: ToWorker): void;
  chunks(): AsyncIterable<Buffer>;
}

/** At most WINDOW_BYTES wait here: the sender stops until they are taken. */
function inputQueue(open: boolean): InputQueue {
  const waiting: Buffer[] = [];
  let ended = !open;
  let broken: GantryError | undefined;
  let wake: (() => void) | undefined;
  return {
    receive(message) {
      if (message.kind === "chunk") {
        waiting.push(Buffer.from(message.data.buffer, message.data.byteOffset, message.data.byteLength));
      } else if (message.kind === "end") ended = true;
      else if (message.kind === "broken") {
        broken = new GantryError(
          message.failure.code as GantryError["code"],
          message.failure.message,
          message.failure.details,
        );
      }
      wake?.();
    },
    async *chunks() {
      for (;;) {
        if (broken) throw broken;
        const chunk = waiting.shift();
        if (chunk) {
          send({ kind: "taken", bytes: chunk.length });
          yield chunk;
        } else if (ended) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

function outputWindow(): { send(chunk: Buffer): Promise<void> | undefined; taken(bytes: number): void } {
  let underway = 0;
  let wake: (() => void) | undefined;
  return {
    send(chunk) {
      underway += chunk.length;
      const own = chunk.byteLength === chunk.buffer.byteLength ? chunk : new Uint8Array(chunk);
      send({ kind: "chunk", data: own }, [own.buffer as ArrayBuffer]);
      if (underway < WINDOW_BYTES) return undefined;
      return new Promise((resolve) => (wake = resolve));
    },
    taken(bytes) {
      underway -= bytes;
      if (underway < WINDOW_BYTES) wake?.();
    },
  };
}
