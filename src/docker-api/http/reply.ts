import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errorText, isGantryError } from "#base/errors.ts";
import type { Call } from "./call.ts";

/** A JSON document; Docker ends each with a new line. */
export function json(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length });
  response.end(body);
}

export function empty(response: ServerResponse, status = 204): void {
  response.writeHead(status);
  response.end();
}

/** Bytes as they come; ends quietly when the client goes away. */
export async function stream(call: Call, source: Readable, contentType: string): Promise<void> {
  call.response.writeHead(200, { "content-type": contentType });
  call.response.flushHeaders();
  await pipeWhileConnected(call, source);
}

/** Copies until either side ends. A client that leaves is no error; a source that fails cuts the answer short. */
export async function pipeWhileConnected(call: Call, source: Readable): Promise<void> {
  try {
    await pipeline(source, call.response);
  } catch (error) {
    source.destroy();
    if (!call.signal.aborted) call.response.destroy(error instanceof Error ? error : new Error(errorText(error)));
  }
}

/** Sends JSON messages one per line while a task runs (load, pull, push, build). */
export interface ProgressWriter {
  readonly send: (message: object) => void;
  /** Ends the answer; an error goes as Docker's errorDetail message, the status being sent already. */
  readonly finish: (error?: unknown) => void;
}

/** The status line goes out with the first message, so that an early failure still has its own status. */
export function progressWriter(call: Call): ProgressWriter {
  const { response } = call;
  const begin = (): void => {
    if (!response.headersSent) response.writeHead(200, { "content-type": "application/json" });
  };
  return {
    send(message) {
      begin();
      if (!response.destroyed) response.write(`${JSON.stringify(message)}\r\n`);
    },
    finish(error) {
      if (error !== undefined) {
        if (!response.headersSent) throw error;
        const message = errorText(error);
        const code = isGantryError(error) ? error.details["exitCode"] : undefined;
        response.write(
          `${JSON.stringify({ errorDetail: { ...(typeof code === "number" && { code }), message }, error: message })}\r\n`,
        );
      }
      begin();
      response.end();
    },
  };
}
