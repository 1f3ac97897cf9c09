import type { Cycle } from "../../framework/plugin.ts";

export interface WeightedResource {
  readonly name: string;
  readonly weight: number;
}

/** A point of a utilization curve: percent used to a score of 0 to 10. */
export interface ShapePoint {
  readonly utilization: number;
  readonly score: number;
}

/** NodeResourcesFitArgs.scoringStrategy. */
export interface ScoringStrategy {
  readonly type: "LeastAllocated" | "MostAllocated" | "RequestedToCapacityRatio";
  readonly resources: readonly WeightedResource[];
  readonly requestedToCapacityRatio?: { readonly shape: readonly ShapePoint[] };
}

const MAX_SCORE = 100;
/** Scores in a shape go to 10, those of nodes to 100. */
const SHAPE_SCALE = 10;

/** Scores a node by its use of the strategy's resources with the pod on it. All arithmetic in whole numbers, as kube-scheduler's. */
export function resourceScorer(strategy: ScoringStrategy, cycle: Cycle): (row: number) => number {
  const uses = strategy.resources.map(({ name, weight }) => ({ weight, ...resourceUse(name, cycle, false) }));
  const each = singleScore(strategy);
  const ratio = strategy.type === "RequestedToCapacityRatio";
  return (row) => {
    let sum = 0;
    let weights = 0;
    for (const use of uses) {
      const allocatable = use.allocatable(row);
      if (allocatable === 0) continue;
      const score = each(use.requested(row), allocatable);
      if (ratio && score <= 0) continue;
      sum += score * use.weight;
      weights += use.weight;
    }
    if (weights === 0) return 0;
    return ratio ? Math.round(sum / weights) : Math.trunc(sum / weights);
  };
}

export interface ResourceUse {
  /** 0: the node does not count for this resource. */
  allocatable(row: number): number;
  /** With the pod on it. */
  requested(row: number): number;
  /** Without it. */
  allocated(row: number): number;
}

/**
 * A node's use of one resource. `exact`: of cpu and memory what is really requested, otherwise with the stand-ins for pods that request none.
 * An extended resource that the pod does not ask for does not count.
 */
export function resourceUse(name: string, { cluster, pod }: Cycle, exact: boolean): ResourceUse {
  const column = cluster.resources.column(name);
  const asked = pod.requests.get(name) ?? 0;
  const standIn = !exact && (name === "cpu" || name === "memory");
  if (!column || (asked === 0 && name !== "cpu" && name !== "memory" && name !== "ephemeral-storage")) {
    return { allocatable: () => 0, requested: () => 0, allocated: () => 0 };
  }
  const { allocatable } = column;
  const totals = standIn ? (name === "cpu" ? cluster.scoringCpuMillis : cluster.scoringMemoryBytes) : column.requested;
  const own = standIn ? (name === "cpu" ? pod.scoringCpuMillis : pod.scoringMemoryBytes) : asked;
  return {
    allocatable: (row) => allocatable[row] ?? 0,
    requested: (row) => (totals[row] ?? 0) + own,
    allocated: (row) => totals[row] ?? 0,
  };
}

function singleScore(strategy: ScoringStrategy): (requested: number, capacity: number) => number {
  switch (strategy.type) {
    case "LeastAllocated":
      return (requested, capacity) =>
        requested > capacity ? 0 : Math.trunc(((capacity - requested) * MAX_SCORE) / capacity);
    case "MostAllocated":
      return (requested, capacity) => Math.trunc((Math.min(requested, capacity) * MAX_SCORE) / capacity);
    case "RequestedToCapacityRatio": {
      const curve = brokenLinear(strategy.requestedToCapacityRatio?.shape ?? []);
      return (requested, capacity) => curve(requested > capacity ? 100 : Math.trunc((requested * 100) / capacity));
    }
  }
}

/** A curve through points, flat before the first and after the last (plugins/helper BuildBrokenLinearFunction). */
function brokenLinear(shape: readonly ShapePoint[]): (utilization: number) => number {
  const points = shape.map(({ utilization, score }) => ({ utilization, score: score * SHAPE_SCALE }));
  return (utilization) => {
    for (const [index, point] of points.entries()) {
      if (utilization > point.utilization) continue;
      const before = points[index - 1];
      if (!before) return point.score;
      const rise = (point.score - before.score) * (utilization - before.utilization);
      return before.score + Math.trunc(rise / (point.utilization - before.utilization));
    }
    return points.at(-1)?.score ?? 0;
  };
}
