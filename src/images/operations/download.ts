import { createReadStream } from "node:fs";
import { GantryError, isGantryError } from "#base/errors.ts";
import { shortId } from "#formats/digest.ts";
import type { Descriptor } from "#formats/image-config.ts";
import type { Partial } from "../content/partials.ts";
import type { Report } from "../image-store.ts";
import type { RemoteRepository } from "../registry-client/repository.ts";
import { pause, type RetryOptions } from "../registry-client/retry.ts";
import type { Context } from "./context.ts";
import { layerProgress, statusLine } from "./progress.ts";

export interface Download {
  readonly context: Context;
  readonly repository: RemoteRepository;
  readonly report: Report | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * The bytes of a layer as they come from the registry, after those that an earlier pull has left. A connection that breaks is taken up again
 * where it broke. No more than the descriptor says is read; whether they are the right ones is for who reads them to check.
 */
export async function* layerBytes(
  download: Download,
  layer: Descriptor,
  partial: Partial | undefined,
): AsyncGenerator<Uint8Array> {
  if (partial) yield* createReadStream(partial.path, { highWaterMark: READ_BYTES }) as AsyncIterable<Uint8Array>;
  yield* remoteBytes(download, layer, partial?.bytes ?? 0);
}

const READ_BYTES = 512 * 1024;

async function* remoteBytes(download: Download, layer: Descriptor, from: number): AsyncGenerator<Uint8Array> {
  const { context, report } = download;
  const id = shortId(layer.digest);
  const leave = await context.registries.downloads.enter(() => report?.(statusLine(id, "Waiting")));
  const progress = layerProgress(report, { id, status: "Downloading", total: layer.size }, () => context.clock.now());
  try {
    let offset = from;
    for (let attempt = 1; offset < layer.size; attempt++) {
      try {
        for await (const chunk of partFrom(download.repository, layer, offset)) {
          offset += chunk.length;
          if (offset > layer.size)
            throw new GantryError("invalid", `layer ${layer.digest} has more than its ${layer.size} bytes`);
          progress.at(offset);
          yield chunk;
        }
        if (offset < layer.size) throw new GantryError("unavailable", `layer ${layer.digest}: unexpected EOF`);
      } catch (error) {
        await pause(transferError(error, download.signal), attempt, retryOptions(download, id));
      }
    }
    report?.(statusLine(id, "Verifying Checksum"));
    report?.(statusLine(id, "Download complete"));
  } finally {
    leave();
  }
}

async function* partFrom(repository: RemoteRepository, layer: Descriptor, offset: number): AsyncGenerator<Buffer> {
  const { body, skipped } = await repository.blob(layer.digest, offset);
  let skip = skipped;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    const rest = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - rest.length;
    if (rest.length > 0) yield rest;
  }
}

/** A connection that broke in the middle is no fault of the bytes; it may have been us who broke it. */
export function transferError(error: unknown, signal: AbortSignal | undefined): unknown {
  if (isGantryError(error)) return error;
  if (signal?.aborted || (error as Error).name === "AbortError")
    return new GantryError("cancelled", "context canceled", {}, error);
  return new GantryError("unavailable", (error as Error).message, {}, error);
}

export function retryOptions({ context, report, signal }: Omit<Download, "repository">, id: string): RetryOptions {
  const onWait = (seconds: number): void => {
    report?.(statusLine(id, `Retrying in ${seconds} second${seconds === 1 ? "" : "s"}`));
  };
  return { clock: context.clock, delayMs: context.registries.retryDelayMs, signal, onWait };
}
