import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import type { Clock } from "#base/clock.ts";
import { errorText, GantryError } from "#base/errors.ts";
import type { Credentials } from "../credentials.ts";
import { responseError } from "../status-error.ts";

export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query. */
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal;
}

/** One HTTPS connection pool to one API server. */
export interface Transport {
  /** The answer's body; throws the GantryError of any answer that is not 2xx. */
  text(call: Call): Promise<string>;
  /** The answer as a stream, its head read and 2xx. */
  stream(call: Call): Promise<IncomingMessage>;
  close(): void;
}

/** Largest answer that is read whole. */
const MAX_BODY_BYTES = 512 * 1024 * 1024;
/** Largest error answer. */
const MAX_ERROR_BYTES = 1024 * 1024;
/** A request without an answer's head for this long has failed. */
const HEAD_TIMEOUT_MS = 60_000;
const TOKEN_FILE_MS = 60_000;

/** Sockets say by TCP keep-alive, after 30 s of silence, that the other end is gone. */
export function transport(credentials: Credentials, clock: Clock): Transport {
  const server = new URL(credentials.server);
  if (server.protocol !== "https:") {
    throw new GantryError("unsupported", `API server ${credentials.server}: only https is supported`);
  }
  const agent = new Agent({
    keepAlive: true,
    keepAliveMsecs: 30_000,
    ca: credentials.ca,
    cert: credentials.cert,
    key: credentials.key,
    rejectUnauthorized: !credentials.insecure,
    servername: credentials.serverName,
  });
  const token = tokenSource(credentials, clock);

  const send = async (call: Call): Promise<IncomingMessage> => {
    const bearer = await token();
    const headers: Record<string, string | number> = { accept: call.accept ?? "application/json" };
    if (bearer !== undefined) headers["authorization"] = `Bearer ${bearer}`;
    if (call.body !== undefined) {
      headers["content-type"] = call.contentType ?? "application/json";
      headers["content-length"] = Buffer.byteLength(call.body);
    }
    const path = `${server.pathname.replace(/\/$/, "")}${call.path}`;
    return head(
      request({
        agent,
        host: server.hostname,
        port: server.port || 443,
        path,
        method: call.method,
        headers,
        signal: call.signal,
      }),
      call,
      clock,
    );
  };
  const stream = async (call: Call): Promise<IncomingMessage> => {
    const response = await send(call);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    // Redirects too: following them would hand the credentials to whoever is there (CVE-2020-8559).
    const body = await bodyText(response, MAX_ERROR_BYTES);
    throw withRetryAfter(responseError(status, body), response);
  };
  return {
    stream,
    text: async (call) => bodyText(await stream(call), MAX_BODY_BYTES),
    close: () => agent.destroy(),
  };
}

function head(outgoing: ReturnType<typeof request>, call: Call, clock: Clock): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(HEAD_TIMEOUT_MS, () => {
      outgoing.destroy(
        new GantryError("timeout", `${call.method} ${call.path}: no answer in ${HEAD_TIMEOUT_MS / 1000} s`),
      );
    });
    outgoing.once("response", (response) => {
      cancel();
      resolve(response);
    });
    outgoing.once("error", (error) => {
      cancel();
      if (error instanceof GantryError) reject(error);
      else if (call.signal?.aborted) reject(new GantryError("cancelled", "request cancelled", {}, error));
      else reject(new GantryError("unavailable", `${call.method} ${call.path}: ${errorText(error)}`, {}, error));
    });
    outgoing.end(call.body);
  });
}

async function bodyText(response: IncomingMessage, limitBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limitBytes) throw new GantryError("too-large", `answer larger than ${limitBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    response.destroy();
    if (error instanceof GantryError) throw error;
    throw new GantryError("unavailable", `answer broke off: ${errorText(error)}`, {}, error);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function withRetryAfter(error: GantryError, response: IncomingMessage): GantryError {
  const seconds = Number(response.headers["retry-after"]);
  if (!Number.isFinite(seconds)) return error;
  return new GantryError(error.code, error.message, { ...error.details, retryAfterMs: seconds * 1000 });
}

function tokenSource(credentials: Credentials, clock: Clock): () => Promise<string | undefined> {
  const { token, tokenFile } = credentials;
  if (token !== undefined || tokenFile === undefined) return () => Promise.resolve(token);
  let read = { text: "", at: Number.NEGATIVE_INFINITY };
  return async () => {
    if (clock.now() - read.at >= TOKEN_FILE_MS) {
      read = { text: (await readFile(tokenFile, "utf8")).trim(), at: clock.now() };
    }
    return read.text;
  };
}
