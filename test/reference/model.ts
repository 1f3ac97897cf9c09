// What the reference scheduler knows: plain lists of objects, walked anew for every question. No index, no cache, nothing shared with src/.
import type { Node, Pod, PodAffinityTerm, Toleration } from "../../src/formats/kube-types.generated.ts";

export interface World {
  readonly nodes: readonly Node[];
  /** With spec.nodeName. */
  readonly pods: readonly Pod[];
  readonly namespaces: Readonly<Record<string, Record<string, string>>>;
}

type Labels = Readonly<Record<string, string>> | undefined;
interface LabelSelector {
  readonly matchLabels?: Record<string, string>;
  readonly matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[];
}

export function nameOf(node: Node): string {
  return node.metadata.name ?? "";
}

export function podsOf(world: World, node: Node): readonly Pod[] {
  return world.pods.filter(({ spec }) => spec?.nodeName === nameOf(node));
}

/** Concepts, Labels and Selectors: an absent selector selects nothing, an empty one everything. */
export function selects(selector: LabelSelector | undefined, labels: Labels): boolean {
  if (!selector) return false;
  const has = labels ?? {};
  const equal = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => has[key] === value);
  return equal && (selector.matchExpressions ?? []).every((each) => meets(each, has));
}

/** The operators of selectors and of node affinity. */
export function meets(
  { key, operator, values = [] }: { key: string; operator: string; values?: readonly string[] },
  labels: Readonly<Record<string, string>>,
): boolean {
  const value = labels[key];
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return value !== undefined && Number(value) > Number(values[0]);
    case "Lt":
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      throw new Error(`operator ${operator}`);
  }
}

/** Concepts, Taints and Tolerations. */
export function tolerates(
  tolerations: readonly Toleration[] | undefined,
  taint: { key: string; value?: string; effect: string },
): boolean {
  return (tolerations ?? []).some((toleration) => {
    if (toleration.effect && toleration.effect !== taint.effect) return false;
    if (toleration.key && toleration.key !== taint.key) return false;
    if (toleration.operator === "Exists") return true;
    return Boolean(toleration.key) && (toleration.value ?? "") === (taint.value ?? "");
  });
}

const UNITS: Readonly<Record<string, number>> = { m: 0.001, Mi: 2 ** 20, Gi: 2 ** 30, "": 1 };

/** As much of the quantities as the generator writes: `100m`, `2`, `64Mi`, `8Gi`. */
export function amount(quantity: string | undefined): number {
  const match = /^(\d+)(m|Mi|Gi|)$/.exec(quantity ?? "0");
  if (!match) throw new Error(`quantity ${quantity ?? ""}`);
  return Number(match[1]) * (UNITS[match[2] ?? ""] ?? 1);
}

/** What a pod asks for: the larger of its containers together and any init container, plus overhead. `missing`: for a container that does not say. */
export function request(pod: Pod, resource: string, missing = 0): number {
  const of = (container: { resources?: { requests?: Record<string, string> } }): number => {
    const asked = container.resources?.requests?.[resource];
    return asked === undefined ? missing : amount(asked);
  };
  const together = (pod.spec?.containers ?? []).reduce((sum, each) => sum + of(each), 0);
  const largest = Math.max(0, ...(pod.spec?.initContainers ?? []).map(of));
  return Math.max(together, largest) + amount(pod.spec?.overhead?.[resource]);
}

/** Whether a pod is one that an affinity term of `owner` means. */
export function termMatches(world: World, term: PodAffinityTerm, owner: Pod, pod: Pod): boolean {
  const namespace = pod.metadata.namespace ?? "";
  const unscoped = !term.namespaceSelector && (term.namespaces ?? []).length === 0;
  const inNamespace =
    (unscoped && namespace === owner.metadata.namespace) ||
    (term.namespaces ?? []).includes(namespace) ||
    (term.namespaceSelector !== undefined && selects(term.namespaceSelector, world.namespaces[namespace]));
  if (!inNamespace || !selects(term.labelSelector, pod.metadata.labels)) return false;
  const own = owner.metadata.labels ?? {};
  const theirs = pod.metadata.labels ?? {};
  const same = (term.matchLabelKeys ?? []).every((key) => own[key] === undefined || theirs[key] === own[key]);
  return same && (term.mismatchLabelKeys ?? []).every((key) => own[key] === undefined || theirs[key] !== own[key]);
}

export function required(pod: Pod, kind: "podAffinity" | "podAntiAffinity"): readonly PodAffinityTerm[] {
  return pod.spec?.affinity?.[kind]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
}
