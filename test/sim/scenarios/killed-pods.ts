import { RESOURCES } from "../../../src/formats/kube-resources.ts";
import type { ReplicaSet } from "../../../src/formats/kube-types.generated.ts";
import type { Simulation } from "../support/simulation.ts";
import { isLive, isReady, limits, podsOf, slowTemplate, watchPods, type Scenario } from "./scenario.ts";

/** Pods are killed at random, then fewer are wanted: never more than asked for. */
export const killedPods: Scenario = {
  name: "killed pods of a replica set",
  controllers: ["replicaset-controller", "garbage-collector-controller"],
  run: kill,
};

const setsOf = ({ cluster }: Simulation): ReplicaSet[] =>
  Array.from(cluster.informers.informer(RESOURCES.replicasets).cache.values());

async function kill(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const { broken, held } = limits();
  const labels = { app: "set" };
  await watchPods(
    simulation,
    (live) => {
      if (live.length > 5) broken(`${live.length} pods where 5 are the most`);
    },
    "replicasets",
  );
  await cluster.client.create(RESOURCES.replicasets, {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { name: "set", namespace: "default" },
    spec: { replicas: 5, selector: { matchLabels: labels }, template: slowTemplate(labels, 0, 0) },
  });
  for (let round = 0; round < 10; round++) {
    await simulation.pass(random.next() * 10_000);
    const live = podsOf(simulation).filter(isLive);
    const victim = live[Math.floor(random.next() * live.length)];
    if (victim)
      await cluster.client.delete(RESOURCES.pods, "default", victim.metadata.name ?? "").catch(() => undefined);
  }
  await cluster.client.patch(RESOURCES.replicasets, "default", "set", {
    type: "merge",
    body: { spec: { replicas: 3 } },
  });
  await simulation.calm("3 ready pods", () => {
    const [set] = setsOf(simulation);
    return (
      podsOf(simulation).length === 3 &&
      podsOf(simulation).every(isReady) &&
      set?.status?.availableReplicas === 3 &&
      set.status.replicas === 3 &&
      !set.status.terminatingReplicas &&
      set.status.observedGeneration === set.metadata.generation
    );
  });
  held();
  return { sets: setsOf(simulation).map(({ status }) => status) };
}
