// How feasible nodes compare: each plugin's score from 0 to 100 times its default weight, summed.
import type { Node, Pod, PodAffinityTerm } from "../../src/formats/kube-types.generated.ts";
import { countedOn, isIncluded } from "./filters.ts";
import { amount, meets, nameOf, podsOf, request, required, termMatches, tolerates, type World } from "./model.ts";

type Scorer = (world: World, pod: Pod, feasible: readonly Node[]) => readonly number[];

const PLUGINS: readonly (readonly [weight: number, scorer: Scorer])[] = [
  [3, taints],
  [2, preferredNodes],
  [1, leastAllocated],
  [2, softSpread],
  [2, softPodAffinity],
  [1, balanced],
  [1, images],
];

/** Total scores by node name. */
export function totalScores(world: World, pod: Pod, feasible: readonly Node[]): Map<string, number> {
  const totals = feasible.map(() => 0);
  for (const [weight, scorer] of PLUGINS) {
    scorer(world, pod, feasible).forEach((score, index) => (totals[index] = (totals[index] ?? 0) + weight * score));
  }
  return new Map(feasible.map((node, index) => [nameOf(node), totals[index] ?? 0]));
}

/** Fewer PreferNoSchedule taints that are not tolerated are better. */
function taints(_: World, pod: Pod, feasible: readonly Node[]): number[] {
  const tolerations = (pod.spec?.tolerations ?? []).filter(({ effect }) => !effect || effect === "PreferNoSchedule");
  const counts = feasible.map(
    ({ spec }) =>
      (spec?.taints ?? []).filter((taint) => taint.effect === "PreferNoSchedule" && !tolerates(tolerations, taint))
        .length,
  );
  const most = Math.max(0, ...counts);
  return counts.map((count) => (most === 0 ? 100 : 100 - Math.floor((count * 100) / most)));
}

function preferredNodes(_: World, pod: Pod, feasible: readonly Node[]): number[] {
  const terms = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const sums = feasible.map(({ metadata }) =>
    terms.reduce((sum, { weight, preference }) => {
      const expressions = preference.matchExpressions ?? [];
      const matches = expressions.length > 0 && expressions.every((each) => meets(each, metadata.labels ?? {}));
      return matches ? sum + weight : sum;
    }, 0),
  );
  const most = Math.max(0, ...sums);
  return sums.map((sum) => (most === 0 ? 0 : Math.floor((sum * 100) / most)));
}

const MISSING: Readonly<Record<string, number>> = { cpu: 0.1, memory: 200 * 2 ** 20 };

/** In whole units (thousandths of cpu): what is free with the pod there, of cpu and memory, on average. */
function leastAllocated(world: World, pod: Pod, feasible: readonly Node[]): number[] {
  return feasible.map((node) => {
    const scores = ["cpu", "memory"].map((resource) => {
      const unit = resource === "cpu" ? 1000 : 1;
      const of = (each: Pod): number => Math.round(request(each, resource, MISSING[resource]) * unit);
      const capacity = Math.round(amount(node.status?.allocatable?.[resource]) * unit);
      const used = [...podsOf(world, node), pod].reduce((sum, each) => sum + of(each), 0);
      return used > capacity ? 0 : Math.floor(((capacity - used) * 100) / capacity);
    });
    return Math.floor(((scores[0] ?? 0) + (scores[1] ?? 0)) / 2);
  });
}

/** Better the more the pod brings cpu and memory to being used in equal shares; nothing to say on pods that ask for neither. */
function balanced(world: World, pod: Pod, feasible: readonly Node[]): number[] {
  if (request(pod, "cpu") === 0 && request(pod, "memory") === 0) return feasible.map(() => 0);
  return feasible.map((node) => {
    const evenness = (pods: readonly Pod[]): number => {
      const shares = ["cpu", "memory"].map((resource) => {
        const unit = resource === "cpu" ? 1000 : 1;
        const used = pods.reduce((sum, each) => sum + Math.round(request(each, resource) * unit), 0);
        return Math.min(1, used / Math.round(amount(node.status?.allocatable?.[resource]) * unit));
      });
      return Math.trunc((1 - Math.abs(((shares[0] ?? 0) - (shares[1] ?? 0)) / 2)) * 100);
    };
    const here = podsOf(world, node);
    return 50 + Math.trunc((50 + evenness([...here, pod]) - evenness(here)) / 2);
  });
}

