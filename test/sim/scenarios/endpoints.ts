import { RESOURCES } from "../../../src/formats/kube-resources.ts";
import type { Simulation } from "../support/simulation.ts";
import { isLive, isReady, limits, podsOf, slowTemplate, watchPods, type Scenario } from "./scenario.ts";

/** A service's pods come and go: in the end its slices hold the ready ones, each once. */
export const endpoints: Scenario = {
  name: "the endpoints of a service",
  controllers: ["replicaset-controller", "endpointslice-controller", "endpoints-controller"],
  run: follow,
};

async function follow(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const { held } = limits();
  const labels = { app: "web" };
  await watchPods(simulation, () => undefined, "endpointslices", "endpoints");
  const slices = cluster.informers.informer(RESOURCES.endpointslices);
  const old = cluster.informers.informer(RESOURCES.endpoints);
  await cluster.client.create(RESOURCES.services, {
    metadata: { name: "web", namespace: "default" },
    spec: { selector: labels, ports: [{ port: 80 }] },
  });
  await cluster.client.create(RESOURCES.replicasets, {
    metadata: { name: "web", namespace: "default" },
    spec: { replicas: 4, selector: { matchLabels: labels }, template: slowTemplate(labels, 700, 300) },
  });
  for (let round = 0; round < 8; round++) {
    await simulation.pass(random.next() * 6000);
    const live = podsOf(simulation).filter(isLive);
    const victim = live[Math.floor(random.next() * live.length)]?.metadata.name;
    if (victim) await cluster.client.delete(RESOURCES.pods, "default", victim).catch(() => undefined);
  }
  const told = (): string[] =>
    Array.from(slices.cache.values())
      .filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === "web")
      .flatMap((slice) => slice.endpoints ?? [])
      .flatMap(({ addresses, conditions }) => (conditions?.ready ? addresses : ["not ready"]))
      .sort();
  const toldBefore = (): string[] =>
    (old.cache.get("default/web")?.subsets ?? [])
      .flatMap(({ addresses = [], notReadyAddresses = [] }) => [
        ...addresses.map(({ ip }) => ip),
        ...notReadyAddresses.map(() => "not ready"),
      ])
      .sort();
  await simulation.calm("the ready ones", () => {
    const pods = podsOf(simulation);
    if (pods.length !== 4 || !pods.every(isReady)) return false;
    const addresses = pods
      .map(({ status }) => status?.podIP ?? "")
      .sort()
      .join();
    return told().join() === addresses && toldBefore().join() === addresses;
  });
  held();
  return { endpoints: told().length };
}
