import type { Profile } from "./framework/profile.ts";
import { nodeAffinityPlugin } from "./plugins/node-affinity.ts";
import { nodeNamePlugin } from "./plugins/node-name.ts";
import { nodePortsPlugin } from "./plugins/node-ports.ts";
import { balancedAllocationPlugin } from "./plugins/node-resources/balanced-allocation.ts";
import { nodeResourcesFitPlugin } from "./plugins/node-resources/fit.ts";
import { nodeUnschedulablePlugin } from "./plugins/node-unschedulable.ts";
import { schedulingGatesPlugin } from "./plugins/scheduling-gates.ts";
import { taintTolerationPlugin } from "./plugins/taint-toleration.ts";

/** kube-scheduler's default plugins in its order, with its weights (apis/config/v1/default_plugins.go). */
export function defaultProfile(schedulerName: string): Profile {
  const nodeAffinity = nodeAffinityPlugin();
  const fit = nodeResourcesFitPlugin();
  return {
    schedulerName,
    preEnqueues: [schedulingGatesPlugin],
    filters: [nodeUnschedulablePlugin, nodeNamePlugin, taintTolerationPlugin, nodeAffinity, nodePortsPlugin, fit],
    postFilters: [],
    scores: [
      { plugin: taintTolerationPlugin, weight: 3 },
      { plugin: nodeAffinity, weight: 2 },
      { plugin: fit, weight: 1 },
      { plugin: balancedAllocationPlugin(), weight: 1 },
    ],
    reserves: [],
    permits: [],
    binds: [],
    percentageOfNodesToScore: 100,
  };
}
