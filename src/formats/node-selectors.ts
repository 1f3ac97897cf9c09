// Node selector terms (k8s.io/component-helpers/scheduling/corev1/nodeaffinity): of terms one must match, of a term's requirements all.
import type { Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec } from "./kube-types.generated.ts";

type Labels = Readonly<Record<string, string>>;

const INTEGER = /^[+-]?[0-9]{1,19}$/;

/** True when `value` (undefined: there is none) meets the requirement. An operator that does not exist is met by nothing. */
export function meetsRequirement(
  { operator, values = [] }: NodeSelectorRequirement,
  value: string | undefined,
): boolean {
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
    case "Lt": {
      const [bound] = values;
      if (value === undefined || bound === undefined || values.length !== 1) return false;
      if (!INTEGER.test(value) || !INTEGER.test(bound)) return false;
      return operator === "Gt" ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound);
    }
    default:
      return false;
  }
}

/** A term without any requirement matches no node. */
export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length + matchFields.length === 0) return false;
  return (
    matchExpressions.every((each) => meetsRequirement(each, label(node.metadata.labels, each.key))) &&
    matchFields.every((each) => each.key === "metadata.name" && meetsRequirement(each, node.metadata.name))
  );
}

/** True when one of the selector's terms matches; without terms none does. */
export function matchesNodeSelector(selector: NodeSelector, node: Node): boolean {
  return (selector.nodeSelectorTerms ?? []).some((term) => matchesTerm(term, node));
}

/** True when the pod's nodeSelector and required node affinity let it run on `node`. */
export function matchesPodNodeAffinity(spec: PodSpec, node: Node): boolean {
  for (const [key, value] of Object.entries(spec.nodeSelector ?? {})) {
    if (label(node.metadata.labels, key) !== value) return false;
  }
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || matchesNodeSelector(required, node);
}

function label(labels: Labels | undefined, key: string): string | undefined {
  return labels && Object.hasOwn(labels, key) ? labels[key] : undefined;
}
