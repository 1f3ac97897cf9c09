import type { ScorePlugin } from "../../framework/plugin.ts";
import { resourceUse, type ResourceUse, type WeightedResource } from "./strategies.ts";

const MAX_SCORE = 100;
const DEFAULT_RESOURCES: readonly WeightedResource[] = [
  { name: "cpu", weight: 1 },
  { name: "memory", weight: 1 },
];

/** Prefers nodes whose resources the pod brings nearer to being used in equal shares (NodeResourcesBalancedAllocation). */
export function balancedAllocationPlugin(resources: readonly WeightedResource[] = DEFAULT_RESOURCES): ScorePlugin {
  return {
    name: "NodeResourcesBalancedAllocation",
    local: true,
    preScore(cycle) {
      // A pod that asks for nothing would fill one node.
      if (resources.every(({ name }) => !cycle.pod.requests.get(name))) return undefined;
      const uses = resources.map(({ name }) => resourceUse(name, cycle, true));
      return {
        score(row) {
          const change = balance(uses, row, true) - balance(uses, row, false);
          return MAX_SCORE / 2 + Math.trunc((MAX_SCORE / 2 + change) / 2);
        },
      };
    },
  };
}

/** 100 when all resources are used in equal shares, less by the standard deviation of the shares. */
function balance(uses: readonly ResourceUse[], row: number, withPod: boolean): number {
  const [first, second] = uses;
  if (first && second && uses.length === 2) {
    const known = first.allocatable(row) !== 0 && second.allocatable(row) !== 0;
    // By the same steps as kube-scheduler's, so that rounding falls the same way.
    const deviation = known ? Math.abs((share(first, row, withPod) - share(second, row, withPod)) / 2) : 0;
    return Math.trunc((1 - deviation) * MAX_SCORE);
  }
  const shares = uses.filter((use) => use.allocatable(row) !== 0).map((use) => share(use, row, withPod));
  return Math.trunc((1 - deviationOf(shares)) * MAX_SCORE);
}

function share(use: ResourceUse, row: number, withPod: boolean): number {
  return Math.min(1, (withPod ? use.requested(row) : use.allocated(row)) / use.allocatable(row));
}

function deviationOf(shares: readonly number[]): number {
  const [first = 0, second = 0] = shares;
  if (shares.length < 2) return 0;
  if (shares.length === 2) return Math.abs((first - second) / 2);
  const mean = shares.reduce((sum, each) => sum + each, 0) / shares.length;
  const squares = shares.reduce((sum, each) => sum + (each - mean) * (each - mean), 0);
  return Math.sqrt(squares / shares.length);
}
