import { RESOURCES } from "../../../src/formats/kube-resources.ts";
import type { Pod } from "../../../src/formats/kube-types.generated.ts";
import type { Simulation } from "../support/simulation.ts";
import { imageOf, isReady, limits, podsOf, slowTemplate, watchPods, type Scenario } from "./scenario.ts";

const NODES = 4;

/** An update with a surge of one: never two pods of one template on a node, never a node without an available pod. */
export const daemonSet: Scenario = {
  name: "a daemon set",
  controllers: ["daemonset-controller", "garbage-collector-controller"],
  nodes: NODES,
  run: roll,
};

async function roll(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const { broken, held } = limits();
  const labels = { app: "agent" };
  let atLeast = 0;
  const check = (live: readonly Pod[]): void => {
    const places = live.map((pod) => `${nodeOf(pod)} ${imageOf(pod)}`);
    if (new Set(places).size !== places.length) broken(`two on one node: ${places.join()}`);
    const served = new Set(live.filter(isReady).map(nodeOf)).size;
    if (served < atLeast) broken(`${served} nodes served where ${atLeast} are the least`);
  };
  await watchPods(simulation, check, "daemonsets");
  const sets = cluster.informers.informer(RESOURCES.daemonsets);
  const status = () => sets.cache.get("default/agent")?.status;
  await cluster.client.create(RESOURCES.daemonsets, {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "agent", namespace: "default" },
    spec: {
      selector: { matchLabels: labels },
      template: slowTemplate(labels, 500, 300),
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    },
  });
  for (let waits = 0; status()?.numberAvailable !== NODES && waits < 100; waits++) await simulation.pass(5000);
  atLeast = NODES;
  const body = { spec: { template: { spec: { containers: [{ name: "main", image: "example:2" }] } } } };
  await cluster.client.patch(RESOURCES.daemonsets, "default", "agent", { type: "strategic", body });
  await simulation.pass(random.next() * 20_000);
  await simulation.calm("new pods everywhere", () => {
    const pods = podsOf(simulation);
    const now = status();
    return (
      pods.length === NODES &&
      pods.every((pod) => isReady(pod) && imageOf(pod) === "example:2") &&
      now?.updatedNumberScheduled === NODES &&
      now.numberAvailable === NODES &&
      !now.numberMisscheduled
    );
  });
  held();
  return { nodes: podsOf(simulation).map(nodeOf).sort(), status: status() };
}

/** Where a pod is bound to run: set by the controller before the scheduler binds it. */
function nodeOf({ spec }: Pod): string {
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return terms?.[0]?.matchFields?.[0]?.values?.[0] ?? spec?.nodeName ?? "";
}
