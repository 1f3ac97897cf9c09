import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import type { Container } from "#containers/engine.ts";
import type { Deps } from "../deps.ts";
import { param, type Call, type Handler } from "../http/call.ts";
import { json } from "../http/reply.ts";
import { statsDocument, stoppedStatsDocument, type Sample, type StatsIdentity } from "./stats-document.ts";

/** How far apart readings are: what `docker stats` draws by. */
const INTERVAL_MS = 1000;

/** Nanoseconds of a tick of /proc/stat. */
const TICK_NANOS = 10_000_000;

/** GET /containers/{name}/stats: one document (`stream=0`), or one a second. */
export function statsHandler(deps: Deps): Handler {
  return async (call) => {
    const container = deps.engine.get(param(call));
    const identity = {
      id: container.id,
      name: container.name,
      cpus: deps.host.limits.cpus,
      memoryBytes: deps.host.memoryBytes,
    };
    if (call.query.flag("stream", true)) await streamStats(deps, call, identity);
    else await sendOnce(deps, call, container, identity);
  };
}

async function sendOnce(deps: Deps, call: Call, container: Container, identity: StatsIdentity): Promise<void> {
  if (!isRunning(container)) return json(call.response, 200, stoppedStatsDocument(identity));
  const first = await sample(deps, identity.id);
  if (call.version >= 41 && call.query.flag("one-shot"))
    return json(call.response, 200, statsDocument(identity, first, undefined));
  await pause(INTERVAL_MS, undefined, { ref: false });
  if (!call.signal.aborted) json(call.response, 200, statsDocument(identity, await sample(deps, identity.id), first));
}

async function streamStats(deps: Deps, call: Call, identity: StatsIdentity): Promise<void> {
  const { response, signal } = call;
  response.writeHead(200, { "content-type": "application/json" });
  response.flushHeaders();
  let before: Sample | undefined;
  while (!signal.aborted) {
    const container = deps.engine.find(identity.id);
    if (!container) break;
    const now = isRunning(container) ? await sample(deps, identity.id) : undefined;
    const document = now ? statsDocument(identity, now, before) : stoppedStatsDocument(identity);
    // A client that does not read gets no more than what is buffered already.
    if (response.writableNeedDrain) await drained(call);
    response.write(`${JSON.stringify(document)}\n`);
    before = now;
    await pause(INTERVAL_MS, undefined, { ref: false, signal }).catch(() => undefined); // the client went away: the loop ends
  }
  response.end();
}

async function drained({ response, signal }: Call): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once("drain", resolve);
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
}

async function sample(deps: Deps, id: string): Promise<Sample> {
  const [stats, systemNanos] = await Promise.all([deps.engine.stats(id), readSystemNanos()]);
  return { stats, systemNanos };
}

/** The machine's processor time: user, nice, system, idle, iowait, irq, softirq and steal of all processors (proc(5)). */
async function readSystemNanos(): Promise<number> {
  const [first = ""] = (await readFile("/proc/stat", "utf8")).split("\n", 1);
  const ticks = first.trim().split(/\s+/).slice(1, 9).map(Number);
  return ticks.reduce((sum, each) => sum + each, 0) * TICK_NANOS;
}

function isRunning({ state }: Container): boolean {
  return state.status === "running" || state.status === "paused";
}
