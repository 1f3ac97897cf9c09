import assert from "node:assert/strict";
import { RESOURCES } from "../../../src/formats/kube-resources.ts";
import type { Deployment, ReplicaSet } from "../../../src/formats/kube-types.generated.ts";
import { deployment } from "../support/cluster.ts";
import type { Simulation } from "../support/simulation.ts";
import { isReady, limits, podsOf, slowTemplate, watchPods, type Scenario } from "./scenario.ts";

/** Three templates one after the other, now and then in the middle of a rollout: never more than replicas and surge, never fewer available. */
export const rollingUpdate: Scenario = {
  name: "a rolling update",
  controllers: ["deployment-controller", "replicaset-controller", "garbage-collector-controller"],
  run: update,
};

const deploymentOf = ({ cluster }: Simulation): Deployment | undefined =>
  cluster.informers.informer(RESOURCES.deployments).cache.get("default/web");
const setsOf = ({ cluster }: Simulation): ReplicaSet[] =>
  Array.from(cluster.informers.informer(RESOURCES.replicasets).cache.values());

function isRolledOut(simulation: Simulation, replicas: number, image: string): boolean {
  const pods = podsOf(simulation);
  const { status, metadata } = deploymentOf(simulation) ?? { metadata: {} };
  return (
    pods.length === replicas &&
    pods.every((pod) => isReady(pod) && pod.spec?.containers[0]?.image === image) &&
    status?.observedGeneration === metadata.generation &&
    status?.updatedReplicas === replicas &&
    status.replicas === replicas &&
    status.availableReplicas === replicas &&
    !status.terminatingReplicas
  );
}

/** What does not depend on names and times. */
function ending(simulation: Simulation): object {
  const { status, metadata } = deploymentOf(simulation) ?? { metadata: {} };
  const { conditions = [], ...counts } = status ?? {};
  return {
    pods: podsOf(simulation)
      .map(({ spec, status: is }) => `${spec?.containers[0]?.image ?? ""} ${is?.phase ?? ""}`)
      .sort(),
    sets: setsOf(simulation)
      .map(({ spec, status: is, metadata: { annotations = {} } }) => [
        annotations["deployment.kubernetes.io/revision"],
        spec?.replicas,
        is?.replicas,
        is?.availableReplicas ?? 0,
      ])
      .sort(),
    revision: metadata.annotations?.["deployment.kubernetes.io/revision"],
    counts,
    conditions: conditions.map(({ type, status: is, reason }) => `${type}=${is} ${reason ?? ""}`).sort(),
  };
}

async function update(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 2, maxUnavailable: 1 } };
  const template = slowTemplate({ app: "web" }, 1000, 500);
  const spec = { strategy, template, progressDeadlineSeconds: 600 };
  const { broken, held } = limits();
  let atLeast = 0;
  await watchPods(
    simulation,
    (live) => {
      if (live.length > 8) broken(`${live.length} pods where 8 are the most`);
      const ready = live.filter(isReady).length;
      if (ready < atLeast) broken(`${ready} available where 5 are the least`);
    },
    "replicasets",
    "deployments",
  );
  await cluster.client.create(RESOURCES.deployments, deployment("web", 6, spec));
  await simulation.pass(60_000 + random.next() * 60_000);
  for (let waits = 0; !isRolledOut(simulation, 6, "example") && waits < 100; waits++) await simulation.pass(10_000);
  assert.ok(isRolledOut(simulation, 6, "example"), "first rollout");
  atLeast = 5;
  for (const image of ["example:2", "example:3"]) {
    const body = { spec: { template: { spec: { containers: [{ name: "main", image }] } } } };
    await cluster.client.patch(RESOURCES.deployments, "default", "web", { type: "strategic", body });
    // A template that nobody saw makes no revision, here or there.
    while (!setsOf(simulation).some((each) => each.spec?.template?.spec?.containers[0]?.image === image))
      await simulation.pass(500);
    await simulation.pass(random.next() * 30_000);
  }
  await simulation.calm(
    "the last rollout",
    () =>
      isRolledOut(simulation, 6, "example:3") &&
      setsOf(simulation).every((each) => (each.status?.replicas ?? 0) === each.spec?.replicas),
  );
  held();
  return ending(simulation);
}
