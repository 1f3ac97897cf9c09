import { readFileSync } from "node:fs";
import { arch, release } from "node:os";
import type { Node, NodeCondition } from "#formats/kube-types.generated.ts";
import type { Pressure } from "./eviction-thresholds.ts";
import { timestamp } from "./pods/status-inputs.ts";
import type { NodeDeps } from "./ports.ts";

/** Labels that every kubelet sets on its node. */
function ownLabels({ config }: NodeDeps): Record<string, string> {
  return {
    "kubernetes.io/hostname": config.name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": goArch(),
    "beta.kubernetes.io/os": "linux",
    "beta.kubernetes.io/arch": goArch(),
    ...config.labels,
  };
}

function goArch(): string {
  return { x64: "amd64", arm64: "arm64" }[arch() as "x64" | "arm64"] ?? arch();
}

/** The node as it registers itself: labels and taints are set once, the rest is its status. */
export function nodeObject(deps: NodeDeps, now: number): Node {
  const { config } = deps;
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: config.name,
      labels: ownLabels(deps),
      annotations: {
        "node.alpha.kubernetes.io/ttl": "0",
        "volumes.kubernetes.io/controller-managed-attach-detach": "true",
      },
    },
    spec: {
      podCIDR: config.podCidrs[0] ?? "",
      podCIDRs: [...config.podCidrs],
      taints: config.taints.map((taint) => ({ ...taint })),
    },
    status: nodeStatus(deps, undefined, now),
  };
}

/** Pure but for what the kernel says of itself: the status of a healthy node. Transition times are kept while nothing changes. */
export function nodeStatus(
  { config, host, images, pressures, stage }: NodeDeps,
  before: Node | undefined,
  now: number,
): NonNullable<Node["status"]> {
  const has = host.capacity();
  const pages = host.hugePages();
  const hugePages = Object.fromEntries(
    Array.from(pages, ([size, bytes]) => [`hugepages-${binaryQuantity(size)}`, binaryQuantity(bytes)]),
  );
  // What is set aside for huge pages is nobody's memory.
  const hugeBytes = Array.from(pages.values()).reduce((sum, bytes) => sum + bytes, 0);
  const capacity = {
    cpu: cpuQuantity(has.cpuMillis),
    memory: `${Math.floor(has.memoryBytes / 1024)}Ki`,
    "ephemeral-storage": `${Math.floor(has.diskBytes / 1024)}Ki`,
    "hugepages-1Gi": "0",
    "hugepages-2Mi": "0",
    ...hugePages,
    pods: String(config.maxPods),
  };
  return {
    capacity,
    allocatable: { ...capacity, memory: `${Math.floor((has.memoryBytes - hugeBytes) / 1024)}Ki` },
    conditions: conditions(before, now, pressures, stage.isShuttingDown),
    addresses: [
      ...config.ips.map((address) => ({ type: "InternalIP", address })),
      { type: "Hostname", address: config.name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: config.kubeletPort } },
    nodeInfo: {
      machineID: readLine("/etc/machine-id"),
      systemUUID: readLine("/sys/class/dmi/id/product_uuid") || readLine("/etc/machine-id"),
      bootID: readLine("/proc/sys/kernel/random/boot_id"),
      kernelVersion: release(),
      osImage: osImage(),
      containerRuntimeVersion: `gantry://${config.gantryVersion}`,
      kubeletVersion: config.kubernetesVersion,
      kubeProxyVersion: "",
      operatingSystem: "linux",
      architecture: goArch(),
    },
    // As the kubelet: the 50 largest, by name.
    images: images
      .list()
      .toSorted((a, b) => b.size - a.size)
      .slice(0, 50)
      .map((image) => ({ names: [...image.digests, ...image.tags], sizeBytes: image.size })),
  };
}

/** `2Mi`, `1Gi`, `0`: whole units only. */
function binaryQuantity(bytes: number): string {
  const unit = ["Ki", "Mi", "Gi"].findLastIndex((_, index) => bytes > 0 && bytes % 1024 ** (index + 1) === 0);
  return unit < 0 ? String(bytes) : `${bytes / 1024 ** (unit + 1)}${["Ki", "Mi", "Gi"][unit] ?? ""}`;
}

/** `2`, `333m`: as the API writes them. */
export function cpuQuantity(millis: number): string {
  return millis % 1000 === 0 ? String(millis / 1000) : `${millis}m`;
}

const HEALTHY: readonly [string, string, string, string][] = [
  ["MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
  ["DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
  ["PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"],
  ["Ready", "True", "KubeletReady", "kubelet is posting ready status"],
];

const PRESSED: readonly [Pressure, string, string][] = [
  ["MemoryPressure", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"],
  ["DiskPressure", "KubeletHasDiskPressure", "kubelet has disk pressure"],
  ["PIDPressure", "KubeletHasInsufficientPID", "kubelet has insufficient PID available"],
];

const SHUTTING_DOWN: [string, string, string, string] = ["Ready", "False", "KubeletNotReady", "node is shutting down"];

function conditions(
  before: Node | undefined,
  now: number,
  pressures: ReadonlySet<Pressure>,
  isShuttingDown: boolean,
): NodeCondition[] {
  const rows = HEALTHY.map((row) => {
    if (row[0] === "Ready" && isShuttingDown) return SHUTTING_DOWN;
    const [type, reason, message] = PRESSED.find(([name]) => name === row[0] && pressures.has(name)) ?? [];
    return type === undefined ? row : [type, "True", reason ?? "", message ?? ""];
  });
  return rows.map(([type = "", status = "", reason = "", message = ""]) => {
    const old = before?.status?.conditions?.find((condition) => condition.type === type);
    const since = old?.status === status && old.lastTransitionTime ? old.lastTransitionTime : timestamp(now);
    return { type, status, reason, message, lastHeartbeatTime: timestamp(now), lastTransitionTime: since };
  });
}

function readLine(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

function osImage(): string {
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readLine("/etc/os-release"))?.[1] ?? "Linux";
}
