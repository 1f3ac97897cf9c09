import { RESOURCES } from "../../../src/formats/kube-resources.ts";
import type { Simulation } from "../support/simulation.ts";
import { isReady, limits, podsOf, slowTemplate, watchPods, type Scenario } from "./scenario.ts";

/** A set is made, made smaller and updated: never two pods of one ordinal, one after the other. */
export const orderedSet: Scenario = {
  name: "a stateful set",
  controllers: ["statefulset-controller", "garbage-collector-controller"],
  run: order,
};

async function order(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const { broken, held } = limits();
  const labels = { app: "db" };
  const template = slowTemplate(labels, 500, 300);
  await watchPods(simulation, (live) => {
    const names = live.map(({ metadata }) => metadata.name);
    if (new Set(names).size !== names.length) broken(`two of one name: ${names.join()}`);
  });
  const sets = cluster.informers.informer(RESOURCES.statefulsets);
  await sets.whenSynced();
  const status = () => sets.cache.get("default/db")?.status;
  await cluster.client.create(RESOURCES.statefulsets, {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: "db", namespace: "default" },
    spec: { serviceName: "db", replicas: 4, selector: { matchLabels: labels }, template },
  });
  for (let waits = 0; status()?.availableReplicas !== 4 && waits < 100; waits++) await simulation.pass(5000);
  const body = { spec: { replicas: 3, template: { spec: { containers: [{ name: "main", image: "example:2" }] } } } };
  await cluster.client.patch(RESOURCES.statefulsets, "default", "db", { type: "strategic", body });
  await simulation.pass(random.next() * 20_000);
  const done = (): boolean => {
    const pods = podsOf(simulation);
    const now = status();
    return (
      pods.length === 3 &&
      pods.every((pod) => isReady(pod) && pod.spec?.containers[0]?.image === "example:2") &&
      now?.currentRevision === now?.updateRevision &&
      now?.availableReplicas === 3 &&
      now.replicas === 3 &&
      now.updatedReplicas === 3
    );
  };
  await simulation.calm("3 new pods", done);
  held();
  const { currentRevision: _, updateRevision: __, ...counts } = status() ?? {};
  return {
    names: podsOf(simulation)
      .map(({ metadata }) => metadata.name)
      .sort(),
    counts,
  };
}
