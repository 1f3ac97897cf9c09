import { systemClock, type Clock } from "#base/clock.ts";
import { silentLogger, type Logger } from "#base/logger.ts";
import { systemRandom, type Random } from "#base/random.ts";
import { SYSTEM_USER } from "#kube-api/context.ts";
import { kubeconfigText } from "#kube-api/kubeconfig.ts";
import { localClient } from "#kube-api/local-client.ts";
import { requestSigner } from "#kube-api/request-signer.ts";
import type { FaultRates } from "#kube-api/faults.ts";
import type { ApiServer } from "#kube-api/server.ts";
import type { KubeClient } from "#kube-client/client.ts";
import type { ResourceDiscovery } from "#kube-client/discovery.ts";
import { informerFactory, type InformerFactory } from "#kube-client/informer-factory.ts";
import { startControllers, type Controllers } from "#kube-control/controllers.ts";
import { startScheduler, type Scheduler } from "#kube-control/scheduler.ts";
import { startSimulatedNodes, type SimulatedNode, type SimulatedNodes } from "#kube-control/simulated-nodes.ts";
import { memoryStore } from "#store/memory.ts";
import { openSqliteStore } from "#store/sqlite.ts";
import type { Store } from "#store/store.ts";
import { restartableServer, type RestartableServer } from "./restartable-server.ts";

export interface ClusterOptions {
  /**
   * Where the cluster's objects are: in memory (the default), in a SQLite file, which the next cluster can go on with, or
   * in a store that stays the caller's to close.
   */
  readonly store?: "memory" | { readonly file: string } | Store;
  /** Simulated nodes: how many (`node-1`, ...), or which. Their pods run without containers. None by default. */
  readonly nodes?: number | readonly SimulatedNode[];
  /** Controllers as in kube-controller-manager's `--controllers`: names, `*`, `-name`. All by default; `[]` for none. */
  readonly controllers?: readonly string[];
  /** Whether pods are scheduled. True by default. */
  readonly scheduler?: boolean;
  /** Also serve HTTPS, on any free port of 127.0.0.1 or where it says: for clients outside this process. */
  readonly listen?: boolean | { readonly host?: string; readonly port?: number };
  /** Admission plugins as in `controllers`: names, `*`, `-name`. All by default; `[]` for none. */
  readonly admission?: readonly string[];
  /** Time stands still and is moved by the test with a `virtualClock()`; the machine's own by default. */
  readonly clock?: Clock;
  /** A seed's numbers (`seededRandom(1)`) make names, ports and faults come the same each time. */
  readonly random?: Random;
  /** What goes wrong, and how often: conflicts, lost requests, late and lost events, watches refused with 410, restarts. */
  readonly faults?: ClusterFaults;
  readonly logger?: Logger;
}

export interface ClusterFaults extends FaultRates {
  /** The API server restarts, on average so often. Never by default; `cluster.restart()` does it at will. */
  readonly restartsEveryMs?: number;
}

export interface Cluster {
  /** Speaks to the API with all rights, in this process: no sockets, no encoding. */
  readonly client: KubeClient;
  readonly discovery: ResourceDiscovery;
  /** Live copies of the API's objects, shared with the cluster's own components. */
  readonly informers: InformerFactory;
  /** The nodes of `nodes`: `setAlive(name, false)` makes one fall silent. */
  readonly nodes: SimulatedNodes | undefined;
  /** With `listen`: where the API is served, and the text of an administrator's kubeconfig for it. */
  readonly url: string | undefined;
  readonly kubeconfig: string | undefined;
  /** Of `faults`: how many of each happened so far, and whether they go on; a test ends in a calm in which all must come right. */
  readonly faults: { readonly happened: Readonly<Record<keyof FaultRates, number>>; set(on: boolean): void };
  /** The API server is another one of the same store: watches and connections end, and must be taken up again. */
  restart(): Promise<void>;
  /** Ends everything and forgets all of it. */
  close(): Promise<void>;
}

/** As long as it lasts, the process does not end: timers alone do not hold it. */
const FOREVER_MS = 2 ** 31 - 1;

/**
 * A Kubernetes cluster in this process: API server on a memory store, scheduler and controllers, and, if asked for, simulated nodes. No containers, no
 * files, and no sockets unless asked for; ready in some dozens of milliseconds. For tests of whatever talks to Kubernetes.
 *
 *     const cluster = await createCluster({ nodes: 3 });
 *     await cluster.client.create(RESOURCES.deployments, deployment);
 *     ...
 *     await cluster.close();
 */
