import { listen, type ClusterState } from "../../cluster/cluster-state.ts";
import type { NamespaceTable } from "../../cluster/namespaces.ts";
import type { PodInfo } from "../../cluster/pod-info.ts";
import { domainView, type DomainView } from "../../cluster/topology.ts";
import { podTerms, type PodTerms, type Term } from "./terms.ts";

/** A term that placed pods have, and on which nodes these are. */
export interface PlacedTerm {
  readonly term: Term;
  /** By row: how many pods there have it (for preferred terms: the sum of their weights). */
  readonly rows: Map<number, number>;
  /** The same by the domains of its topology key. */
  readonly domains: DomainView;
}

/** The affinity terms of placed pods, equal ones together. */
export interface TermIndex {
  readonly antiAffinity: ReadonlyMap<string, PlacedTerm>;
  readonly affinity: ReadonlyMap<string, PlacedTerm>;
  readonly preferredAffinity: ReadonlyMap<string, PlacedTerm>;
  readonly preferredAntiAffinity: ReadonlyMap<string, PlacedTerm>;
  /** The terms of a pod, read once for each version. */
  termsOf(pod: PodInfo): PodTerms;
}

type Kind = keyof PodTerms;
const KINDS: readonly Kind[] = ["affinity", "antiAffinity", "preferredAffinity", "preferredAntiAffinity"];

/** An index over a cluster; it grows with the distinct terms of the pods that are placed. */
export function termIndex(cluster: ClusterState, namespaces: NamespaceTable): TermIndex {
  const placed: Record<Kind, Map<string, PlacedTerm>> = {
    affinity: new Map(),
    antiAffinity: new Map(),
    preferredAffinity: new Map(),
    preferredAntiAffinity: new Map(),
  };
  const read = new WeakMap<PodInfo, PodTerms>();
  const termsOf = (pod: PodInfo): PodTerms => {
    const known = read.get(pod);
    if (known) return known;
    const made = podTerms(pod.pod, namespaces);
    read.set(pod, made);
    return made;
  };
  const change = (pod: PodInfo, row: number, sign: 1 | -1): void => {
    const terms = termsOf(pod);
    for (const kind of KINDS) for (const term of terms[kind]) changeTerm(cluster, placed[kind], term, row, sign);
  };
  listen(cluster, {
    placed: (pod, row) => change(pod, row, 1),
    removed: (pod, row) => change(pod, row, -1),
    nodeChanged: () => undefined,
  });
  return { ...placed, termsOf };
}

function changeTerm(
  cluster: ClusterState,
  terms: Map<string, PlacedTerm>,
  term: Term,
  row: number,
  sign: 1 | -1,
): void {
  const key = `${term.topologyKey}\n${term.key}`;
  let entry = terms.get(key);
  if (!entry) {
    const rows = new Map<number, number>();
    entry = { term, rows, domains: domainView(cluster, term.topologyKey, () => rows) };
    terms.set(key, entry);
  }
  const change = sign * (term.weight || 1);
  const amount = (entry.rows.get(row) ?? 0) + change;
  entry.domains.add(row, change);
  if (amount > 0) entry.rows.set(row, amount);
  else entry.rows.delete(row);
  if (entry.rows.size === 0) terms.delete(key);
}
