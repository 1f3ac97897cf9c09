// The controllers on simulated nodes, with the API server in the same process and on a memory store.
import type { KubeObject, Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Deployment, Pod, PodTemplateSpec } from "#formats/kube-types.generated.ts";
import { createCluster, type Cluster } from "#main/create-cluster.ts";
import type { Case, Measurement } from "../measure.ts";

export const cases: readonly Case[] = [
  { name: "controllers: a deployment of 1,000 replicas", run: bigDeployment },
  { name: "controllers: garbage collection of 10,000 dependants", run: bigCollection },
  { name: "controllers: a deleted pod's replacement", run: replacements },
  { name: "controllers: a daemon set on 2,000 nodes", run: bigDaemonSet },
];

const LIMIT_MS = 120_000;

/** Resolves with the milliseconds until `done` holds; looks after each change of the resource. */
function until<T extends KubeObject>(
  cluster: Cluster,
  resource: Typed<T>,
  done: () => boolean,
  started = performance.now(),
): Promise<number> {
  const informer = cluster.informers.informer(resource);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const timer = setTimeout(() => reject(new Error(`not there after ${LIMIT_MS} ms`)), LIMIT_MS);
  const look = (): void => {
    if (done()) resolve(performance.now() - started);
  };
  const off = informer.addHandler({ add: look, update: look, delete: look });
  return promise.finally(() => {
    clearTimeout(timer);
    off();
  });
}

async function withCluster<R>(nodes: number, run: (cluster: Cluster) => Promise<R>): Promise<R> {
  const cluster = await createCluster({ nodes });
  try {
    return await run(cluster);
  } finally {
    await cluster.close();
  }
}

const labels = { app: "web" };

function template(image: string): PodTemplateSpec {
  return { metadata: { labels }, spec: { containers: [{ name: "web", image }] } };
}

function deployment(replicas: number): Deployment {
  const spec = { replicas, selector: { matchLabels: labels }, template: template("example:1") };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", namespace: "default" }, spec };
}

async function bigDeployment(): Promise<Measurement[]> {
  const created: number[] = [];
  const ready: number[] = [];
  const rolled: number[] = [];
  for (let round = 0; round < 3; round++) {
    await withCluster(20, async (cluster) => {
      const pods = cluster.informers.informer(RESOURCES.pods);
      const deployments = cluster.informers.informer(RESOURCES.deployments);
      await Promise.all([pods.whenSynced(), deployments.whenSynced()]);
      let bound = 0;
      pods.addHandler({
        update: (before: Pod, after: Pod) => void (!before.spec?.nodeName && after.spec?.nodeName && bound++),
      });
      const status = () => deployments.cache.get("default/web")?.status;
      const started = performance.now();
      const allBound = until(cluster, RESOURCES.pods, () => bound >= 1000, started);
      const allReady = until(cluster, RESOURCES.deployments, () => status()?.availableReplicas === 1000, started);
      await cluster.client.create(RESOURCES.deployments, deployment(1000));
      created.push(await allBound);
      ready.push(await allReady);
      let generation = Infinity;
      const isRolled = (): boolean => {
        const now = status();
        if ((now?.observedGeneration ?? 0) < generation) return false;
        return now?.updatedReplicas === 1000 && now.replicas === 1000 && now.availableReplicas === 1000;
      };
      const body = { spec: { template: template("example:2") } };
      const update = performance.now();
      const patch = { type: "strategic", body } as const;
      const patched = await cluster.client.patch(RESOURCES.deployments, "default", "web", patch);
      generation = patched.metadata.generation ?? 0;
      rolled.push(await until(cluster, RESOURCES.deployments, isRolled, update));
    });
  }
  return [
    { name: "all pods created and bound", unit: "ms", values: created, goal: "3000 ms" },
    { name: "all pods available", unit: "ms", values: ready },
    { name: "rolling update of all, ready at once", unit: "ms", values: rolled, goal: "10000 ms" },
  ];
}

async function bigCollection(): Promise<Measurement[]> {
  const values: number[] = [];
  for (let round = 0; round < 3; round++) {
    await withCluster(1, async (cluster) => {
      const { client } = cluster;
      const maps = cluster.informers.informer(RESOURCES.configmaps);
      await maps.whenSynced();
      const namespace = "default";
      const owner = await client.create(RESOURCES.configmaps, { metadata: { name: "owner", namespace } });
      const reference = { apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: owner.metadata.uid ?? "" };
      let left = 0;
      maps.addHandler({
        add: ({ metadata }) => void (metadata.ownerReferences && left++),
        delete: ({ metadata }) => void (metadata.ownerReferences && left--),
      });
      for (let batch = 0; batch < 20; batch++) {
        const names = Array.from({ length: 500 }, (_, index) => `dependant-${batch}-${index}`);
        const make = (name: string) =>
          client.create(RESOURCES.configmaps, { metadata: { name, namespace, ownerReferences: [reference] } });
        await Promise.all(names.map(make));
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
      const started = performance.now();
      const gone = until(cluster, RESOURCES.configmaps, () => left === 0, started);
      await client.delete(RESOURCES.configmaps, namespace, "owner");
      values.push(await gone);
    });
  }
  return [{ name: "all gone", unit: "ms", values, goal: "5000 ms" }];
}

async function replacements(): Promise<Measurement[]> {
  const values: number[] = [];
  await withCluster(4, async (cluster) => {
    const { client } = cluster;
    const pods = cluster.informers.informer(RESOURCES.pods);
    await pods.whenSynced();
    await client.create(RESOURCES.deployments, deployment(100));
    const isRunning = ({ status }: Pod): boolean => status?.phase === "Running";
    const running = (): boolean => {
      const all = Array.from(pods.cache.values());
      return all.length === 100 && all.every(isRunning);
    };
    await until(cluster, RESOURCES.pods, running);
    for (let round = 0; round < 50; round++) {
      const known = new Set(Array.from(pods.cache.values(), ({ metadata }) => metadata.uid));
      const [victim] = pods.cache.values();
      const { promise, resolve } = Promise.withResolvers<number>();
      const started = performance.now();
      const off = pods.addHandler({
        add: ({ metadata }: Pod) => void (known.has(metadata.uid) || resolve(performance.now() - started)),
      });
      const settled = until(cluster, RESOURCES.pods, running, started);
      await client.delete(RESOURCES.pods, "default", victim?.metadata.name ?? "");
      values.push(await promise);
      off();
      await settled;
    }
  });
  return [{ name: "pod delete to replacement created", unit: "ms", values, goal: "20 ms" }];
}

async function bigDaemonSet(): Promise<Measurement[]> {
  const values = await withCluster(2000, async (cluster) => {
    const sets = cluster.informers.informer(RESOURCES.daemonsets);
    await sets.whenSynced();
    const spec = { selector: { matchLabels: labels }, template: template("example:1") };
    const status = () => sets.cache.get("default/agent")?.status;
    const started = performance.now();
    const ready = until(cluster, RESOURCES.daemonsets, () => status()?.numberReady === 2000, started);
    const metadata = { name: "agent", namespace: "default" };
    await cluster.client.create(RESOURCES.daemonsets, { apiVersion: "apps/v1", kind: "DaemonSet", metadata, spec });
    return [await ready];
  });
  return [{ name: "a ready pod on every node", unit: "ms", values }];
}
