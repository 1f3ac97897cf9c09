import type { IncomingMessage } from "node:http";
import { errorText, GantryError } from "#base/errors.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import type { Status } from "#formats/kube-types.generated.ts";
import type { WatchEvent } from "../client.ts";
import { statusError } from "../status-error.ts";

/** Longest line of a watch: an object of the largest size the API takes, with room. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/**
 * The events of a watch answer (JSON documents, a line each). Ends when the server ends it; throws what an ERROR event says
 * (`gone` for a version that is too old), and `unavailable` when the connection breaks off.
 */
export async function* watchEvents<T extends KubeObject>(
  response: IncomingMessage,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>> {
  try {
    for await (const line of lines(response)) yield watchEvent<T>(line);
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof GantryError) throw error;
    throw new GantryError("unavailable", `watch broke off: ${errorText(error)}`, {}, error);
  } finally {
    response.destroy();
  }
}

async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      if (parts.length > 1 || end > start) yield Buffer.concat(parts).toString("utf8");
      parts = [];
      length = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length > MAX_LINE_BYTES) throw new GantryError("too-large", `watch event larger than ${MAX_LINE_BYTES} bytes`);
  }
}

function watchEvent<T extends KubeObject>(line: string): WatchEvent<T> {
  const event = JSON.parse(line) as { type: string; object: T };
  switch (event.type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type: event.type, object: event.object };
    case "BOOKMARK":
      return { type: "BOOKMARK", resourceVersion: event.object.metadata.resourceVersion ?? "" };
    case "ERROR":
      throw statusError(event.object as unknown as Status);
    default:
      throw new GantryError("internal", `watch: unknown event type ${JSON.stringify(event.type)}`);
  }
}