export async function createCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { clock = systemClock, random = systemRandom, logger = silentLogger, faults = {} } = options;
  const { store, closeStore } = await openStore(options.store ?? "memory", clock);
  const running: Partial<Components> = {};
  const server = await restartableServer({
    store,
    clock,
    random,
    logger,
    rates: faults,
    ...(options.admission ? { admission: options.admission } : {}),
    prepare: (made) => plugIn(made, running),
  });
  const client: KubeClient = localClient(server.local, SYSTEM_USER);
  const discovery: ResourceDiscovery = { resources: () => Promise.resolve(server.local.resources.all()) };
  const parts = { client, discovery, clock, random, logger };
  const informers = informerFactory(parts);
  const signer = requestSigner(() => server.current.certificates.authority);
  // A cluster is whole before anything goes wrong with it.
  server.faults.setFaults(false);
  Object.assign(running, startComponents(options, { ...parts, informers, signer }));
  plugIn(server.current, running);
  const stopRestarts = restartsOf(server, clock, random, faults.restartsEveryMs);
  const keepAlive = setInterval(() => undefined, FOREVER_MS);
  const close = async (): Promise<void> => {
    stopRestarts();
    await running.controllers?.stop();
    await running.scheduler?.stop();
    await running.nodes?.stop();
    informers.stop();
    await server.close();
    await closeStore();
    clearInterval(keepAlive);
  };
  try {
    const served = await serve(server, options.listen ?? false);
    await Promise.all([running.scheduler?.started, running.controllers?.started, running.nodes?.started]);
    server.faults.setFaults(true);
    return {
      client,
      discovery,
      informers,
      nodes: running.nodes,
      close,
      restart: server.restart,
      ...served,
      faults: {
        set: (on) => server.faults.setFaults(on),
        get happened() {
          return server.faults.happened;
        },
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What a server asks of the components beside it. */
function plugIn(server: ApiServer, { nodes, scheduler }: Partial<Components>): void {
  if (nodes) server.useMetrics({ read: nodes.readUsage });
  if (scheduler) server.useScheduling(scheduler);
}

/** Restarts at random times; the result ends that. */
function restartsOf(server: RestartableServer, clock: Clock, random: Random, everyMs: number | undefined): () => void {
  let cancel: (() => void) | undefined;
  const arm = (): void => {
    if (everyMs === undefined) return;
    cancel = clock.after(everyMs * 2 * random.next(), () => {
      if (server.faults.isOn) void server.restart();
      arm();
    });
  };
  arm();
  return () => cancel?.();
}

async function openStore(
  where: NonNullable<ClusterOptions["store"]>,
  clock: Clock,
): Promise<{ store: Store; closeStore: () => Promise<void> }> {
  if (where !== "memory" && !("file" in where)) return { store: where, closeStore: async () => undefined };
  const store = where === "memory" ? memoryStore({ clock }) : await openSqliteStore(where.file, { clock });
  return { store, closeStore: () => store.close() };
}

async function serve(
  server: RestartableServer,
  where: NonNullable<ClusterOptions["listen"]>,
): Promise<Pick<Cluster, "url" | "kubeconfig">> {
  if (where === false) return { url: undefined, kubeconfig: undefined };
  const { host = "127.0.0.1", port = 0 } = where === true ? {} : where;
  const url = `https://${host}:${await server.listen(host, port)}`;
  const { caCert, client } = server.current.certificates;
  const credentials = client("kubernetes-admin", ["system:masters"]);
  return { url, kubeconfig: kubeconfigText({ server: url, caCert, credentials, name: "gantry-test" }) };
}

interface Components {
  readonly scheduler: Scheduler | undefined;
  readonly controllers: Controllers | undefined;
  readonly nodes: SimulatedNodes | undefined;
}

function startComponents(
  options: ClusterOptions,
  parts: Parameters<typeof startControllers>[0] & { readonly informers: InformerFactory },
): Components {
  const { nodes, scheduler = true, controllers = ["*"] } = options;
  return {
    scheduler: scheduler ? startScheduler(parts) : undefined,
    controllers: controllers.length > 0 ? startControllers({ ...parts, which: controllers }) : undefined,
    nodes: nodes === undefined ? undefined : startSimulatedNodes({ ...parts, nodes }),
  };
}
