import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "#base/clock.ts";
import type { ContentStore } from "#images/content-store.ts";
import { RegistryError } from "./registry-error.ts";
import type { Repositories, Repository } from "./repositories.ts";
import type { Uploads } from "./uploads.ts";

/** One request and what it needs. */
export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  readonly registry: RegistryState;
}

export interface RegistryState {
  readonly content: ContentStore;
  readonly repositories: Repositories;
  readonly uploads: Uploads;
  readonly clock: Clock;
}

/** Sends a status without a body. */
export function answer(call: Call, status: number, headers: Readonly<Record<string, string | number>> = {}): void {
  const length = status === 204 || status === 304 ? {} : { "content-length": 0 };
  call.response.writeHead(status, { ...length, ...headers }).end();
}

/** Sends bytes, or for HEAD their headers alone. */
export function answerBytes(
  call: Call,
  status: number,
  bytes: Buffer,
  headers: Readonly<Record<string, string | number>>,
): void {
  call.response.writeHead(status, { "content-length": bytes.length, ...headers });
  call.response.end(call.request.method === "HEAD" ? undefined : bytes);
}

export function answerJson(call: Call, document: unknown, headers: Readonly<Record<string, string>> = {}): void {
  answerBytes(call, 200, Buffer.from(JSON.stringify(document)), { "content-type": "application/json", ...headers });
}

/** The repository of that name. Throws NAME_UNKNOWN. */
export function repositoryOf(call: Call, name: string): Repository {
  const repository = call.registry.repositories.get(name);
  if (!repository) throw new RegistryError("NAME_UNKNOWN", "repository name not known to registry", { name });
  return repository;
}

/** A method that the thing does not have. */
export function unsupported(): RegistryError {
  return new RegistryError("UNSUPPORTED", "The operation is unsupported.");
}

/** Reads a request's body of at most `maxBytes`. Throws SIZE_INVALID. */
export async function requestBody(call: Call, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of call.request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new RegistryError("SIZE_INVALID", `body has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