/** Images that are there count by size, times the share of nodes that have them; from 23 MiB to 1000 MiB for each container. */
function images(world: World, pod: Pod, feasible: readonly Node[]): number[] {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const has = (node: Node, image: string) =>
    (node.status?.images ?? []).find(({ names = [] }) => names.includes(`${image}:latest`));
  return feasible.map((node) => {
    const bytes = containers.reduce((sum, { image = "" }) => {
      const spreadOver = world.nodes.filter((each) => has(each, image)).length / world.nodes.length;
      return sum + Math.trunc((has(node, image)?.sizeBytes ?? 0) * spreadOver);
    }, 0);
    const [least, most] = [23 * 2 ** 20, 1000 * 2 ** 20 * containers.length];
    return Math.trunc((100 * (Math.min(Math.max(bytes, least), most) - least)) / (most - least));
  });
}

/** Preferred terms of the pod, preferred and required ones of those that are there, by the domains of their nodes. */
function softPodAffinity(world: World, pod: Pod, feasible: readonly Node[]): number[] {
  const raw = feasible.map((node) => {
    let sum = 0;
    const add = (term: PodAffinityTerm, where: Node, owner: Pod, meant: Pod, weight: number): void => {
      const value = where.metadata.labels?.[term.topologyKey];
      if (value === undefined || node.metadata.labels?.[term.topologyKey] !== value) return;
      if (termMatches(world, term, owner, meant)) sum += weight;
    };
    for (const where of world.nodes) {
      for (const there of podsOf(world, where)) {
        for (const [kind, sign] of KINDS) {
          for (const { podAffinityTerm, weight } of preferred(pod, kind)) {
            add(podAffinityTerm, where, pod, there, sign * weight);
          }
          for (const { podAffinityTerm, weight } of preferred(there, kind)) {
            add(podAffinityTerm, where, there, pod, sign * weight);
          }
        }
        for (const term of required(there, "podAffinity")) add(term, where, there, pod, 1);
      }
    }
    return sum;
  });
  const [least, most] = [Math.min(...raw), Math.max(...raw)];
  return raw.map((sum) => (most > least ? Math.trunc((100 * (sum - least)) / (most - least)) : 0));
}

const KINDS = [
  ["podAffinity", 1],
  ["podAntiAffinity", -1],
] as const;

function preferred(pod: Pod, kind: "podAffinity" | "podAntiAffinity") {
  return pod.spec?.affinity?.[kind]?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
}

/** ScheduleAnyway: fewer counted pods in the node's domain are better; a key with many domains weighs more. Nodes without the labels get nothing. */
function softSpread(world: World, pod: Pod, feasible: readonly Node[]): number[] {
  const soft = (pod.spec?.topologySpreadConstraints ?? []).filter(
    ({ whenUnsatisfiable }) => whenUnsatisfiable === "ScheduleAnyway",
  );
  if (soft.length === 0) return feasible.map(() => 0);
  const keys = soft.map(({ topologyKey }) => topologyKey);
  const hasAll = (node: Node): boolean => keys.every((key) => node.metadata.labels?.[key] !== undefined);
  const compared = feasible.filter(hasAll);
  const raw = feasible.map((node) => {
    if (!hasAll(node)) return undefined;
    const sum = soft.reduce((total, constraint) => {
      const { topologyKey: key, maxSkew } = constraint;
      const valueOf = (each: Node): string => each.metadata.labels?.[key] ?? "";
      if (key === "kubernetes.io/hostname") {
        const weight = Math.log(compared.length + 2);
        return total + countedOn(world, pod, constraint, node) * weight + (maxSkew - 1);
      }
      const weight = Math.log(new Set(compared.map(valueOf)).size + 2);
      const count = world.nodes
        .filter((each) => valueOf(each) === valueOf(node) && isIncluded(pod, constraint, keys, each))
        .reduce((all, each) => all + countedOn(world, pod, constraint, each), 0);
      return total + count * weight + (maxSkew - 1);
    }, 0);
    return Math.round(sum);
  });
  const values = raw.filter((each) => each !== undefined);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return raw.map((each) => {
    if (each === undefined) return 0;
    return most === 0 ? 100 : Math.trunc((100 * (most + least - each)) / most);
  });
}
