import type { Clock } from "#base/clock.ts";
import type { MetricsSource, NodeReading, PodReading, UsageReading } from "../metrics-source.ts";

/** Use over a span of time that ended at `atMs`. */
export interface MeasuredUsage {
  readonly atMs: number;
  readonly windowMs: number;
  readonly nanoCores: number;
  readonly memoryBytes: number;
}

export interface MeasuredPod {
  readonly atMs: number;
  readonly windowMs: number;
  readonly containers: readonly (MeasuredUsage & { readonly name: string })[];
}

/** By node name, and by `namespace/name` of pods. */
export interface Measurement {
  readonly nodes: ReadonlyMap<string, MeasuredUsage>;
  readonly pods: ReadonlyMap<string, MeasuredPod>;
}

export interface MetricsCollector {
  /** What is used now. Nothing is read while no one asks; the first who does waits a second, for there is no rate without two readings. */
  measure(): Promise<Measurement>;
}

/** Rates over less would be noise. */
const SHORTEST_MS = 900;
const PAUSE_MS = 1_000;
/** Rates over more are no news: metrics-server reads every 15 s, and forgets what is older than this. */
const LONGEST_MS = 60_000;

/** Keeps two readings: of the nodes and pods there are. */
export function metricsCollector(source: MetricsSource, clock: Clock): MetricsCollector {
  let before: Readings | undefined;
  let last: Readings | undefined;
  let underWay: Promise<Measurement> | undefined;
  const read = async (): Promise<void> => {
    const readings = byName(await source.read(), clock.now());
    if (last) before = last;
    last = readings;
  };
  const pause = (ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));
  const measure = async (): Promise<Measurement> => {
    if (last && clock.now() - last.atMs > LONGEST_MS) last = before = undefined;
    if (!last) {
      await read();
      await pause(PAUSE_MS);
    }
    // Askers within a second share a reading.
    if (!last || !before || clock.now() - last.atMs >= SHORTEST_MS) await read();
    return measurement(before ?? EMPTY, last ?? EMPTY);
  };
  return {
    measure() {
      underWay ??= measure().finally(() => (underWay = undefined));
      return underWay;
    },
  };
}

interface Readings {
  readonly atMs: number;
  readonly nodes: ReadonlyMap<string, UsageReading>;
  readonly pods: ReadonlyMap<string, PodReading>;
}

const EMPTY: Readings = { atMs: 0, nodes: new Map(), pods: new Map() };

function byName(readings: readonly NodeReading[], atMs: number): Readings {
  const pods = readings.flatMap((node) => node.pods);
  return {
    atMs,
    nodes: new Map(readings.map(({ name, usage }) => [name, usage])),
    pods: new Map(pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod])),
  };
}

/** Pure: the rates between two readings. A pod with a container that has none yet is left out, as metrics-server does. */
export function measurement(before: Readings, last: Readings): Measurement {
  const nodes = new Map<string, MeasuredUsage>();
  for (const [name, reading] of last.nodes) {
    const measured = between(before.nodes.get(name), reading);
    if (measured) nodes.set(name, measured);
  }
  const pods = new Map<string, MeasuredPod>();
  for (const [key, pod] of last.pods) {
    const measured = measuredPod(before.pods.get(key), pod);
    if (measured) pods.set(key, measured);
  }
  return { nodes, pods };
}

function measuredPod(before: PodReading | undefined, pod: PodReading): MeasuredPod | undefined {
  const known = new Map(before?.containers.map((container) => [container.name, container]));
  const containers = pod.containers.flatMap(({ name, ...reading }) => {
    const measured = between(known.get(name), reading);
    return measured ? [{ name, ...measured }] : [];
  });
  const earliest = containers.toSorted((a, b) => a.atMs - b.atMs)[0];
  if (!earliest || containers.length < pod.containers.length) return undefined;
  return { atMs: earliest.atMs, windowMs: earliest.windowMs, containers };
}

/** A container that is younger than the reading before, or was restarted since, is measured from its start. */
function between(before: UsageReading | undefined, last: UsageReading): MeasuredUsage | undefined {
  const { atMs, startedAtMs, cpuNanos, memoryBytes } = last;
  // A node has no start: a sum over its pods that has become less went on all the same.
  const continues =
    before && (startedAtMs === undefined || (startedAtMs <= before.atMs && cpuNanos >= before.cpuNanos));
  const fromMs = continues ? before.atMs : startedAtMs;
  if (fromMs === undefined || atMs - fromMs < SHORTEST_MS) return undefined;
  const windowMs = atMs - fromMs;
  const nanos = Math.max(0, cpuNanos - (continues ? before.cpuNanos : 0));
  return { atMs, windowMs, nanoCores: Math.round((nanos * 1000) / windowMs), memoryBytes };
}
