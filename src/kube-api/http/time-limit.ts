// How long a request may take (k8s.io/apiserver server/filters timeout.go, endpoints/filters request_deadline.go).
import type { Clock } from "#base/clock.ts";
import { badRequest, timeout } from "../status.ts";
import type { RequestPath } from "./path.ts";
import { isTrue } from "./query.ts";

/** kube-apiserver's --request-timeout. */
export const REQUEST_TIMEOUT_MS = 60_000;

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const DURATION = /^\+?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
const PART = /([0-9.]+)(ns|us|µs|μs|ms|s|m|h)/g;

/** The limit of a request, in milliseconds: the server's, or less if `timeout` of its query asks for that. Throws `invalid` (400). */
export function timeLimit(query: URLSearchParams, longestMs = REQUEST_TIMEOUT_MS): number {
  const text = query.get("timeout") ?? "";
  if (text === "" || text === "0") return longestMs;
  if (!DURATION.test(text)) throw badRequest(`invalid timeout specified in the request URL - ${JSON.stringify(text)}`);
  let wantedMs = 0;
  for (const [, number, unit = ""] of text.matchAll(PART)) wantedMs += Number(number) * (UNIT_MS[unit] ?? 0);
  return wantedMs === 0 ? longestMs : Math.min(wantedMs, longestMs);
}

const LONG_RUNNING = new Set(["log", "exec", "attach", "portforward", "proxy"]);

/** Watches and streams end by themselves. */
export function isLongRunning(path: RequestPath, query: URLSearchParams): boolean {
  if (path.kind !== "resource") return false;
  return path.watch || LONG_RUNNING.has(path.subresource) || (query.has("watch") && isTrue(query.get("watch")));
}

/** What `run` gives, or a failure (504) once the time is up; what comes of it later is dropped. */
export async function withinTime(clock: Clock, limitMs: number, run: () => Promise<void>): Promise<void> {
  let cancel: (() => void) | undefined;
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(limitMs, () =>
      reject(timeout("Timeout: request did not complete within the allotted timeout", 0)),
    );
  });
  try {
    await Promise.race([run(), late]);
  } finally {
    cancel?.();
  }
}
