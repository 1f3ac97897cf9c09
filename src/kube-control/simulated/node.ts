import { kubeTime } from "#formats/kube-time.ts";
import type { Node, Taint } from "#formats/kube-types.generated.ts";

/** A node to simulate. */
export interface SimulatedNode {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  /** By default 8 CPUs, 32 GiB, 110 pods. */
  readonly capacity?: Readonly<Record<string, string>>;
  readonly unschedulable?: boolean;
  /** Images that it has. */
  readonly images?: NonNullable<Node["status"]>["images"];
}

const DEFAULT_CAPACITY = { cpu: "8", memory: "32Gi", "ephemeral-storage": "100Gi", pods: "110" };

/** The Node object as a kubelet would register it. */
export function nodeObject(node: SimulatedNode, index: number): Node {
  const labels = {
    "kubernetes.io/hostname": node.name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": "amd64",
    ...node.labels,
  };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: node.name, labels },
    spec: {
      podCIDR: `10.${64 + ((index >> 8) & 63)}.${index & 255}.0/24`,
      ...(node.taints && { taints: [...node.taints] }),
      ...(node.unschedulable && { unschedulable: true }),
    },
  };
}

/** Its status: ready, with everything it has allocatable. */
export function nodeStatus(node: SimulatedNode, address: string, nowMs: number): Node["status"] {
  const capacity = { ...DEFAULT_CAPACITY, ...node.capacity };
  const now = kubeTime(nowMs);
  const condition = (type: string, status: string, reason: string, message: string) => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  });
  return {
    capacity,
    allocatable: capacity,
    ...(node.images && { images: node.images }),
    addresses: [
      { type: "InternalIP", address },
      { type: "Hostname", address: node.name },
    ],
    conditions: [
      condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
      condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
      condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
      condition("Ready", "True", "KubeletReady", "simulated node is ready"),
    ],
    nodeInfo: {
      machineID: node.name,
      systemUUID: node.name,
      bootID: node.name,
      kernelVersion: "simulated",
      osImage: "simulated",
      containerRuntimeVersion: "simulated://1",
      kubeletVersion: "v1.36.0",
      kubeProxyVersion: "",
      operatingSystem: "linux",
      architecture: "amd64",
    },
  };
}
