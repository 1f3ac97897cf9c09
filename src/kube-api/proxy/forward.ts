// Requests handed on to nodes, pods and services (k8s.io/apimachinery pkg/util/proxy).
import {
  request as httpRequest,
  STATUS_CODES,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
} from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline, type Duplex } from "node:stream";
import { errorText } from "#base/errors.ts";
import { writeHead, type Request, type Response } from "../http/exchange.ts";
import { failure } from "../status.ts";
import { requestHeaders, responseHeaders } from "./headers.ts";
import type { ProxyTarget } from "./target.ts";

/** A backend that takes no connection for this long is given up. */
const CONNECT_MS = 30_000;

/** What is handed on, and under which path it came. */
export interface Proxied {
  readonly target: ProxyTarget;
  /** The path at the backend, with its query. */
  readonly path: string;
  /** The path of the proxy itself. */
  readonly prefix: string;
}

/** Hands a request on and its answer back. Throws 503 when the backend cannot be reached. */
export async function forward(request: Request, response: Response, proxied: Proxied): Promise<void> {
  const outgoing = open(request, proxied, {});
  response.on("close", () => outgoing.destroy());
  pipeline(request as NodeJS.ReadableStream, outgoing, () => undefined);
  const answer = await answerOf(outgoing);
  const headers = responseHeaders(answer.headers, placeOf(proxied));
  writeHead(response, answer.statusCode ?? 502, headers);
  await new Promise<void>((resolve) => {
    pipeline(answer, response as NodeJS.WritableStream, (error) => {
      if (error) response.destroy();
      resolve();
    });
  });
}

/**
 * Hands an upgrade on. What the backend does not switch to is answered and the connection closed: nothing more travels
 * on it (CVE-2018-1002105).
 */
export async function forwardUpgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  proxied: Proxied,
): Promise<void> {
  const wanted = { connection: "Upgrade", upgrade: request.headers.upgrade ?? "" };
  const outgoing = open(request, proxied, wanted);
  socket.on("close", () => outgoing.destroy());
  const switched = new Promise<[IncomingMessage, Duplex, Buffer]>((resolve) => {
    outgoing.once("upgrade", (...all) => resolve(all));
  });
  outgoing.end();
  const outcome = await Promise.race([switched, answerOf(outgoing)]);
  if (!Array.isArray(outcome)) return refuseWith(outcome, socket, proxied);
  const [answer, backend, first] = outcome;
  const headers = {
    ...responseHeaders(answer.headers, placeOf(proxied)),
    connection: "Upgrade",
    upgrade: answer.headers.upgrade ?? "",
  };
  socket.write(headText(answer, headers));
  if (first.byteLength > 0) socket.write(first);
  if (head.byteLength > 0) backend.write(head);
  await new Promise<void>((resolve) => {
    pipeline(socket, backend, () => undefined);
    pipeline(backend, socket, () => resolve());
  });
}

async function refuseWith(answer: IncomingMessage, socket: Duplex, proxied: Proxied): Promise<void> {
  const headers = { ...responseHeaders(answer.headers, placeOf(proxied)), connection: "close" };
  socket.write(headText(answer, headers));
  await new Promise<void>((resolve) => {
    pipeline(answer, socket, () => {
      socket.destroy();
      resolve();
    });
  });
}

function open(request: Request, { target, path }: Proxied, more: Readonly<Record<string, string>>): ClientRequest {
  const { scheme, host, port, kubelet } = target;
  const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const options: RequestOptions & { rejectUnauthorized?: boolean } = {
    host,
    port,
    path,
    method: request.method ?? "GET",
    headers: { ...requestHeaders(request.headers, { host: authority, uri: request.url ?? "" }), ...more },
    agent: false,
    timeout: CONNECT_MS,
  };
  const outgoing = scheme === "http" ? httpRequest(options) : httpsRequest({ ...options, ...identity(kubelet) });
  outgoing.once("socket", (socket) => socket.once("connect", () => outgoing.setTimeout(0)));
  outgoing.once("timeout", () => outgoing.destroy(new Error(`dial tcp ${authority}: i/o timeout`)));
  return outgoing;
}

/** Kubelets are of the cluster's authority; whose certificate a pod has, no one can say. */
function identity(kubelet: ProxyTarget["kubelet"]) {
  return kubelet
    ? { ca: kubelet.caCert, cert: kubelet.client.cert, key: kubelet.client.key }
    : { rejectUnauthorized: false };
}

function answerOf(outgoing: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.on("error", (error) => {
      const message = `error trying to reach service: ${errorText(error)}`;
      reject(failure({ code: "unavailable", http: 503, reason: "ServiceUnavailable", message }));
    });
  });
}

function placeOf({ target: { scheme, host, port }, prefix }: Proxied) {
  return { origin: `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`, prefix };
}

function headText({ statusCode = 502 }: IncomingMessage, headers: Readonly<Record<string, string | string[]>>): string {
  const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}`));
  return `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? ""}\r\n${lines.join("\r\n")}\r\n\r\n`;
}
