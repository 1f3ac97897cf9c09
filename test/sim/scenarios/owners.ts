import { RESOURCES } from "../../../src/formats/kube-resources.ts";
import type { ConfigMap } from "../../../src/formats/kube-types.generated.ts";
import type { Simulation } from "../support/simulation.ts";
import { limits, type Scenario } from "./scenario.ts";

/** Owners are deleted in each of the three ways: no dependant outlives its owner, orphans do, and a foreground owner goes last. */
export const owners: Scenario = {
  name: "owners and dependants",
  controllers: ["garbage-collector-controller"],
  nodes: 1,
  run: collect,
};

const namespace = "default";

async function collect(simulation: Simulation): Promise<object> {
  const { cluster, random } = simulation;
  const { client } = cluster;
  const { broken, held } = limits();
  const maps = cluster.informers.informer(RESOURCES.configmaps);
  await maps.whenSynced();
  const own = (): ConfigMap[] =>
    Array.from(maps.cache.values()).filter(({ metadata }) => metadata.namespace === namespace);
  const make = (name: string, owner?: ConfigMap): Promise<ConfigMap> => {
    const { uid = "", name: of = "" } = owner?.metadata ?? {};
    const reference = { apiVersion: "v1", kind: "ConfigMap", name: of, uid, blockOwnerDeletion: true };
    return client.create(RESOURCES.configmaps, {
      metadata: { name, namespace, ...(owner ? { ownerReferences: [reference] } : {}) },
    });
  };
  for (const way of ["foreground", "background", "orphan"]) {
    const top = await make(way);
    for (let index = 0; index < 3; index++) {
      const middle = await make(`${way}-${index}`, top);
      for (let leaf = 0; leaf < 2; leaf++) await make(`${way}-${index}-${leaf}`, middle);
    }
  }
  maps.addHandler({
    delete({ metadata: { name = "" } }) {
      if (name !== "foreground") return;
      const left = own().filter(({ metadata }) => metadata.name?.startsWith("foreground-"));
      if (left.length > 0) broken(`${left.length} dependants outlived an owner that waits for them`);
    },
  });
  await simulation.pass(random.next() * 10_000);
  for (const propagationPolicy of ["Foreground", "Background", "Orphan"] as const) {
    await client.delete(RESOURCES.configmaps, namespace, propagationPolicy.toLowerCase(), { propagationPolicy });
    await simulation.pass(random.next() * 5000);
  }
  const orphans = (): ConfigMap[] => own().filter(({ metadata }) => metadata.name?.startsWith("orphan"));
  await simulation.calm("orphans only", () => {
    const left = own().filter(({ metadata }) => metadata.name !== "kube-root-ca.crt");
    return left.length === 9 && left.length === orphans().length;
  });
  held();
  return orphans().map(({ metadata }) => [metadata.name, metadata.ownerReferences?.length ?? 0]);
}
