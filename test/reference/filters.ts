// Which nodes a pod may go to, rule by rule as the documentation has them.
import type { Node, Pod, TopologySpreadConstraint } from "../../src/formats/kube-types.generated.ts";
import {
  amount,
  meets,
  nameOf,
  podsOf,
  request,
  required,
  selects,
  termMatches,
  tolerates,
  type World,
} from "./model.ts";

const RULES: readonly ((world: World, pod: Pod, node: Node) => boolean)[] = [
  notCordoned,
  tolerated,
  nodeAffinity,
  portsFree,
  resourcesFit,
  podAffinity,
  podAntiAffinity,
  noOneObjects,
  spread,
];

export function feasibleNodes(world: World, pod: Pod): Node[] {
  return world.nodes.filter((node) => RULES.every((rule) => rule(world, pod, node)));
}

/** kubectl cordon: as a taint that nothing but a toleration lifts. */
function notCordoned(_: World, pod: Pod, node: Node): boolean {
  const taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };
  return !node.spec?.unschedulable || tolerates(pod.spec?.tolerations, taint);
}

function tolerated(_: World, pod: Pod, node: Node): boolean {
  return (node.spec?.taints ?? []).every(
    (taint) => taint.effect === "PreferNoSchedule" || tolerates(pod.spec?.tolerations, taint),
  );
}

/** nodeSelector and the required terms: of the terms one, of a term all expressions. */
export function nodeAffinity(_: World, pod: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  const selector = Object.entries(pod.spec?.nodeSelector ?? {});
  if (!selector.every(([key, value]) => labels[key] === value)) return false;
  const terms = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return (
    !terms ||
    terms.some(
      ({ matchExpressions = [], matchFields = [] }) =>
        matchExpressions.length + matchFields.length > 0 &&
        matchExpressions.every((each) => meets(each, labels)) &&
        matchFields.every((each) => meets(each, { "metadata.name": nameOf(node) })),
    )
  );
}

function portsFree(world: World, pod: Pod, node: Node): boolean {
  const ports = (each: Pod) => (each.spec?.containers ?? []).flatMap(({ ports: all = [] }) => all);
  const taken = podsOf(world, node).flatMap(ports);
  return ports(pod).every(({ hostPort, hostIP = "0.0.0.0", protocol = "TCP" }) => {
    if (!hostPort) return true;
    return taken.every((other) => {
      const otherIp = other.hostIP ?? "0.0.0.0";
      const sameAddress = hostIP === "0.0.0.0" || otherIp === "0.0.0.0" || hostIP === otherIp;
      return other.hostPort !== hostPort || (other.protocol ?? "TCP") !== protocol || !sameAddress;
    });
  });
}

/** Resource requests of all pods of a node together, and their number. */
function resourcesFit(world: World, pod: Pod, node: Node): boolean {
  const here = podsOf(world, node);
  const allocatable = node.status?.allocatable ?? {};
  if (here.length + 1 > amount(allocatable["pods"])) return false;
  return ["cpu", "memory", "example.com/gpu"].every((resource) => {
    const wanted = request(pod, resource);
    const used = here.reduce((sum, each) => sum + request(each, resource), 0);
    // In thousandths, since tenths do not add up.
    return wanted === 0 || Math.round((used + wanted) * 1000) <= Math.round(amount(allocatable[resource]) * 1000);
  });
}

/** Nodes of the same value of a label. */
function domain(world: World, node: Node, key: string): Node[] {
  const value = node.metadata.labels?.[key];
  return value === undefined ? [] : world.nodes.filter((each) => each.metadata.labels?.[key] === value);
}

