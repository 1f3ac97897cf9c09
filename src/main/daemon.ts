import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { errorText, GantryError } from "#base/errors.ts";
import { uuid } from "#base/ids.ts";
import type { Logger } from "#base/logger.ts";
import { readStatus } from "#cli/control-client.ts";
import type { GantryStatus, RunningGantry, StopOptions, UpOptions } from "#cli/ports.ts";
import { createDockerApi, type DockerApi } from "#docker-api/docker-api.ts";
import { capabilityWarnings, cgroupCapabilities } from "#linux/cgroup-capabilities.ts";
import { ownNodeName, startCluster, type ClusterSide } from "./cluster-side.ts";
import { openContainerSide, type ContainerSide } from "./container-side.ts";
import { listenControl, type ControlServer } from "./control-server.ts";
import { offerDefaultSocket, withdrawDefaultSocket } from "./default-socket.ts";
import { createLogger } from "./logger.ts";
import { checkNodeName, parseLabels, parseTaints } from "./node-options.ts";
import { freeIndex, nodeRecords, type NodeRecords } from "./node-records.ts";
import { preflight } from "./preflight.ts";
import { chooseRanges } from "./ranges.ts";
import { listenerOf, registrySettings, storageDriver } from "./registry-settings.ts";
import { openRegistrySide, registryAddress } from "./registry-side.ts";
import { registryFolder } from "./serve-registry.ts";
import { usernsRemap } from "./userns-remap.ts";
import { gantryVersion } from "./version.ts";

/** Starts a whole Gantry from its parts. Resolves when both APIs answer and the node is Ready; what was started is ended again when a part fails. */
export async function startDaemon(options: UpOptions): Promise<RunningGantry> {
  const { places } = options;
  preflight(options);
  const running = await readStatus(places);
  if (running)
    throw new GantryError(
      "conflict",
      `Gantry already runs here (pid ${running.pid}): stop it with 'gantry down', or give another --root`,
    );
  const logger = createLogger(options.logLevel);
  guardProcess(logger);
  const started: Closer[] = [];
  try {
    return await start(options, logger, started);
  } catch (error) {
    await closeAll(started, logger);
    throw error;
  }
}

interface Closer {
  close(): Promise<void> | void;
}

async function start(options: UpOptions, logger: Logger, started: Closer[]): Promise<RunningGantry> {
  const { places } = options;
  const ranges = chooseRanges(options);
  const settings = registrySettings(options);
  const registry = openRegistrySide({
    stateDir: registryFolder(places),
    images: () => containers.images,
    address: registryAddress(options.registryListen),
    logger: logger.child({ component: "registry" }),
  });
  const records = wantedNodes(options);
  const containers: ContainerSide = await openContainerSide(places, {
    bip: ranges.bip,
    bridgeName: bridgeName(places.instance, "0"),
    logger,
    dns: options.dns,
    userNamespace: usernsRemap(options.usernsRemap),
    nodes: options.kubernetes ? records.all().map(({ name }) => name) : [],
    registries: { ...settings, local: registry.local },
    driver: storageDriver(options.storageDriver),
  });
  started.push(containers, registry);
  await registry.start();
  const docker = options.docker ? await serveDocker(options, containers, logger) : undefined;
  if (docker) started.push(docker.api);
  const cluster = options.kubernetes
    ? await startCluster({
        options,
        ranges,
        containers,
        bridgeName: bridgeName(places.instance, "1"),
        nodeBridge: bridgeName(places.instance, "2"),
        records,
        logger,
      })
    : undefined;
  if (cluster) started.push(cluster);
  const stopped = Promise.withResolvers<void>();
  const stop = stopper(places.dockerSocket, containers, cluster, started, logger, stopped.resolve);
  const base = baseStatus(docker, cluster, places.dockerSocket);
  const status = (): GantryStatus => ({
    ...base,
    containersRunning: countRunning(containers),
    residentBytes: process.memoryUsage.rss(),
  });
  const control: ControlServer = await listenControl(places.controlSocket, {
    status,
    stop,
    nodes: cluster?.nodes,
    async saveSnapshot(target) {
      if (!cluster) throw new GantryError("unavailable", "this Gantry runs without Kubernetes: there is no cluster");
      await cluster.saveSnapshot(target);
    },
    async serveRegistry(serving) {
      const { where, rules } = await listenerOf(serving);
      return registry.listen(where, rules);
    },
  });
  started.push(control);
  return { status: status(), stop, stopped: stopped.promise };
}

