import { readFileSync } from "node:fs";
import type { ContainerStats, Engine } from "#containers/engine.ts";
import type { Clock } from "#base/clock.ts";
import { isGantryError } from "#base/errors.ts";
import { LABEL, podUidOf, SANDBOX_NAME } from "../pods/labels.ts";
import { isRunning } from "../pods/observed.ts";

export interface CpuUsage {
  /** Epoch milliseconds of the reading. */
  readonly at: number;
  readonly coreNanos: bigint;
  /** Since the reading before; undefined at the first. */
  readonly nanoCores: number | undefined;
}

export interface MemoryUsage {
  readonly usageBytes: number;
  /** Without what the kernel can take back at once: what counts against limits and evictions. */
  readonly workingSetBytes: number;
  readonly rssBytes: number;
}

export interface ContainerUsage {
  readonly name: string;
  readonly id: string;
  readonly startedAt: number;
  readonly cpu: CpuUsage;
  readonly memory: MemoryUsage;
}

export interface PodUsage {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly startedAt: number;
  readonly containers: readonly ContainerUsage[];
  readonly network: ContainerStats["networks"];
}

export interface NodeUsage {
  readonly cpu: CpuUsage;
  readonly memory: MemoryUsage & { readonly availableBytes: number };
}

/** Readings of what runs, made when asked for; rates are taken between two of them. */
export interface UsageReader {
  pods(): Promise<readonly PodUsage[]>;
  node(): NodeUsage;
}

/** Rates between readings closer than this would be noise: the one before is told again. */
const SHORTEST_SPAN_MS = 1_000;

interface Sample {
  readonly at: number;
  readonly coreNanos: bigint;
  readonly nanoCores: number | undefined;
}

/** Keeps one sample for each container that ran at the last reading, and one for the node. */
export function usageReader(
  engine: Pick<Engine, "list" | "stats">,
  clock: Clock,
  options: { readonly isFurther: boolean; readonly memoryBytes: () => number },
): UsageReader {
  let latest: readonly PodUsage[] = [];
  let samples = new Map<string, Sample>();
  let nodeSample: Sample | undefined;
  const readOne = async (id: string, fresh: Map<string, Sample>) => {
    const stats = await engine.stats(id);
    const cpu = rated(samples.get(id), clock.now(), BigInt(Math.round(stats.cpu.usageNanos)));
    fresh.set(id, cpu);
    return { cpu, memory: memoryOf(stats), networks: stats.networks };
  };
  return {
    async pods() {
      const fresh = new Map<string, Sample>();
      const pods = new Map<string, PodUsage & { containers: ContainerUsage[] }>();
      for (const container of engine.list().filter(isRunning)) {
        const { id, config, state } = container;
        const uid = podUidOf(container);
        const { [LABEL.containerName]: name = "" } = config.labels;
        if (uid === undefined || (state.status !== "running" && state.status !== "paused")) continue;
        const read = await readOne(id, fresh).catch((error: unknown) => {
          // It ended between the list and the reading.
          if (isGantryError(error)) return undefined;
          throw error;
        });
        if (!read) continue;
        const pod = pods.get(uid) ?? {
          ...identity(config.labels, uid),
          startedAt: state.startedAt,
          containers: [],
          network: {},
        };
        if (name === SANDBOX_NAME) pods.set(uid, { ...pod, startedAt: state.startedAt, network: read.networks });
        else {
          const { cpu, memory } = read;
          pods.set(uid, {
            ...pod,
            containers: [...pod.containers, { name, id, startedAt: state.startedAt, cpu, memory }],
          });
        }
      }
      samples = fresh;
      latest = Array.from(pods.values());
      return latest;
    },
    node() {
      if (options.isFurther) return sumOfPods(latest, clock.now(), options.memoryBytes());
      nodeSample = rated(nodeSample, clock.now(), busyNanos(readFileSync("/proc/stat", "utf8")));
      return { cpu: nodeSample, memory: nodeMemory(readFileSync("/proc/meminfo", "utf8")) };
    },
  };
}

function identity(labels: Readonly<Record<string, string>>, uid: string): Pick<PodUsage, "name" | "namespace" | "uid"> {
  return { name: labels[LABEL.podName] ?? "", namespace: labels[LABEL.podNamespace] ?? "", uid };
}

/** What a node uses that is one of several on a machine: what its pods did at the last reading; the rest is the machine's own. */
function sumOfPods(pods: readonly PodUsage[], now: number, memoryBytes: number): NodeUsage {
  const containers = pods.flatMap((pod) => pod.containers);
  const sum = (of: (usage: ContainerUsage) => number): number => containers.reduce((all, one) => all + of(one), 0);
  const workingSetBytes = sum((one) => one.memory.workingSetBytes);
  return {
    cpu: {
      at: Math.max(0, ...containers.map((one) => one.cpu.at)) || now,
      coreNanos: containers.reduce((all, one) => all + one.cpu.coreNanos, 0n),
      nanoCores: sum((one) => one.cpu.nanoCores ?? 0),
    },
    memory: {
      usageBytes: sum((one) => one.memory.usageBytes),
      workingSetBytes,
      rssBytes: sum((one) => one.memory.rssBytes),
      availableBytes: Math.max(0, memoryBytes - workingSetBytes),
    },
  };
}

/** Pure: the reading with its rate. */
export function rated(before: Sample | undefined, at: number, coreNanos: bigint): Sample {
  if (!before) return { at, coreNanos, nanoCores: undefined };
  const spanMs = at - before.at;
  if (spanMs < SHORTEST_SPAN_MS) return before;
  return { at, coreNanos, nanoCores: Math.round((Number(coreNanos - before.coreNanos) * 1000) / spanMs) };
}

function memoryOf({ memory }: ContainerStats): MemoryUsage {
  const { usageBytes, detail } = memory;
  const inactive = detail["total_inactive_file"] ?? detail["inactive_file"] ?? 0;
  return {
    usageBytes,
    workingSetBytes: Math.max(0, usageBytes - inactive),
    rssBytes: detail["total_rss"] ?? detail["rss"] ?? detail["anon"] ?? 0,
  };
}

/** proc_stat(5) counts in hundredths of a second (USER_HZ). */
const NANOS_PER_TICK = 10_000_000n;

/** Pure: time that the processors were busy, idle and waiting left out. */
export function busyNanos(procStat: string): bigint {
  const [user = 0n, nice = 0n, system = 0n, , , irq = 0n, softirq = 0n, steal = 0n] = (
    /^cpu +(.*)$/m.exec(procStat)?.[1] ?? ""
  )
    .split(/\s+/)
    .filter(Boolean)
    .map(BigInt);
  return (user + nice + system + irq + softirq + steal) * NANOS_PER_TICK;
}

/** Pure: proc_meminfo(5). */
export function nodeMemory(meminfo: string): NodeUsage["memory"] {
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(meminfo)?.[1] ?? 0) * 1024;
  const total = bytes("MemTotal");
  const usageBytes = total - bytes("MemFree");
  const workingSetBytes = Math.max(0, usageBytes - bytes("Inactive\\(file\\)"));
  return { usageBytes, workingSetBytes, availableBytes: total - workingSetBytes, rssBytes: bytes("AnonPages") };
}
