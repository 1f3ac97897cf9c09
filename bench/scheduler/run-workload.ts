// One workload in a process of its own: node run-workload.ts NAME [NODES]. Writes a line of JSON.
import { systemClock } from "#base/clock.ts";
import { silentLogger } from "#base/logger.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { startScheduler } from "#kube-control/scheduler.ts";
import { createCluster, type Cluster } from "#main/create-cluster.ts";
import { nodeOf, podOf, volumeOf } from "./templates.ts";
import { WORKLOADS, type Step, type Workload } from "./workloads.ts";

export interface WorkloadResult {
  readonly podsPerSecond: number;
  /** Milliseconds of each measured decision, sorted. */
  readonly decisionMs: { readonly median: number; readonly p99: number; readonly max: number };
  /** Measured pods a second, were decisions all there is. */
  readonly decisionsPerSecond: number;
  /** Measured pods for each second of this process's processor time: on a busy machine the wall clock tells of the others. */
  readonly podsPerCpuSecond: number;
  readonly residentMiB: number;
}

const CSI_DRIVER = "ebs.csi.aws.com";
/** Requests under way at a time when objects are made. */
const PARALLEL = 64;

async function run(workload: Workload, nodeCount: number): Promise<WorkloadResult> {
  const cluster = await createCluster({ scheduler: false, controllers: [] });
  const decisions: number[] = [];
  const { client, informers } = cluster;
  const scheduler = startScheduler({
    client,
    informers,
    clock: systemClock,
    logger: silentLogger,
    observe: ({ durationMs }) => decisions.push(durationMs),
  });
  await scheduler.started;
  await client.create(RESOURCES.priorityclasses, {
    apiVersion: "scheduling.k8s.io/v1",
    kind: "PriorityClass",
    metadata: { name: "high" },
    value: 10,
  });
  const bench = benchOf(cluster);
  let result: WorkloadResult | undefined;
  for (const [index, step] of workload.steps(nodeCount).entries()) {
    if (step.op !== "pods" || !step.measure) {
      await bench.run(step, index);
      continue;
    }
    const prepared = await bench.prepare(step, index);
    decisions.length = 0;
    const started = performance.now();
    const cpu = process.cpuUsage();
    await bench.create(prepared, false);
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    result = summary(step.count / seconds, decisions.slice(), step.count, (user + system) / 1e6);
  }
  bench.stop();
  await scheduler.stop();
  if (!result) throw new Error(`${workload.name}: measures nothing`);
  return result;
}

function summary(
  podsPerSecond: number,
  decisions: readonly number[],
  pods: number,
  cpuSeconds: number,
): WorkloadResult {
  const sorted = decisions.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const total = sorted.reduce((sum, each) => sum + each, 0);
  return {
    podsPerSecond,
    decisionMs: { median: at(0.5), p99: at(0.99), max: at(1) },
    decisionsPerSecond: (pods * 1000) / total,
    podsPerCpuSecond: pods / cpuSeconds,
    residentMiB: process.memoryUsage.rss() / 1024 / 1024,
  };
}

function benchOf({ client, informers }: Cluster) {
  const bound = new Set<string>();
  let wanted = 0;
  let reached = (): void => undefined;
  const watched = new Set<string>();
  const see = (pod: Pod): void => {
    const name = pod.metadata.name ?? "";
    if (!pod.spec?.nodeName || bound.has(name)) return;
    bound.add(name);
    if (watched.delete(name) && --wanted === 0) reached();
  };
  informers.informer(RESOURCES.pods).addHandler({ add: see, update: (_, pod) => see(pod) });
  const stops: (() => void)[] = [];

  const create = async (pods: readonly Pod[], skipWait: boolean): Promise<void> => {
    const done = new Promise<void>((resolve) => (reached = resolve));
    if (!skipWait) {
      for (const { metadata } of pods) watched.add(metadata.name ?? "");
      wanted = pods.length;
    }
    await inParallel(pods, (pod) => client.create(RESOURCES.pods, pod));
    if (!skipWait && pods.length > 0) await done;
  };
  const prepare = async (step: Extract<Step, { op: "pods" }>, index: number): Promise<Pod[]> => {
    const namespace = step.namespace ?? "default";
    const names = Array.from({ length: step.count }, (_, number) => `p${index}-${number}`);
    if (step.volumes) {
      await inParallel(names, async (name) => {
        const { volume, claim } = volumeOf(name, namespace);
        await client.create(RESOURCES.persistentvolumes, volume);
        const made = await client.create(RESOURCES.persistentvolumeclaims, claim);
        await client.update(RESOURCES.persistentvolumeclaims, { ...made, status: claim.status }, "status");
      });
    }
    return names.map((name) => podOf(step.template, name, namespace, step.volumes ? `pvc-${name}` : undefined));
  };
  const every = (ms: number, action: () => Promise<unknown>): void => {
    const timer = setInterval(() => void action().catch(() => undefined), ms);
    stops.push(() => clearInterval(timer));
  };
  return {
    create,
    prepare,
    stop: () => stops.forEach((stop) => stop()),
    async run(step: Step, index: number): Promise<void> {
      if (step.op === "nodes") await createNodes(client, step, index);
      else if (step.op === "namespaces") await createNamespaces(client, step);
      else if (step.op === "pods") await create(await prepare(step, index), step.skipWait ?? false);
      else if (step.op === "churn") every(step.intervalMs, churner(client, step));
      else every(1000 / step.perSecond, deleter(informers, client, step.namespace));
    },
  };
}

