import type { PodInfo } from "./pod-info.ts";

const signatures = new WeakMap<PodInfo, string>();

/** The same for pods that local plugins cannot tell apart: of the same requests, ports, node selector and affinity, and tolerations. */
export function podSignature(info: PodInfo): string {
  const known = signatures.get(info);
  if (known !== undefined) return known;
  const { nodeName, nodeSelector, affinity, tolerations } = info.pod.spec ?? {};
  const parts = [
    nodeName,
    nodeSelector,
    affinity?.nodeAffinity,
    tolerations,
    Array.from(info.requests),
    info.scoringCpuMillis,
    info.scoringMemoryBytes,
    info.hostPorts,
  ];
  const made = JSON.stringify(parts);
  signatures.set(info, made);
  return made;
}
