import { request as httpRequest } from "node:http";
import { connect as http2Connect } from "node:http2";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { errorText } from "#base/errors.ts";
import type { Container, Probe } from "#formats/kube-types.generated.ts";

export type ProbeResult = { readonly ok: true } | { readonly ok: false; readonly message: string };

export interface ProbeTarget {
  readonly container: Container;
  readonly podIp: string;
  /** Runs a command in the container: exit code and the first bytes of its output. */
  exec(command: readonly string[], timeoutMs: number): Promise<{ code: number; output: string }>;
  /** Begins a connection from the node. */
  connect(host: string, port: number): Promise<Socket>;
}

/** Longest body of a failed HTTP probe that is shown, and read. */
const BODY_BYTES = 10 * 1024;

/** Runs a probe (or life-cycle hook) once. Never throws: what goes wrong is the result. */
export async function runProbe(
  probe: Pick<Probe, "exec" | "httpGet" | "tcpSocket" | "grpc">,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  try {
    if (probe.exec) return await execProbe(probe.exec.command ?? [], target, timeoutMs);
    if (probe.httpGet) return await httpProbe(probe.httpGet, target, timeoutMs);
    if (probe.tcpSocket)
      return await tcpProbe(
        target,
        probe.tcpSocket.host || target.podIp,
        resolvePort(probe.tcpSocket.port, target.container),
        timeoutMs,
      );
    if (probe.grpc) return await grpcProbe(target, probe.grpc.port, probe.grpc.service ?? "", timeoutMs);
    return { ok: false, message: "missing probe handler" };
  } catch (error) {
    return { ok: false, message: errorText(error) };
  }
}

async function execProbe(command: readonly string[], target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
  const { code, output } = await target.exec(command, timeoutMs);
  return code === 0 ? { ok: true } : { ok: false, message: output };
}

async function httpProbe(
  action: NonNullable<Probe["httpGet"]>,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  const secure = action.scheme === "HTTPS";
  const headers = Object.fromEntries((action.httpHeaders ?? []).map(({ name, value }) => [name, value]));
  const options = {
    host: action.host || target.podIp,
    port: resolvePort(action.port, target.container),
    path: action.path || "/",
    headers: { "User-Agent": "kube-probe/1.36", Accept: "*/*", Connection: "close", ...headers },
    agent: false,
    signal: AbortSignal.timeout(timeoutMs),
  };
  const url = `${secure ? "https" : "http"}://${options.host}:${options.port}${options.path}`;
  const socket = await target.connect(options.host, options.port);
  // Kubernetes does not verify certificates of probes.
  const createConnection = (): Socket => (secure ? tlsConnect({ socket, rejectUnauthorized: false }) : socket);
  return new Promise((resolve) => {
    const call = (secure ? httpsRequest : httpRequest)({ ...options, createConnection }, (response) => {
      const status = response.statusCode ?? 0;
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > BODY_BYTES) response.destroy();
      });
      response.on("close", () =>
        resolve(
          status >= 200 && status < 400
            ? { ok: true }
            : { ok: false, message: `HTTP probe failed with statuscode: ${status}` },
        ),
      );
      response.on("error", () => response.destroy());
    });
    call.on("error", (error: Error) =>
      resolve({
        ok: false,
        message:
          error.name === "TimeoutError"
            ? `Get "${url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`
            : `Get "${url}": ${dialText(error, options.host, options.port)}`,
      }),
    );
    call.end();
  });
}

async function tcpProbe(target: ProbeTarget, host: string, port: number, timeoutMs: number): Promise<ProbeResult> {
  const socket = await target.connect(host, port);
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(new Error(`dial tcp ${host}:${port}: i/o timeout`)), timeoutMs);
    socket.on("connect", () => {
      resolve({ ok: true });
      socket.destroy();
    });
    socket.on("error", (error: Error) => resolve({ ok: false, message: dialText(error, host, port) }));
    socket.on("close", () => clearTimeout(timer));
  });
}

function dialText(error: Error, host: string, port: number): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ECONNREFUSED") return `dial tcp ${host}:${port}: connect: connection refused`;
  if (error.name === "TimeoutError" || error.name === "AbortError") return `dial tcp ${host}:${port}: i/o timeout`;
  return error.message;
}

/** gRPC health checking (grpc.health.v1.Health/Check): the two messages have one field each, so they are coded here. */
async function grpcProbe(target: ProbeTarget, port: number, service: string, timeoutMs: number): Promise<ProbeResult> {
  const host = target.podIp;
  const socket = await target.connect(host, port);
  return new Promise((resolve) => {
    const session = http2Connect(`http://${host}:${port}`, { createConnection: () => socket });
    const settle = (result: ProbeResult): void => {
      cancel();
      session.destroy();
      resolve(result);
    };
    const timer = setTimeout(
      () =>
        settle({ ok: false, message: `timeout: failed to connect service "${host}:${port}" within ${timeoutMs}ms` }),
      timeoutMs,
    );
    const cancel = (): void => clearTimeout(timer);
    session.on("error", (error) => settle({ ok: false, message: dialText(error, host, port) }));
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", (error) => settle({ ok: false, message: dialText(error, host, port) }));
    stream.on("end", () => settle(servingStatus(Buffer.concat(chunks))));
    const name = Buffer.from(service);
    const message = name.length > 0 ? Buffer.concat([Buffer.from([0x0a, name.length]), name]) : Buffer.alloc(0);
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([frame, message]));
  });
}

/** HealthCheckResponse: field 1 is the status; 1 is SERVING. */
function servingStatus(body: Buffer): ProbeResult {
  const message = body.subarray(5);
  if (message[0] === 0x08 && message[1] === 1) return { ok: true };
  return {
    ok: false,
    message: `service unhealthy (responded with "${["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"][message[1] ?? 0] ?? "UNKNOWN"}")`,
  };
}

/** A port by number, or by the name that the container gives it. */
export function resolvePort(port: number | string | undefined, container: Container): number {
  if (typeof port === "number") return port;
  const named = container.ports?.find(({ name }) => name === port);
  const number = named?.containerPort ?? Number(port);
  if (!Number.isInteger(number) || number < 1 || number > 65535) throw new Error(`couldn't find port: ${port}`);
  return number;
}
