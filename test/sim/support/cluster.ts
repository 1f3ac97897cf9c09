// A cluster for one test, and waiting for what it should come to, by events.
import type { TestContext } from "node:test";
import type { KubeObject, Typed } from "../../../src/formats/kube-object.ts";
import { RESOURCES } from "../../../src/formats/kube-resources.ts";
import type { Deployment, Event, Pod, PodSpec } from "../../../src/formats/kube-types.generated.ts";
import { createCluster, type Cluster, type ClusterOptions } from "../../../src/main/create-cluster.ts";

/** A cluster that ends with the test. */
export async function clusterFor(t: TestContext, options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await createCluster(options);
  t.after(() => cluster.close());
  return cluster;
}

/** Waits until `check` holds for the objects of a resource; looks after every change of one of them. */
export async function until<T extends KubeObject>(
  cluster: Cluster,
  resource: Typed<T>,
  what: string,
  check: (objects: readonly T[]) => boolean,
  timeoutMs = 10_000,
): Promise<readonly T[]> {
  const informer = cluster.informers.informer(resource);
  await informer.whenSynced();
  const objects = (): readonly T[] => Array.from(informer.cache.values());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = (): void => {
    if (check(objects())) resolve();
  };
  const timer = setTimeout(() => {
    reject(new Error(`waited ${timeoutMs} ms for ${what}; there are ${JSON.stringify(objects().map(brief), null, 1)}`));
  }, timeoutMs);
  const off = informer.addHandler({ add: look, update: look, delete: look });
  look();
  try {
    await promise;
    return objects();
  } finally {
    clearTimeout(timer);
    off();
  }
}

function brief(object: KubeObject): object {
  const { namespace, name, deletionTimestamp, finalizers } = object.metadata;
  return { namespace, name, deletionTimestamp, finalizers, status: (object as { status?: unknown }).status };
}

/** Waits for an event by reason about an object; returns the events of that reason. */
export async function untilEvent(cluster: Cluster, name: string, reason: string): Promise<readonly Event[]> {
  const matches = (event: Event): boolean => event.involvedObject.name === name && event.reason === reason;
  const events = await until(cluster, RESOURCES.events, `event ${reason} of ${name}`, (all) => all.some(matches));
  return events.filter(matches);
}

export function podSpec(spec: Partial<PodSpec> = {}): PodSpec {
  return { containers: [{ name: "main", image: "example" }], ...spec };
}

export function pod(name: string, spec: Partial<PodSpec> = {}, metadata: Partial<KubeObject["metadata"]> = {}): Pod {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "default", ...metadata }, spec: podSpec(spec) };
}

/** A deployment of pods labelled `app=<name>`. */
export function deployment(name: string, replicas: number, spec: Partial<Deployment["spec"]> = {}): Deployment {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default", labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podSpec() },
      ...spec,
    },
  };
}

export function requests(cpu: string, memory?: string): Partial<PodSpec> {
  const resources = { requests: { cpu, ...(memory && { memory }) } };
  return { containers: [{ name: "main", image: "example", resources }] };
}
