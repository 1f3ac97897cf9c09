import { gzip } from "node:zlib";
import { promisify } from "node:util";
import { stringify as yamlText } from "yaml";
import type { Status } from "#formats/kube-types.generated.ts";
import { statusOf } from "../status.ts";
import type { Form } from "./negotiation.ts";
import { header, send, write, writeHead, type Request, type Response } from "./exchange.ts";

const gzipAsync = promisify(gzip);
/** Smaller answers are not worth compressing (k8s.io/apiserver, defaultGzipThresholdBytes). */
const GZIP_THRESHOLD_BYTES = 128 * 1024;
const CHUNK_BYTES = 256 * 1024;

/** One request's answer to be. */
export interface Reply {
  readonly request: Request;
  readonly response: Response;
  readonly form: Form;
  readonly pretty: boolean;
  readonly warnings: readonly string[];
}

/** Headers that every answer carries. */
export function baseHeaders(warnings: readonly string[]): Record<string, string | string[]> {
  return {
    "cache-control": "no-cache, private",
    ...(warnings.length > 0 ? { warning: warnings.map(warningHeader) } : {}),
  };
}

/** `299 - "text"` (RFC 7234, 5.5). */
function warningHeader(text: string): string {
  const safe = text.replaceAll(/[\u0000-\u001f\u007f]/g, " ").replaceAll(/["\\]/g, (char) => `\\${char}`);
  return `299 - "${safe.replaceAll(/[^\x20-\x7e]/g, "?")}"`;
}

/** Answers with a value. */
export async function replyValue(reply: Reply, status: number, value: object): Promise<void> {
  await replyBytes(reply, status, [Buffer.from(JSON.stringify(value))]);
}

/** Answers with parts of JSON text that make one document together. */
export async function replyBytes(
  reply: Reply,
  status: number,
  parts: readonly Uint8Array[],
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { request, response, form, pretty, warnings } = reply;
  const plain = form.encoding === "json" && !pretty;
  const bytes = plain ? parts : [Buffer.from(reformat(Buffer.concat(parts).toString(), form))];
  const length = bytes.reduce((total, part) => total + part.byteLength, 0);
  const headers = {
    ...baseHeaders(warnings),
    ...more,
    "content-type": form.encoding === "yaml" ? "application/yaml" : "application/json",
  };
  const zip = length > GZIP_THRESHOLD_BYTES && /\bgzip\b/.test(header(request, "accept-encoding") ?? "");
  if (zip) {
    const packed = await gzipAsync(Buffer.concat(bytes), { level: 1 });
    writeHead(response, status, {
      ...headers,
      "content-encoding": "gzip",
      vary: "Accept-Encoding",
      "content-length": String(packed.byteLength),
    });
    response.end(packed);
    return;
  }
  writeHead(response, status, { ...headers, "content-length": String(length) });
  await writeParts(response, bytes);
  response.end();
}

/**
 * Joins small parts, so that a list of thousands of objects is some writes and not thousands. Two buffers take turns:
 * one is filled while the other is on its way, so that a slow reader holds no more than that.
 */
async function writeParts(response: Response, parts: readonly Uint8Array[]): Promise<void> {
  const [only] = parts;
  if (parts.length === 1 && only) return void write(response, only);
  const buffers = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)];
  const sent: Promise<void>[] = [];
  let turn = 0;
  let filled = 0;
  const flush = async (bytes: Uint8Array): Promise<void> => {
    sent[turn] = written(response, bytes);
    turn = 1 - turn;
    filled = 0;
    await sent[turn];
  };
  for (const part of parts) {
    if (filled > 0 && filled + part.byteLength > CHUNK_BYTES) await flush((buffers[turn] ?? EMPTY).subarray(0, filled));
    if (part.byteLength > CHUNK_BYTES) await flush(part);
    else {
      buffers[turn]?.set(part, filled);
      filled += part.byteLength;
    }
  }
  if (filled > 0) await flush((buffers[turn] ?? EMPTY).subarray(0, filled));
}

const EMPTY = Buffer.alloc(0);

/** Resolves when the bytes are no longer needed, or the client is gone. */
function written(response: Response, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve();
    response.once("close", resolve);
    write(response, bytes, () => {
      response.off("close", resolve);
      resolve();
    });
  });
}

function reformat(text: string, { encoding }: Form): string {
  const value = JSON.parse(text) as unknown;
  // Line folding would change strings' layout from what Kubernetes writes.
  return encoding === "yaml"
    ? yamlText(value, { lineWidth: 0, aliasDuplicateObjects: false })
    : `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Answers with a Status for whatever went wrong; what was started already can only be cut off. */
export function replyError(request: Request, response: Response, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const status = statusOf(error);
  const code = status.code ?? 500;
  const retry = (status.details as { retryAfterSeconds?: number } | undefined)?.retryAfterSeconds;
  const headers = {
    "cache-control": "no-cache, private",
    "content-type": "application/json",
    ...(retry === undefined ? {} : { "retry-after": String(retry) }),
    ...(code === 401 ? { "www-authenticate": 'Bearer realm="kubernetes"' } : {}),
    // What is left of a refused body is not worth reading.
    ...(code === 413 && request.httpVersionMajor === 1 ? { connection: "close" } : {}),
  };
  send(response, code, headers, JSON.stringify(status satisfies Status));
}
