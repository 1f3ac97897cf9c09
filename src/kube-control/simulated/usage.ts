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
  /** The pods of a node and their sum. */
  read(nodeName: string): {
    readonly usage: SimulatedReading;
    readonly pods: readonly {
      readonly namespace: string;
      readonly name: string;
      readonly containers: readonly (SimulatedReading & { readonly name: string })[];
    }[];
  };
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
    read(nodeName) {
      const read = Array.from(pods.values())
        .filter(({ pod }) => pod.spec?.nodeName === nodeName)
        .map(({ pod: { metadata }, containers }) => ({
          namespace: metadata.namespace ?? "",
          name: metadata.name ?? "",
          containers: Array.from(containers, ([name, meter]) => ({ name, ...readMeter(meter, clock.now()) })),
        }));
      const all = read.flatMap(({ containers }) => containers);
      const sum = (of: (reading: SimulatedReading) => number): number =>
        all.reduce((total, reading) => total + of(reading), 0);
      const usage = { cpuNanos: sum(({ cpuNanos }) => cpuNanos), memoryBytes: sum(({ memoryBytes }) => memoryBytes) };
      return { usage: { atMs: clock.now(), ...usage }, pods: read };
    },
  };
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