/** All required terms: a pod that all of them mean is in the node's domain; or nobody is anywhere, and the pod means itself. */
function podAffinity(world: World, pod: Pod, node: Node): boolean {
  const terms = required(pod, "podAffinity");
  if (terms.length === 0) return true;
  const meant = (other: Pod): boolean => terms.every((term) => termMatches(world, term, pod, other));
  const inDomain = (key: string): boolean => domain(world, node, key).some((each) => podsOf(world, each).some(meant));
  if (terms.every(({ topologyKey }) => node.metadata.labels?.[topologyKey] !== undefined)) {
    if (terms.every(({ topologyKey }) => inDomain(topologyKey))) return true;
    const anywhere = terms.some(({ topologyKey }) =>
      world.nodes.some((each) => each.metadata.labels?.[topologyKey] !== undefined && podsOf(world, each).some(meant)),
    );
    return !anywhere && meant(pod);
  }
  return false;
}

function podAntiAffinity(world: World, pod: Pod, node: Node): boolean {
  return required(pod, "podAntiAffinity").every((term) =>
    domain(world, node, term.topologyKey).every((each) =>
      podsOf(world, each).every((other) => !termMatches(world, term, pod, other)),
    ),
  );
}

/** The anti-affinity of pods that are there holds against those that come. */
function noOneObjects(world: World, pod: Pod, node: Node): boolean {
  return world.nodes.every((other) =>
    podsOf(world, other).every((there) =>
      required(there, "podAntiAffinity").every((term) => {
        const value = other.metadata.labels?.[term.topologyKey];
        const shared = value !== undefined && node.metadata.labels?.[term.topologyKey] === value;
        return !shared || !termMatches(world, term, there, pod);
      }),
    ),
  );
}

/** The pods that a constraint counts on a node. */
export function countedOn(world: World, pod: Pod, constraint: TopologySpreadConstraint, node: Node): number {
  return podsOf(world, node).filter((other) => isCounted(pod, constraint, other)).length;
}

function isCounted(pod: Pod, { labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint, other: Pod): boolean {
  const own = pod.metadata.labels ?? {};
  return (
    other.metadata.namespace === pod.metadata.namespace &&
    other.metadata.deletionTimestamp === undefined &&
    selects(labelSelector, other.metadata.labels) &&
    matchLabelKeys.every((key) => own[key] === undefined || other.metadata.labels?.[key] === own[key])
  );
}

/** nodeAffinityPolicy and nodeTaintsPolicy: which nodes count at all. */
export function isIncluded(
  pod: Pod,
  constraint: TopologySpreadConstraint,
  keys: readonly string[],
  node: Node,
): boolean {
  if (!keys.every((key) => node.metadata.labels?.[key] !== undefined)) return false;
  if ((constraint.nodeAffinityPolicy ?? "Honor") === "Honor" && !nodeAffinity({} as World, pod, node)) return false;
  return constraint.nodeTaintsPolicy !== "Honor" || tolerated({} as World, pod, node);
}

/** DoNotSchedule: with the pod, the node's domain is no more than maxSkew ahead of the least populated one. */
function spread(world: World, pod: Pod, node: Node): boolean {
  const hard = (pod.spec?.topologySpreadConstraints ?? []).filter(
    ({ whenUnsatisfiable }) => whenUnsatisfiable === "DoNotSchedule",
  );
  const keys = hard.map(({ topologyKey }) => topologyKey);
  return hard.every((constraint) => {
    const { topologyKey: key, maxSkew, minDomains = 1 } = constraint;
    const value = node.metadata.labels?.[key];
    if (value === undefined) return false;
    const counts = new Map<string, number>();
    for (const each of world.nodes) {
      if (!isIncluded(pod, constraint, keys, each)) continue;
      const own = each.metadata.labels?.[key] ?? "";
      counts.set(own, (counts.get(own) ?? 0) + countedOn(world, pod, constraint, each));
    }
    const least = counts.size < minDomains || counts.size === 0 ? 0 : Math.min(...counts.values());
    const self = isCounted(pod, constraint, pod) ? 1 : 0;
    return (counts.get(value) ?? 0) + self - least <= maxSkew;
  });
}
