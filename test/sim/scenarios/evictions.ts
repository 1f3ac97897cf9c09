import { isGantryError } from "../../../src/base/errors.ts";
import { RESOURCES } from "../../../src/formats/kube-resources.ts";
import { deployment } from "../support/cluster.ts";
import type { Simulation } from "../support/simulation.ts";
import { isLive, isReady, limits, podsOf, slowTemplate, watchPods, type Scenario } from "./scenario.ts";

/** Somebody evicts whatever may be evicted: never past the budget. */
export const evictions: Scenario = {
  name: "evictions against a budget",
  controllers: ["deployment-controller", "replicaset-controller", "disruption-controller"],
  run: evict,
};

async function evict(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const { broken, held } = limits();
  let atLeast = 0;
  await watchPods(
    simulation,
    (live) => {
      const ready = live.filter(isReady).length;
      if (ready < atLeast) broken(`${ready} available where ${atLeast} are the least`);
    },
    "poddisruptionbudgets",
  );
  const budgets = cluster.informers.informer(RESOURCES.poddisruptionbudgets);
  const status = () => budgets.cache.get("default/web")?.status;
  const template = slowTemplate({ app: "web" }, 1000, 500);
  await cluster.client.create(RESOURCES.deployments, deployment("web", 5, { template }));
  await cluster.client.create(RESOURCES.poddisruptionbudgets, {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name: "web", namespace: "default" },
    spec: { minAvailable: 3, selector: { matchLabels: { app: "web" } } },
  });
  const isWhole = (): boolean => {
    const pods = podsOf(simulation);
    return pods.length === 5 && pods.every(isReady);
  };
  for (let waits = 0; !isWhole() && waits < 100; waits++) await simulation.pass(5000);
  atLeast = 3;
  let evicted = 0;
  for (let round = 0; round < 40; round++) {
    await simulation.pass(random.next() * 1500);
    const live = podsOf(simulation).filter(isLive);
    const name = live[Math.floor(random.next() * live.length)]?.metadata.name ?? "";
    const body = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: "default" } };
    await cluster.client.post(RESOURCES.pods, "default", name, "eviction", body).then(
      () => evicted++,
      (error: unknown) => {
        if (!isGantryError(error)) throw error;
      },
    );
  }
  if (evicted === 0) broken("nothing was evicted at all");
  await simulation.calm("five again", () => {
    const now = status();
    return isWhole() && now?.currentHealthy === 5 && now.disruptionsAllowed === 2 && !hasEntries(now.disruptedPods);
  });
  held();
  const { currentHealthy, desiredHealthy, disruptionsAllowed, expectedPods } = status() ?? {};
  return { currentHealthy, desiredHealthy, disruptionsAllowed, expectedPods };
}

function hasEntries(map: object | undefined): boolean {
  return Object.keys(map ?? {}).length > 0;
}
