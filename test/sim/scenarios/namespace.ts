import { RESOURCES } from "../../../src/formats/kube-resources.ts";
import { deployment } from "../support/cluster.ts";
import type { Simulation } from "../support/simulation.ts";
import { limits, podsOf, slowTemplate, watchPods, type Scenario } from "./scenario.ts";

/** A namespace that is deleted with what works in it: nothing is left, and nothing is made anew for good. */
export const namespace: Scenario = {
  name: "a deleted namespace",
  controllers: [
    "deployment-controller",
    "replicaset-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "garbage-collector-controller",
  ],
  run: remove,
};

async function remove(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const { client } = cluster;
  const { held } = limits();
  await watchPods(simulation, () => undefined, "namespaces", "configmaps");
  const namespaces = cluster.informers.informer(RESOURCES.namespaces);
  await client.create(RESOURCES.namespaces, { metadata: { name: "shop" } });
  const template = slowTemplate({ app: "web" }, 300, 2000);
  const web = deployment("web", 3, { template });
  await client.create(RESOURCES.deployments, { ...web, metadata: { ...web.metadata, namespace: "shop" } });
  for (let index = 0; index < 3; index++)
    await client.create(RESOURCES.configmaps, { metadata: { name: `settings-${index}`, namespace: "shop" } });
  await simulation.pass(5000 + random.next() * 20_000);
  await client.delete(RESOURCES.namespaces, undefined, "shop");
  await simulation.pass(random.next() * 20_000);
  await simulation.calm("nothing is left", () => namespaces.cache.get("shop") === undefined);
  held();
  const resources = (await cluster.discovery.resources()).filter(
    ({ verbs, namespaced }) => namespaced && verbs.includes("delete"),
  );
  const left = await Promise.all(resources.map((each) => client.list(each, { namespace: "shop" })));
  // Events are told of what went, and end by themselves.
  const names = left.flatMap(({ items }) => items).filter(({ kind }) => kind !== "Event");
  return {
    left: names.map(({ kind, metadata }) => `${kind ?? ""} ${metadata.name ?? ""}`),
    pods: podsOf(simulation).length,
  };
}
