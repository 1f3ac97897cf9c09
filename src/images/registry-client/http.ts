import http from "node:http";
import https from "node:https";
import { PassThrough, type Duplex, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { rootCertificates } from "node:tls";
import { GantryError } from "#base/errors.ts";
import type { Endpoint } from "./endpoints.ts";

export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | { readonly stream: () => Readable; readonly length: number };
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: http.IncomingHttpHeaders;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
  readonly body: http.IncomingMessage;
}

export interface HttpClient {
  /**
   * Sends a request; GET and HEAD follow redirects, without credentials to another origin and never from HTTPS to HTTP.
   * The body must be read or destroyed. Throws `unavailable` in Docker's words when there is no connection.
   */
  send(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

const MAX_REDIRECTS = 5;
/** Silence after which a connection counts as dead. */
const IDLE_MS = 60_000;
const MAX_CONNECTIONS = 8;

/** No proxy leads to this machine, whatever the environment says (as in Go's net/http, ProxyFromEnvironment). */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** The endpoint's certificates and connections are for no other host that it sends us to. */
export function httpClient({
  origin: registry,
  tls,
  connect,
}: Pick<Endpoint, "origin" | "tls" | "connect">): HttpClient {
  const shared = { keepAlive: true, maxSockets: MAX_CONNECTIONS, timeout: IDLE_MS };
  const { ca, ...rest } = tls;
  const own = { ...rest, ...(ca ? { ca: [...rootCertificates, ...ca] } : {}) };
  const agentsOf = (options: typeof shared & { proxyEnv?: NodeJS.ProcessEnv }) => ({
    plain: new http.Agent(options),
    own: new https.Agent({ ...options, ...own }),
    other: new https.Agent(options),
  });
  const agents = { direct: agentsOf(shared), proxied: agentsOf({ ...shared, proxyEnv: process.env }) };
  const given = connect ? connectingAgent(connect) : undefined;
  const agentFor = (url: URL): http.Agent => {
    if (given && url.origin === registry.origin) return given;
    const { plain, own: registrys, other } = isLoopback(url.hostname) ? agents.direct : agents.proxied;
    if (url.protocol === "http:") return plain;
    return url.host === registry.host ? registrys : other;
  };
  return {
    async send(request) {
      let { url } = request;
      let headers = request.headers ?? {};
      for (let redirects = 0; ; redirects++) {
        const response = await sendOnce({ ...request, url, headers }, agentFor(url));
        const { location } = response.headers;
        const follows =
          response.status >= 301 && response.status <= 308 && response.status !== 304 && location !== undefined;
        if (!follows || (request.method !== "GET" && request.method !== "HEAD")) return response;
        response.body.resume();
        if (redirects >= MAX_REDIRECTS)
          throw new GantryError(
            "unavailable",
            `${request.method} ${quoted(request.url)}: stopped after ${MAX_REDIRECTS} redirects`,
          );
        const next = new URL(location, url);
        if (next.protocol !== "https:" && (next.protocol !== "http:" || url.protocol === "https:")) {
          throw new GantryError("forbidden", `redirect from ${url.origin} to ${next.origin} is refused`);
        }
        // Credentials are the registry's alone (CVE-2020-15157).
        if (next.origin !== url.origin) headers = withoutCredentials(headers);
        url = next;
      }
    },
    close() {
      for (const set of Object.values(agents)) for (const agent of Object.values(set)) agent.destroy();
      given?.destroy();
    },
  };
}

async function finish(connecting: Promise<Duplex>, done: ConnectionDone): Promise<void> {
  try {
    done?.(null, await connecting);
  } catch (error) {
    done?.(error as Error, new PassThrough());
  }
}

type ConnectionDone = Parameters<http.Agent["createConnection"]>[1];

/** An agent whose connections `connect` makes. */
function connectingAgent(connect: () => Promise<Duplex>): http.Agent {
  const agent = new http.Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS, timeout: IDLE_MS });
  agent.createConnection = (_options, done) => {
    void finish(connect(), done);
    return undefined;
  };
  return agent;
}

function withoutCredentials(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !["authorization", "cookie"].includes(name.toLowerCase())),
  );
}

function sendOnce(request: HttpRequest, agent: http.Agent): Promise<HttpResponse> {
  const { method, url, headers = {}, body, signal } = request;
  const module = url.protocol === "https:" ? https : http;
  const length = body === undefined ? undefined : Buffer.isBuffer(body) ? body.length : body.length;
  const options: https.RequestOptions = {
    method,
    agent,
    timeout: IDLE_MS,
    headers: { "user-agent": "gantry", ...(length === undefined ? {} : { "content-length": length }), ...headers },
    ...(signal ? { signal } : {}),
  };
  return new Promise((resolve, reject) => {
    const sent = module.request(url, options, (message) => {
      message.setTimeout(IDLE_MS, () =>
        message.destroy(new GantryError("timeout", `${quoted(url)}: no data for ${IDLE_MS / 1000} s`)),
      );
      resolve({
        status: message.statusCode ?? 0,
        statusText: message.statusMessage ?? "",
        headers: message.headers,
        url,
        body: message,
      });
    });
    sent.on("timeout", () => sent.destroy(new Error("net/http: timeout awaiting response headers")));
    sent.on("error", (error) => reject(connectionError(error, method, url)));
    if (body === undefined || Buffer.isBuffer(body)) sent.end(body);
    // An answer may come before all is sent; whatever became of the rest is then no matter.
    else pipeline(body.stream(), sent).catch((error: Error) => sent.destroy(error));
  });
}

function quoted(url: URL): string {
  return JSON.stringify(url.href);
}

/** As Go's net package says it: Docker's users know these lines. */
function connectionError(error: Error, method: string, url: URL): unknown {
  if (error instanceof GantryError) return error;
  if (error.name === "AbortError") return new GantryError("cancelled", "context canceled", {}, error);
  const { code, address, port, hostname } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
    hostname?: string;
  };
  const name = method.charAt(0) + method.slice(1).toLowerCase();
  const where = address === undefined ? "" : ` ${address.includes(":") ? `[${address}]` : address}:${port}`;
  let cause = error.message;
  if (code === "ECONNREFUSED") cause = `dial tcp${where || ` ${url.host}`}: connect: connection refused`;
  else if (code === "ENOTFOUND") cause = `dial tcp: lookup ${hostname ?? url.hostname}: no such host`;
  else if (code === "EPROTO" || /wrong version number|packet length too long/.test(error.message)) {
    cause = "http: server gave HTTP response to HTTPS client";
  }
  return new GantryError("unavailable", `${name} ${quoted(url)}: ${cause}`, { cause: code }, error);
}

/** Reads a body of at most `maxBytes`. Throws `too-large`. */
export async function readBody(response: HttpResponse, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      response.body.destroy();
      throw new GantryError("too-large", `${quoted(response.url)}: answer has more than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
