import type { ClusterState } from "../cluster/cluster-state.ts";
import type { Diagnosis, Verdicts } from "./diagnosis.ts";
import type { Cycle, FilterPlugin, RowFilter } from "./plugin.ts";
import { verdict, type Verdict } from "./verdict.ts";

/** The filters that have something to check for a pod, and which nodes they look at. */
export interface PreparedFilters {
  readonly filters: readonly RowFilter[];
  /** How many of them, from the first on, are local. */
  readonly localCount: number;
  /** Rows that no plugin ruled out by name. */
  readonly candidates: Int32Array;
  /** Plugins that named nodes. */
  readonly named: readonly string[];
  /** A filter that passes every node was left out, which holds only as the cluster stands. */
  readonly forNow: boolean;
}

export type Preparation =
  | { readonly kind: "filters"; readonly prepared: PreparedFilters }
  | { readonly kind: "rejected"; readonly diagnosis: Diagnosis };

/** PreFilter: asks every filter plugin what it has to check. */
export function prepareFilters(plugins: readonly FilterPlugin[], cycle: Cycle): Preparation {
  const filters: RowFilter[] = [];
  const named: string[] = [];
  let localCount = 0;
  let forNow = false;
  let names: ReadonlySet<string> | undefined;
  let rejected: Verdict | undefined;
  for (const plugin of plugins) {
    const result = plugin.preFilter(cycle);
    if (result.kind === "skip") {
      forNow ||= result.forNow ?? false;
      continue;
    }
    if (result.kind === "reject") {
      if (result.verdict.code === "UnschedulableAndUnresolvable") return reject(cycle, result.verdict);
      rejected ??= result.verdict;
      continue;
    }
    filters.push(result.filter);
    if (plugin.local && localCount === filters.length - 1) localCount++;
    if (!result.nodeNames) continue;
    named.push(plugin.name);
    names = names === undefined ? result.nodeNames : names.intersection(result.nodeNames);
    if (names.size === 0) return reject(cycle, noNodeLeft(named), named);
  }
  if (rejected) return reject(cycle, rejected);
  const candidates = names === undefined ? cycle.cluster.rows : rowsOf(cycle.cluster, names);
  return { kind: "filters", prepared: { filters, localCount, candidates, named, forNow } };
}

/** Filter: the rows that pass all filters. `verdicts` gets the first objection to each of the others. */
export function feasibleRows(prepared: PreparedFilters, verdicts: Map<number, Verdict>): Int32Array {
  const { filters, candidates } = prepared;
  const passed = new Int32Array(candidates.length);
  let count = 0;
  for (const row of candidates) {
    const objection = firstObjection(filters, row);
    if (objection === undefined) passed[count++] = row;
    else verdicts.set(row, objection);
  }
  return passed.subarray(0, count);
}

/** The first filter's objection to a node; undefined when all pass it. */
export function firstObjection(filters: readonly RowFilter[], row: number): Verdict | undefined {
  for (const filter of filters) {
    const objection = filter(row);
    if (objection !== undefined) return objection;
  }
  return undefined;
}

/** The diagnosis when no row passed. */
export function diagnose(cluster: ClusterState, prepared: PreparedFilters, verdicts: Verdicts): Diagnosis {
  const { named } = prepared;
  const absent = `node(s) didn't satisfy plugin(s) [${named.toSorted().join(" ")}]`;
  const rejectors = new Set(named);
  if (verdicts.counts) for (const { verdict: each } of verdicts.counts) rejectors.add(each.plugin);
  else for (const [, each] of verdicts) rejectors.add(each.plugin);
  return {
    nodeCount: cluster.rows.length,
    verdicts,
    absent: named.length > 0 ? verdict(named[0] ?? "", "UnschedulableAndUnresolvable", absent) : undefined,
    preFilterMessage: "",
    rejectors,
  };
}

function reject(
  { cluster }: Cycle,
  objection: Verdict,
  rejectors: readonly string[] = [objection.plugin],
): Preparation {
  const diagnosis: Diagnosis = {
    nodeCount: cluster.rows.length,
    verdicts: new Map(),
    absent: objection,
    preFilterMessage: objection.reasons.join(", "),
    rejectors: new Set(rejectors),
  };
  return { kind: "rejected", diagnosis };
}

function noNodeLeft(named: readonly string[]): Verdict {
  const text =
    named.length === 1
      ? `node(s) didn't satisfy plugin ${named[0] ?? ""}`
      : `node(s) didn't satisfy plugin(s) [${named.toSorted().join(" ")}] simultaneously`;
  return verdict(named[0] ?? "", "UnschedulableAndUnresolvable", text);
}

function rowsOf(cluster: ClusterState, names: ReadonlySet<string>): Int32Array {
  const rows: number[] = [];
  for (const name of names) {
    const row = cluster.rowByName.get(name);
    if (row !== undefined) rows.push(row);
  }
  return Int32Array.from(rows);
}
