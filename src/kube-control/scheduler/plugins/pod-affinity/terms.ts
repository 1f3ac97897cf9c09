import type { Pod, PodAffinityTerm } from "#formats/kube-types.generated.ts";
import { matchesSelector, selectorOf, type Labels, type Requirement, type Selector } from "#formats/selectors.ts";
import { canonicalJson } from "../../../shared/canonical-json.ts";
import type { NamespaceTable } from "../../cluster/namespaces.ts";

/** An affinity term of one pod, ready to be matched. */
export interface Term {
  /** The same for terms that select the same pods, whatever pod they are of. */
  readonly key: string;
  readonly topologyKey: string;
  readonly weight: number;
  matches(namespace: string, labels: Labels | undefined): boolean;
}

export interface PodTerms {
  readonly affinity: readonly Term[];
  readonly antiAffinity: readonly Term[];
  readonly preferredAffinity: readonly Term[];
  readonly preferredAntiAffinity: readonly Term[];
}

const NONE: PodTerms = { affinity: [], antiAffinity: [], preferredAffinity: [], preferredAntiAffinity: [] };

/** The affinity terms of a pod. */
export function podTerms(pod: Pod, namespaces: NamespaceTable): PodTerms {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  if (!podAffinity && !podAntiAffinity) return NONE;
  const of = (term: PodAffinityTerm, weight = 0): Term => makeTerm(pod, term, weight, namespaces);
  const required = (terms: readonly PodAffinityTerm[] | undefined): Term[] => (terms ?? []).map((term) => of(term));
  return {
    affinity: required(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    antiAffinity: required(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    preferredAffinity: (podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      ({ podAffinityTerm, weight }) => of(podAffinityTerm, weight),
    ),
    preferredAntiAffinity: (podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      ({ podAffinityTerm, weight }) => of(podAffinityTerm, weight),
    ),
  };
}

function makeTerm(pod: Pod, term: PodAffinityTerm, weight: number, namespaces: NamespaceTable): Term {
  const selector = withLabelKeys(selectorOf(term.labelSelector), term, pod.metadata.labels);
  const inNamespace = namespaceMatcher(pod, term, namespaces);
  const scope = [
    term.namespaces?.toSorted(),
    term.namespaceSelector ?? null,
    scoped(term) ? null : pod.metadata.namespace,
  ];
  return {
    key: canonicalJson([selector.nothing ?? false, selector.requirements, scope]),
    topologyKey: term.topologyKey,
    weight,
    matches: (namespace, labels) => inNamespace(namespace) && matchesSelector(selector, labels),
  };
}

/** Whether the term says itself which namespaces it means. */
function scoped({ namespaces, namespaceSelector }: PodAffinityTerm): boolean {
  return (namespaces?.length ?? 0) > 0 || namespaceSelector !== undefined;
}

function namespaceMatcher(pod: Pod, term: PodAffinityTerm, table: NamespaceTable): (namespace: string) => boolean {
  if (!scoped(term)) return (namespace) => namespace === pod.metadata.namespace;
  const named = new Set(term.namespaces);
  if (!term.namespaceSelector) return (namespace) => named.has(namespace);
  const selector = selectorOf(term.namespaceSelector);
  // The empty selector means every namespace, known or not.
  if (selector.requirements.length === 0) return () => true;
  return (namespace) => named.has(namespace) || matchesSelector(selector, table.labels(namespace));
}

/** matchLabelKeys and mismatchLabelKeys: the pod's own values of these labels, as further requirements. */
function withLabelKeys(selector: Selector, term: PodAffinityTerm, labels: Labels | undefined): Selector {
  const more = (keys: readonly string[] | undefined, operator: "in" | "notin"): Requirement[] =>
    (keys ?? []).flatMap((key) => {
      const value = labels?.[key];
      return value === undefined ? [] : [{ key, operator, values: [value] }];
    });
  const added = [...more(term.matchLabelKeys, "in"), ...more(term.mismatchLabelKeys, "notin")];
  return added.length === 0 ? selector : { ...selector, requirements: [...selector.requirements, ...added] };
}
