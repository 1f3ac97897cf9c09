import type { ContainerUsage, NodeUsage, PodUsage } from "./usage.ts";

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  /** Labels, value, and when it was read (epoch milliseconds). */
  readonly samples: readonly (readonly [Readonly<Record<string, string>>, number, number])[];
}

/** Pure: /metrics/resource, what a metrics server scrapes (kubelet's collectors/resource_metrics.go). */
export function resourceMetrics(node: NodeUsage, pods: readonly PodUsage[]): string {
  const each = (value: (container: ContainerUsage) => number): Family["samples"] =>
    pods.flatMap(({ name: pod, namespace, containers }) =>
      containers.map((one) => [{ container: one.name, namespace, pod }, value(one), one.cpu.at] as const),
    );
  const eachPod = (value: (container: ContainerUsage) => number): Family["samples"] =>
    pods
      .filter(({ containers }) => containers.length > 0)
      .map(({ name: pod, namespace, containers }) => [
        { namespace, pod },
        containers.reduce((sum, one) => sum + value(one), 0),
        Math.max(...containers.map((one) => one.cpu.at)),
      ]);
  const seconds = (one: ContainerUsage): number => Number(one.cpu.coreNanos) / 1e9;
  const workingSet = (one: ContainerUsage): number => one.memory.workingSetBytes;
  return text([
    counter(
      "container_cpu_usage_seconds_total",
      "Cumulative cpu time consumed by the container in core-seconds",
      each(seconds),
    ),
    gauge("container_memory_working_set_bytes", "Current working set of the container in bytes", each(workingSet)),
    gauge(
      "container_start_time_seconds",
      "Start time of the container since unix epoch in seconds",
      each((one) => one.startedAt / 1000),
    ),
    counter("node_cpu_usage_seconds_total", "Cumulative cpu time consumed by the node in core-seconds", [
      [{}, Number(node.cpu.coreNanos) / 1e9, node.cpu.at],
    ]),
    gauge("node_memory_working_set_bytes", "Current working set of the node in bytes", [
      [{}, node.memory.workingSetBytes, node.cpu.at],
    ]),
    counter("pod_cpu_usage_seconds_total", "Cumulative cpu time consumed by the pod in core-seconds", eachPod(seconds)),
    gauge("pod_memory_working_set_bytes", "Current working set of the pod in bytes", eachPod(workingSet)),
    gauge("resource_scrape_error", "1 if there was an error while getting container metrics, 0 otherwise", [
      [{}, 0, node.cpu.at],
    ]),
  ]);
}

/** Pure: the part of /metrics/cadvisor that dashboards and autoscalers ask for, in cAdvisor's names. */
export function cadvisorMetrics(pods: readonly PodUsage[]): string {
  const each = (value: (container: ContainerUsage) => number): Family["samples"] =>
    pods.flatMap(({ name: pod, namespace, containers }) =>
      containers.map((one) => [{ container: one.name, id: one.id, namespace, pod }, value(one), one.cpu.at] as const),
    );
  const network = (field: "rxBytes" | "txBytes"): Family["samples"] =>
    pods.flatMap(({ name: pod, namespace, network: devices, containers, startedAt }) =>
      Object.entries(devices).map(
        ([device, counters]) =>
          [{ interface: device, namespace, pod }, counters[field], containers[0]?.cpu.at ?? startedAt] as const,
      ),
    );
  return text([
    counter(
      "container_cpu_usage_seconds_total",
      "Cumulative cpu time consumed in seconds.",
      each((one) => Number(one.cpu.coreNanos) / 1e9),
    ),
    gauge(
      "container_memory_usage_bytes",
      "Current memory usage in bytes, including all memory regardless of when it was accessed",
      each((one) => one.memory.usageBytes),
    ),
    gauge(
      "container_memory_working_set_bytes",
      "Current working set in bytes.",
      each((one) => one.memory.workingSetBytes),
    ),
    gauge(
      "container_memory_rss",
      "Size of RSS in bytes.",
      each((one) => one.memory.rssBytes),
    ),
    gauge(
      "container_start_time_seconds",
      "Start time of the container since unix epoch in seconds.",
      each((one) => one.startedAt / 1000),
    ),
    counter("container_network_receive_bytes_total", "Cumulative count of bytes received", network("rxBytes")),
    counter("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", network("txBytes")),
  ]);
}

function counter(name: string, help: string, samples: Family["samples"]): Family {
  return { name, help, type: "counter", samples };
}

function gauge(name: string, help: string, samples: Family["samples"]): Family {
  return { name, help, type: "gauge", samples };
}

/** Prometheus' text format; with the times of the readings, which are not that of the scrape. */
function text(families: readonly Family[]): string {
  const lines: string[] = [];
  for (const { name, help, type, samples } of families) {
    if (samples.length === 0) continue;
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [labels, value, at] of samples) lines.push(`${name}${labelText(labels)} ${value} ${Math.round(at)}`);
  }
  return `${lines.join("\n")}\n`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}