type Client = Cluster["client"];

async function createNodes(client: Client, step: Extract<Step, { op: "nodes" }>, index: number): Promise<void> {
  const numbers = Array.from({ length: step.count }, (_, number) => number);
  await inParallel(numbers, async (number) => {
    const name = step.named ?? `node-${index}-${number}`;
    const zone = step.zones?.[number % step.zones.length];
    await client.create(RESOURCES.nodes, nodeOf(name, zone ? { "topology.kubernetes.io/zone": zone } : {}));
    const driver = { name: CSI_DRIVER, nodeID: name, allocatable: { count: 39 } };
    await client.create(RESOURCES.csinodes, {
      apiVersion: "storage.k8s.io/v1",
      kind: "CSINode",
      metadata: { name },
      spec: { drivers: [driver] },
    });
  });
}

async function createNamespaces(client: Client, step: Extract<Step, { op: "namespaces" }>): Promise<void> {
  for (let number = 0; number < step.count; number++) {
    const metadata = { name: `${step.prefix}-${number}`, ...(step.team && { labels: { team: step.team } }) };
    await client.create(RESOURCES.namespaces, { apiVersion: "v1", kind: "Namespace", metadata });
  }
}

function churner(client: Client, step: Extract<Step, { op: "churn" }>): () => Promise<void> {
  let round = 0;
  return async () => {
    const number = round++;
    for (const kind of step.what) {
      const name = `churn-${kind.toLowerCase()}-${number}`;
      const before = `churn-${kind.toLowerCase()}-${number - 1}`;
      const recreated = step.mode === "recreate" && number > 0;
      if (kind === "node") {
        if (recreated) await client.delete(RESOURCES.nodes, undefined, before);
        await client.create(RESOURCES.nodes, nodeOf(name, {}));
      } else if (kind === "service") {
        if (recreated) await client.delete(RESOURCES.services, "default", before);
        const spec = { selector: { app: "foo" }, ports: [{ protocol: "TCP", port: 8080, targetPort: 8080 }] };
        const metadata = { name, namespace: "default" };
        await client.create(RESOURCES.services, { apiVersion: "v1", kind: "Service", metadata, spec });
      } else {
        const deletion = { gracePeriodSeconds: 0 };
        if (recreated) await client.delete(RESOURCES.pods, "default", before, deletion);
        await client.create(RESOURCES.pods, podOf(kind, name, "default"));
      }
    }
  };
}

function deleter(informers: Cluster["informers"], client: Client, namespace: string): () => Promise<void> {
  const left = informers.informer(RESOURCES.pods).cache.inNamespace(namespace).slice();
  return async () => {
    const pod = left.pop();
    if (pod) await client.delete(RESOURCES.pods, namespace, pod.metadata.name ?? "", { gracePeriodSeconds: 0 });
  };
}

async function inParallel<T>(items: readonly T[], action: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await action(item);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

const [name = "", nodes] = process.argv.slice(2);
const workload = WORKLOADS.find((each) => each.name === name);
if (!workload) throw new Error(`no workload ${name}: one of ${WORKLOADS.map((each) => each.name).join(", ")}`);
console.log(JSON.stringify(await run(workload, nodes ? Number(nodes) : (workload.nodes ?? 5000))));
process.exit(0);
