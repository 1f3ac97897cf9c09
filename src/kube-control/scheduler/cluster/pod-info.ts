import { objectKey } from "#formats/kube-object.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { podRequests, type Amounts } from "#formats/pod-requests.ts";

/** A port of the node that a pod takes. */
export interface HostPort {
  readonly protocol: string;
  /** "0.0.0.0" for all addresses. */
  readonly ip: string;
  readonly port: number;
}

/** What the scheduler needs to know of a pod, read once for each version of it. */
export interface PodInfo {
  readonly pod: Pod;
  readonly uid: string;
  readonly key: string;
  readonly namespace: string;
  readonly priority: number;
  /** Without resources of amount zero. */
  readonly requests: Amounts;
  /** Requests for scoring: containers without any count as 100 millicores and 200 MiB, so that they spread, too. */
  readonly scoringCpuMillis: number;
  readonly scoringMemoryBytes: number;
  readonly hostPorts: readonly HostPort[];
}

/** kube-scheduler's stand-ins for requests that are not made (util.DefaultMilliCPURequest, DefaultMemoryRequest). */
const SCORING_DEFAULTS = { cpu: 100, memory: 200 * 1024 * 1024 };

/** Reads a pod. */
export function podInfo(pod: Pod): PodInfo {
  const requests = podRequests(pod);
  const scoring = podRequests(pod, { missing: SCORING_DEFAULTS });
  for (const [name, amount] of requests) if (amount === 0) requests.delete(name);
  return {
    pod,
    uid: pod.metadata.uid ?? objectKey(pod),
    key: objectKey(pod),
    namespace: pod.metadata.namespace ?? "",
    priority: pod.spec?.priority ?? 0,
    requests,
    scoringCpuMillis: scoring.get("cpu") ?? 0,
    scoringMemoryBytes: scoring.get("memory") ?? 0,
    hostPorts: hostPortsOf(pod),
  };
}

/** True when the pod holds nothing of its node any more. */
export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

function hostPortsOf(pod: Pod): HostPort[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter((each) => each.restartPolicy === "Always");
  return [...(pod.spec?.containers ?? []), ...sidecars]
    .flatMap((container) => container.ports ?? [])
    .filter((port) => port.hostPort)
    .map((port) => ({ protocol: port.protocol ?? "TCP", ip: port.hostIP || "0.0.0.0", port: port.hostPort ?? 0 }));
}