/** The nodes that are written down, and as many more as `--nodes` asks for: the second is `<name>-2`. */
function wantedNodes(options: UpOptions): NodeRecords {
  const records = nodeRecords(options.places.dataDir);
  const labels = parseLabels(options.nodeLabels ?? "");
  const taints = parseTaints(options.nodeTaints ?? "");
  const own = ownNodeName(options);
  while (records.all().length + 1 < (options.nodes ?? 1)) {
    const index = freeIndex(records.all());
    const name = `${own}-${index}`;
    checkNodeName(name);
    records.put({ name, index, labels, taints, wish: "running" });
  }
  return records;
}

/** Bridges are named gantry0 (Docker's default), gantry1 (pods) and gantry2 (further nodes); another root's carry its tag. */
function bridgeName(instance: string, number: string): string {
  return instance === "" ? `gantry${number}` : `g${number}-${instance}`;
}

interface Docker {
  readonly api: DockerApi;
  readonly defaultSocket: string | undefined;
}

async function serveDocker(
  options: UpOptions,
  { engine, images, networks }: ContainerSide,
  logger: Logger,
): Promise<Docker> {
  const { places } = options;
  const capabilities = cgroupCapabilities();
  const api = await createDockerApi({
    engine,
    images,
    networks,
    limits: capabilities,
    limitWarnings: capabilityWarnings(capabilities),
    clock: systemClock,
    logger: logger.child({ component: "docker-api" }),
    version: gantryVersion(),
    dataRoot: places.dataDir,
    runRoot: places.runDir,
    registries: registrySettings(options),
    daemonId: daemonId(places.dataDir),
  });
  await api.listen(places.dockerSocket);
  // Only the machine's own Gantry takes the default place; another root is asked for by name.
  return { api, defaultSocket: places.instance === "" ? await offerDefaultSocket(places.dockerSocket) : undefined };
}

/** An id of this installation, made once. */
function daemonId(dataDir: string): string {
  const path = join(dataDir, "id");
  if (existsSync(path)) return readFileSync(path, "utf8").trim();
  mkdirSync(dataDir, { recursive: true, mode: 0o710 });
  const id = uuid();
  writeFileSync(path, `${id}\n`, { mode: 0o600 });
  return id;
}

function baseStatus(
  docker: Docker | undefined,
  cluster: ClusterSide | undefined,
  dockerSocket: string,
): Omit<GantryStatus, "containersRunning" | "residentBytes"> {
  return {
    pid: process.pid,
    version: gantryVersion(),
    startedAt: Date.now(),
    startupMs: Math.round(process.uptime() * 1000),
    ...(docker ? { dockerSocket } : {}),
    ...(docker?.defaultSocket === undefined ? {} : { defaultDockerSocket: docker.defaultSocket }),
    ...(cluster ? { apiServer: cluster.url, kubeconfig: cluster.kubeconfig, nodeName: cluster.nodeName } : {}),
    ...(cluster?.context === undefined ? {} : { context: cluster.context }),
  };
}

function countRunning({ engine }: ContainerSide): number {
  return engine.list().filter(({ state }) => state.status === "running" || state.status === "paused").length;
}

function stopper(
  dockerSocket: string,
  containers: ContainerSide,
  cluster: ClusterSide | undefined,
  started: Closer[],
  logger: Logger,
  stopped: () => void,
): RunningGantry["stop"] {
  let stopping: Promise<void> | undefined;
  const stop = async ({ containers: withContainers, timeoutSeconds }: StopOptions): Promise<void> => {
    withdrawDefaultSocket(dockerSocket);
    if (withContainers) await cluster?.shutDownNodes();
    // The kubelet first: it must not start again what is being stopped.
    cluster?.closeNode({ services: !withContainers });
    if (withContainers) {
      await containers.engine.stopAll(timeoutSeconds);
      await cluster?.dismantle();
    }
    await closeAll(started, logger);
    stopped();
  };
  return (options) => (stopping ??= stop(options));
}

/** Last started, first closed. One that fails does not keep the others. */
async function closeAll(started: Closer[], logger: Logger): Promise<void> {
  for (const part of started.toReversed()) {
    try {
      await part.close();
    } catch (error) {
      logger.error({ error: errorText(error) }, "not closed cleanly");
    }
  }
  started.length = 0;
}

/** A fault in one request or controller is written down and does not end the daemon; containers do not depend on it either way. */
function guardProcess(logger: Logger): void {
  const report = (kind: string) => (error: unknown) =>
    logger.error({ error: error instanceof Error ? error.stack : String(error) }, kind);
  process.on("uncaughtException", report("uncaught exception"));
  process.on("unhandledRejection", report("unhandled rejection"));
}
