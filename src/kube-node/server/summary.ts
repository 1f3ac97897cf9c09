import { timestamp } from "../pods/status-inputs.ts";
import type { ContainerUsage, CpuUsage, MemoryUsage, NodeUsage, PodUsage } from "./usage.ts";

/** Pure: the document of /stats/summary (k8s.io/kubelet stats/v1alpha1). */
export function summary(nodeName: string, startedAt: number, node: NodeUsage, pods: readonly PodUsage[]): object {
  return {
    node: {
      nodeName,
      startTime: timestamp(startedAt),
      cpu: cpu(node.cpu),
      memory: { ...memory(node.cpu.at, node.memory), availableBytes: node.memory.availableBytes },
    },
    pods: pods.map(podSummary),
  };
}

function podSummary(pod: PodUsage): object {
  const { name, namespace, uid, containers, network } = pod;
  const at = Math.max(pod.startedAt, ...containers.map((container) => container.cpu.at));
  const interfaces = Object.entries(network).map(([device, { rxBytes, rxErrors, txBytes, txErrors }]) => ({
    name: device,
    rxBytes,
    rxErrors,
    txBytes,
    txErrors,
  }));
  return {
    podRef: { name, namespace, uid },
    startTime: timestamp(pod.startedAt),
    containers: containers.map(containerSummary),
    ...(containers.length > 0 ? { cpu: cpu(total(at, containers)), memory: memory(at, totalMemory(containers)) } : {}),
    ...(interfaces[0] ? { network: { time: timestamp(at), ...interfaces[0], interfaces } } : {}),
  };
}

function containerSummary(container: ContainerUsage): object {
  return {
    name: container.name,
    startTime: timestamp(container.startedAt),
    cpu: cpu(container.cpu),
    memory: memory(container.cpu.at, container.memory),
  };
}

function cpu({ at, coreNanos, nanoCores }: CpuUsage): object {
  return {
    time: timestamp(at),
    ...(nanoCores === undefined ? {} : { usageNanoCores: nanoCores }),
    usageCoreNanoSeconds: Number(coreNanos),
  };
}

function memory(at: number, { usageBytes, workingSetBytes, rssBytes }: MemoryUsage): object {
  return { time: timestamp(at), usageBytes, workingSetBytes, rssBytes };
}

function total(at: number, containers: readonly ContainerUsage[]): CpuUsage {
  const rates = containers.flatMap((container) => container.cpu.nanoCores ?? []);
  return {
    at,
    coreNanos: containers.reduce((sum, container) => sum + container.cpu.coreNanos, 0n),
    nanoCores: rates.length === containers.length ? rates.reduce((sum, rate) => sum + rate, 0) : undefined,
  };
}

function totalMemory(containers: readonly ContainerUsage[]): MemoryUsage {
  const sum = (of: (usage: MemoryUsage) => number): number =>
    containers.reduce((bytes, container) => bytes + of(container.memory), 0);
  return {
    usageBytes: sum((usage) => usage.usageBytes),
    workingSetBytes: sum((usage) => usage.workingSetBytes),
    rssBytes: sum((usage) => usage.rssBytes),
  };
}
