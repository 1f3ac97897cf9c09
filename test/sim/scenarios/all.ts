import type { SimulationOptions } from "../support/simulation.ts";
import { simulate } from "../support/simulation.ts";
import { countedJob } from "./counted-job.ts";
import { cron } from "./cron.ts";
import { daemonSet } from "./daemon-set.ts";
import { endpoints } from "./endpoints.ts";
import { evictions } from "./evictions.ts";
import { killedPods } from "./killed-pods.ts";
import { namespace } from "./namespace.ts";
import { orderedSet } from "./ordered-set.ts";
import { owners } from "./owners.ts";
import { rollingUpdate } from "./rolling-update.ts";
import type { Scenario } from "./scenario.ts";

export const SCENARIOS: readonly Scenario[] = [
  rollingUpdate,
  killedPods,
  orderedSet,
  countedJob,
  daemonSet,
  evictions,
  cron,
  owners,
  endpoints,
  namespace,
];

/** Runs a scenario to its end; an error names the seed. */
export async function runScenario(
  scenario: Scenario,
  options: Omit<SimulationOptions, "controllers" | "nodes">,
): Promise<{ readonly end: object; readonly writes: number }> {
  const { controllers, nodes } = scenario;
  const simulation = await simulate({ ...options, controllers, ...(nodes === undefined ? {} : { nodes }) });
  try {
    const end = await scenario.run(simulation);
    return { end, writes: simulation.writes() };
  } catch (error) {
    const at = options.crashAtWrite === undefined ? "" : `, restarted after write ${options.crashAtWrite}`;
    throw new Error(
      `${scenario.name}, seed ${options.seed}${at}: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  } finally {
    await simulation.close();
  }
}
