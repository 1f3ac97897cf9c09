import type { Pod, PodSpec } from "#formats/kube-types.generated.ts";
import { podInfo, type PodInfo } from "../cluster/pod-info.ts";
import { nodeName, type ClusterState } from "../cluster/cluster-state.ts";
import { rowCheck } from "../framework/decide.ts";
import type { Profile } from "../framework/profile.ts";

/** A change that would let a pod run on a node, checked by running the filters. */
export interface Remedy {
  readonly nodeName: string;
  /** In words; more than one when it takes them together. */
  readonly changes: readonly string[];
}

/** One thing that could be different, as what it would mean for the pod. */
interface Change {
  readonly words: string;
  readonly apply: (spec: PodSpec) => PodSpec;
}

const CORDON = "node.kubernetes.io/unschedulable";

/** The smallest sets of changes, of one or two, with which the pod fits on the node. */
export function remediesOn(profile: Profile, cluster: ClusterState, info: PodInfo, row: number): Remedy[] {
  const changes = possibleChanges(cluster, info, row);
  const helps = (chosen: readonly Change[]): boolean => fitsWith(profile, cluster, info, row, chosen);
  const remedy = (chosen: readonly Change[]): Remedy => ({
    nodeName: nodeName(cluster, row),
    changes: chosen.map(({ words }) => words),
  });
  const single = changes.filter((change) => helps([change]));
  if (single.length > 0) return single.map((change) => remedy([change]));
  const pairs = changes.flatMap((first, index) => changes.slice(index + 1).map((second) => [first, second]));
  return pairs.filter(helps).slice(0, 1).map(remedy);
}

function fitsWith(
  profile: Profile,
  cluster: ClusterState,
  info: PodInfo,
  row: number,
  changes: readonly Change[],
): boolean {
  const spec = changes.reduce((changed, { apply }) => apply(changed), info.pod.spec ?? { containers: [] });
  const pod: Pod = { ...info.pod, spec };
  return rowCheck(profile, { cluster, pod: podInfo(pod) })(row) === undefined;
}

function possibleChanges(cluster: ClusterState, info: PodInfo, row: number): Change[] {
  const node = nodeName(cluster, row);
  return [
    ...shortages(cluster, info, row, node),
    ...taints(cluster, row, node),
    ...(cluster.unschedulable[row] === 1 ? [tolerate(CORDON, undefined, `uncordon node ${node}`)] : []),
    ...demands(info, node),
  ];
}

/** As much less of each resource as lacks: as if it were freed on the node. */
function shortages(cluster: ClusterState, info: PodInfo, row: number, node: string): Change[] {
  return Array.from(info.requests).flatMap(([name, amount]): Change[] => {
    const column = cluster.resources.column(name);
    const free = (column?.allocatable[row] ?? 0) - (column?.requested[row] ?? 0);
    const lacking = amount - Math.max(0, free);
    if (lacking <= 0) return [];
    const text = inWords(name, lacking);
    const possible = amount <= (column?.allocatable[row] ?? 0);
    const words = possible
      ? `free ${text} on node ${node}, or ask for as much less`
      : `ask for ${text} less: node ${node} is smaller than that`;
    return [{ words, apply: (spec) => withRequest(spec, name, Math.max(0, free)) }];
  });
}

function inWords(name: string, amount: number): string {
  if (name === "cpu") return amount % 1000 === 0 ? `${amount / 1000} cpu` : `${amount}m cpu`;
  const units = ["", "Ki", "Mi", "Gi", "Ti"];
  let value = amount;
  let unit = 0;
  while (name === "memory" && value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Math.ceil(value * 10) / 10}${units[unit] ?? ""} ${name}`;
}

/** The whole pod asks for no more than this of a resource. */
function withRequest(spec: PodSpec, name: string, amount: number): PodSpec {
  const text = name === "cpu" ? `${amount}m` : String(amount);
  const strip = <C extends { resources?: { requests?: Record<string, string> } }>(container: C, value: string): C => ({
    ...container,
    resources: { ...container.resources, requests: { ...container.resources?.requests, [name]: value } },
  });
  const { overhead, resources, ...rest } = spec;
  return {
    ...rest,
    ...(resources && { resources: { ...resources, requests: { ...resources.requests, [name]: text } } }),
    ...(overhead && { overhead: { ...overhead, [name]: "0" } }),
    containers: spec.containers.map((container, index) => strip(container, index === 0 ? text : "0")),
    initContainers: spec.initContainers?.map((container) => strip(container, "0")),
  };
}

function taints(cluster: ClusterState, row: number, node: string): Change[] {
  return (
    cluster.taints
      .taints(cluster.taints.sets[row] ?? 0)
      // A cordon is told of as such.
      .filter(({ effect, key }) => effect !== "PreferNoSchedule" && key !== CORDON)
      .map(({ key, value, effect }) => {
        const text = `${key}${value ? `=${value}` : ""}:${effect}`;
        return tolerate(key, effect, `tolerate taint ${text}, or remove it from node ${node}`);
      })
  );
}

function tolerate(key: string, effect: string | undefined, words: string): Change {
  const toleration = { key, operator: "Exists", ...(effect && { effect }) };
  return { words, apply: (spec) => ({ ...spec, tolerations: [...(spec.tolerations ?? []), toleration] }) };
}

/** What the pod itself demands and could do without. */
function demands(info: PodInfo, node: string): Change[] {
  const spec = info.pod.spec;
  const changes: Change[] = [];
  const without = (words: string, apply: Change["apply"]): void => void changes.push({ words, apply });
  if (spec?.nodeSelector)
    without(`drop the node selector, or label node ${node} so`, (each) => ({ ...each, nodeSelector: undefined }));
  const { nodeAffinity, podAffinity, podAntiAffinity } = spec?.affinity ?? {};
  if (nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution) {
    without("make the node affinity preferred instead of required", (each) => ({
      ...each,
      affinity: { ...each.affinity, nodeAffinity: undefined },
    }));
  }
  if (podAffinity?.requiredDuringSchedulingIgnoredDuringExecution) {
    without("make the pod affinity preferred instead of required", (each) => ({
      ...each,
      affinity: { ...each.affinity, podAffinity: undefined },
    }));
  }
  if (podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution) {
    without("make the pod anti-affinity preferred instead of required", (each) => ({
      ...each,
      affinity: { ...each.affinity, podAntiAffinity: undefined },
    }));
  }
  for (const [index, { topologyKey, whenUnsatisfiable }] of (spec?.topologySpreadConstraints ?? []).entries()) {
    if (whenUnsatisfiable !== "DoNotSchedule") continue;
    without(`let the spread over ${topologyKey} be ScheduleAnyway`, (each) => ({
      ...each,
      topologySpreadConstraints: each.topologySpreadConstraints?.filter((_, position) => position !== index),
    }));
  }
  if (info.hostPorts.length > 0) {
    without(`free the pod's host ports on node ${node}`, (each) => ({
      ...each,
      containers: each.containers.map((container) => ({
        ...container,
        ports: container.ports?.map((port) => ({ ...port, hostPort: undefined })),
      })),
    }));
  }
  return changes;
}
