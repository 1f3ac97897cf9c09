import type { Clock } from "#base/clock.ts";
import { quantityMillis, quantityNumber } from "#formats/quantity.ts";
import type { Container, Pod } from "#formats/kube-types.generated.ts";

/** What a simulated container or node uses: processor time only ever grows. */
export interface SimulatedReading {
  readonly atMs: number;
  readonly startedAtMs?: number;
  readonly cpuNanos: number;
  readonly memoryBytes: number;
}

export interface SimulatedUsage {
  /** A pod that runs, as it is now. */
  see(pod: Pod): void;
  forget(pod: Pod): void;
  /** The pods of these nodes, and the sum of each node. */
  read(nodeNames: Iterable<string>): readonly SimulatedNodeReading[];
}

interface SimulatedNodeReading {
  readonly name: string;
  readonly usage: SimulatedReading;
  readonly pods: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly containers: readonly (SimulatedReading & { readonly name: string })[];
  }[];
}

interface Meter {
  readonly startedAtMs: number;
  atMs: number;
  cpuNanos: number;
  cores: number;
  memoryBytes: number;
}

interface Metered {
  readonly pod: Pod;
  readonly containers: ReadonlyMap<string, Meter>;
}

const PREFIX = "simulated.gantry.dev/";

/**
 * The annotations `simulated.gantry.dev/cpu` and `memory` say what each container of a pod uses, `cpu.NAME` and `memory.NAME` what one of them does;
 * without them it uses what it requests. They may change while the pod runs.
 */
export function simulatedUsage(clock: Clock): SimulatedUsage {
  const pods = new Map<string, Metered>();
  return {
    see(pod) {
      const uid = pod.metadata.uid ?? "";
      if (pod.status?.phase !== "Running") {
        pods.delete(uid);
        return;
      }
      const known = pods.get(uid)?.containers;
      const containers = (pod.spec?.containers ?? []).map((container) => {
        const meter = known?.get(container.name) ?? newMeter(clock.now());
        run(meter, clock.now());
        meter.cores = wanted(pod, container, "cpu");
        meter.memoryBytes = wanted(pod, container, "memory");
        return [container.name, meter] as const;
      });
      pods.set(uid, { pod, containers: new Map(containers) });
    },
    forget: (pod) => void pods.delete(pod.metadata.uid ?? ""),
    read(nodeNames) {
      const byNode = Map.groupBy(pods.values(), ({ pod }) => pod.spec?.nodeName ?? "");
      return Array.from(nodeNames, (name) => readNode(name, byNode.get(name) ?? [], clock.now()));
    },
  };
}

function readNode(name: string, metered: readonly Metered[], nowMs: number): SimulatedNodeReading {
  const pods = metered.map(({ pod: { metadata }, containers }) => ({
    namespace: metadata.namespace ?? "",
    name: metadata.name ?? "",
    containers: Array.from(containers, ([container, meter]) => ({ name: container, ...readMeter(meter, nowMs) })),
  }));
  const all = pods.flatMap(({ containers }) => containers);
  const sum = (of: (reading: SimulatedReading) => number): number => all.reduce((total, each) => total + of(each), 0);
  const usage = { cpuNanos: sum(({ cpuNanos }) => cpuNanos), memoryBytes: sum(({ memoryBytes }) => memoryBytes) };
  return { name, usage: { atMs: nowMs, ...usage }, pods };
}

function newMeter(nowMs: number): Meter {
  return { startedAtMs: nowMs, atMs: nowMs, cpuNanos: 0, cores: 0, memoryBytes: 0 };
}

function run(meter: Meter, nowMs: number): void {
  meter.cpuNanos += meter.cores * (nowMs - meter.atMs) * 1_000_000;
  meter.atMs = nowMs;
}

function readMeter(meter: Meter, nowMs: number): SimulatedReading {
  run(meter, nowMs);
  const { startedAtMs, cpuNanos, memoryBytes } = meter;
  return { atMs: nowMs, startedAtMs, cpuNanos: Math.round(cpuNanos), memoryBytes };
}

function wanted({ metadata: { annotations = {} } }: Pod, container: Container, resource: "cpu" | "memory"): number {
  const text =
    annotations[`${PREFIX}${resource}.${container.name}`] ??
    annotations[PREFIX + resource] ??
    container.resources?.requests?.[resource];
  return resource === "cpu" ? quantityMillis(text) / 1000 : quantityNumber(text);
}
