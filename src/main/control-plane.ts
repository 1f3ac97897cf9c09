import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { systemClock } from "#base/clock.ts";
import { GantryError } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { systemRandom } from "#base/random.ts";
import { clusterCertificates } from "#kube-api/certificates.ts";
import { SYSTEM_USER, type User } from "#kube-api/context.ts";
import { kubeconfigText } from "#kube-api/kubeconfig.ts";
import { localClient } from "#kube-api/local-client.ts";
import { requestSigner } from "#kube-api/request-signer.ts";
import { createApiServer, type ApiServer } from "#kube-api/server.ts";
import type { KubeClient } from "#kube-client/client.ts";
import { informerFactory, type InformerFactory } from "#kube-client/informer-factory.ts";
import { queueMetrics } from "#kube-client/queue-metrics.ts";
import { startControllers } from "#kube-control/controllers.ts";
import { startElectedControllers } from "#kube-control/elected-controllers.ts";
import { startScheduler } from "#kube-control/scheduler.ts";
import { openSqliteStore } from "#store/sqlite.ts";
import { saveSnapshot, storeFile } from "./snapshot.ts";

export interface ControlPlaneOptions {
  readonly dataDir: string;
  /** Where volumes of the class `local-path` lie. */
  readonly localVolumesDir: string;
  readonly serviceCidr: string;
  readonly nodePorts: { readonly low: number; readonly high: number };
  readonly clusterDomain: string;
  /** Names and addresses that the API server's certificate is good for, besides its own. */
  readonly names: readonly string[];
  readonly logger: Logger;
  /** Set when several servers share one store: their controllers run on the one that is elected. Unique among them. */
  readonly identity?: string;
}

/** API server, scheduler and controllers of one cluster, on a store on disk. */
export interface ControlPlane {
  readonly server: ApiServer;
  readonly client: KubeClient;
  readonly informers: InformerFactory;
  clientFor(user: User): KubeClient;
  /** Serves on an address; 0: any free port. Throws `conflict` when the port is taken. */
  listen(host: string, port: number): Promise<number>;
  /** The administrator's kubeconfig for the server at this URL. */
  kubeconfig(url: string): string;
  /** Starts scheduler and controllers; resolves when they work. */
  startControl(): Promise<void>;
  /** Writes the cluster's objects and keys to a file, while all goes on. */
  saveSnapshot(target: string): Promise<void>;
  close(): Promise<void>;
}

export async function openControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { dataDir, logger, clusterDomain } = options;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const opening = openSqliteStore(storeFile(dataDir), {
    onError: (error) => logger.error({ error: String(error) }, "store failed"),
  });
  const certificates = clusterCertificates({ directory: join(dataDir, "pki"), names: options.names, clusterDomain });
  const store = await opening;
  const server = createApiServer({
    store,
    logger,
    certificates,
    serviceCidr: options.serviceCidr,
    nodePorts: options.nodePorts,
    clusterDomain,
  });
  await server.start();
  const client: KubeClient = localClient(server, SYSTEM_USER);
  const parts = {
    client,
    discovery: { resources: () => Promise.resolve(server.resources.all()) },
    clock: systemClock,
    random: systemRandom,
    logger,
  };
  const informers = informerFactory(parts);
  let control: { stop(): Promise<void> }[] = [];
  return {
    server,
    client,
    informers,
    clientFor: (user) => localClient(server, user),
    listen: (host, port) => listen(server, host, port),
    kubeconfig: (url) =>
      kubeconfigText({
        server: url,
        caCert: certificates.caCert,
        credentials: certificates.client("kubernetes-admin", ["system:masters"]),
      }),
    saveSnapshot: (target) => saveSnapshot(store, dataDir, target),
    async startControl() {
      const metrics = queueMetrics(systemClock);
      server.addMetrics(metrics.text);
      const scheduler = startScheduler({ ...parts, informers });
      const setup = {
        ...parts,
        informers,
        rootCa: certificates.caCert,
        metrics,
        signer: requestSigner(() => certificates.authority),
        localVolumes: localVolumes(options.localVolumesDir),
      };
      const { identity } = options;
      const controllers =
        identity === undefined ? startControllers(setup) : startElectedControllers({ ...setup, identity });
      server.useScheduling(scheduler);
      control = [controllers, scheduler];
      await Promise.all([scheduler.started, "started" in controllers ? controllers.started : undefined]);
    },
    async close() {
      for (const part of control) await part.stop();
      informers.stop();
      await server.close();
      await store.close();
    },
  };
}

async function listen(server: ApiServer, host: string, port: number): Promise<number> {
  try {
    return (await server.listen({ host, port })).port;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE")
      throw new GantryError(
        "conflict",
        `port ${port} of ${host} is in use by another program: choose another with --api-port (0: any free one)`,
        {},
        error,
      );
    if (code === "EADDRNOTAVAIL")
      throw new GantryError(
        "invalid",
        `${host} is not an address of this machine: choose another with --api-address`,
        {},
        error,
      );
    throw error;
  }
}

/** Volumes on this machine's disk. Only what lies below their directory is ever removed. */
function localVolumes(directory: string): { directory: string; remove(nodeName: string, path: string): Promise<void> } {
  return {
    directory,
    async remove(_, path) {
      const target = resolve(path);
      if (!target.startsWith(`${directory}/`)) throw new GantryError("forbidden", `${path} is not below ${directory}`);
      await rm(target, { recursive: true, force: true });
    },
  };
}
