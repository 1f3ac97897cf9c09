import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { errorText } from "#base/errors.ts";
import type { Logger } from "#base/logger.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { ConfigMap, Pod, Secret } from "#formats/kube-types.generated.ts";
import { informer, type Informer } from "#kube-client/informer.ts";
import { startImageGc, type ImageGc } from "./eviction/image-gc.ts";
import type { Pressure } from "./eviction-thresholds.ts";
import { watchNodePressure } from "./node-pressure.ts";
import { watchLocalStorage } from "./local-storage.ts";
import { mirrorPods, type MirrorPods } from "./mirror-pods.ts";
import { startNodeAgent } from "./node-agent.ts";
import { nodeEngine } from "./node-engine.ts";
import { containerIndex } from "./pods/container-index.ts";
import { ANNOTATION, podUidOf } from "./pods/labels.ts";
import { podWorkers, refreshUsers, type PodWorkers } from "./pods/pod-workers.ts";
import type { HostPort, NodeConfig, NodeDeps } from "./ports.ts";
import { nodeAccessControl } from "./server/access.ts";
import { listenKubelet, type KubeletServer, type ServerTls, type StreamUpgrades } from "./server/kubelet-server.ts";
import { kubeletRoutes, type RouteDeps } from "./server/routes.ts";
import { streamTarget } from "./server/stream-routes.ts";
import { usageReader, type UsageReader } from "./server/usage.ts";
import { followManifests } from "./static-pods.ts";
import { shutDownPods } from "./shutdown.ts";
import { userRanges } from "./user-ranges.ts";
import { nodeStreams, type NodeStreams } from "./streams/node-streams.ts";
import { podDirectories, removePodVolumes, unmountPodVolumes } from "./volumes/pod-volumes.ts";

/** A node's kubelet. */
export interface Kubelet {
  readonly streams: NodeStreams;
  /** What its pods and the node itself use, read when asked. */
  readonly usage: UsageReader;
  /** The number of pods that have something on this node. */
  readonly podCount: number;
  /** Tells the API how the node stands now: what it has was changed. */
  report(): void;
  /** Ends its pods in good order, as its configuration says (`shutdown`), and takes no more. Before `close`. */
  shutDown(): Promise<void>;
  /** Stops working; pods run on and are taken up again by the next start. */
  close(): void;
  /** After `close`, when nothing of the pods runs any more: their mounts leave the host. */
  unmountVolumes(): Promise<void>;
}

export interface KubeletDeps extends Omit<NodeDeps, "pressures" | "pulled" | "stage" | "usersOf"> {
  /** Every capability that the kernel knows, CAP_ names. */
  readonly allCapabilities: readonly string[];
  /** What the node's HTTPS API proves itself with. */
  readonly tls: ServerTls;
  /** The protocols of exec, attach and port-forward. */
  readonly streamUpgrades: StreamUpgrades;
}

/** Registers the node, then runs the pods that are bound to it. Resolves when the node is Ready and its pods are known. */
export async function startKubelet(parts: KubeletDeps): Promise<Kubelet> {
  const { config } = parts;
  const imageGc = startImageGc({ ...parts, dataDir: config.dataDir });
  const given = {
    ...parts,
    engine: nodeEngine(parts.engine, config.isFurther ? config.name : undefined),
    pressures: new Set<Pressure>(),
    stage: { isShuttingDown: false },
    pulled: imageGc.pulled,
    usersOf: userRanges(parts.engine),
  };
  // Before the workers, whose own listeners look into it.
  const index = containerIndex(given.engine);
  const streams = nodeStreams(given, index.of);
  const usage = usageReader(given.engine, given.clock, {
    isFurther: config.isFurther === true,
    memoryBytes: () => given.host.capacity().memoryBytes,
  });
  const known: { config: NodeConfig; pods: () => readonly Pod[] } = { config: given.config, pods: () => [] };
  const server = await serveNode(given, { streams, usage, config: () => known.config, pods: () => known.pods() });
  try {
    // The Node tells the API's port, so it listens first.
    const deps = { ...given, config: { ...given.config, kubeletPort: server.port } };
    const workers = podWorkers({ ...deps, containersOf: index.of });
    known.config = deps.config;
    known.pods = workers.pods;
    const { report, stop } = await runPods(deps, workers, { usage, imageGc });
    return {
      report,
      streams,
      usage,
      get podCount() {
        return workers.size;
      },
      async shutDown() {
        const { shutdown } = deps.config;
        if (shutdown.totalMs === 0) return;
        deps.stage.isShuttingDown = true;
        report();
        await shutDownPods({ workers, events: deps.events, clock: deps.clock }, shutdown);
      },
      close() {
        server.close();
        stop();
        imageGc.close();
        workers.close();
        index.close();
      },
      unmountVolumes: () => unmountPodVolumes(podsDirectoryOf(deps), deps.host),
    };
  } catch (error) {
    imageGc.close();
    server.close();
    index.close();
    throw error;
  }
}

/** Follows the pods of this node and what they show; what is left of pods that are no more is removed. */
async function runPods(
  deps: NodeDeps,
  workers: PodWorkers,
  parts: { readonly usage: UsageReader; readonly imageGc: ImageGc },
): Promise<{ report(): void; stop(): void }> {
  const { clock, config, images, informers, logger } = deps;
  await mkdir(podsDirectoryOf(deps), { recursive: true, mode: 0o710 });
  followConfiguration(deps, workers);
  const agent = await startNodeAgent(deps);
  const stopFollowingImages = images.events.on(({ action }) => {
    if (action !== "push" && action !== "save") agent.report();
  });
  const storage = watchLocalStorage(deps, workers);
  const pressure = watchNodePressure(deps, { ...parts, workers, report: () => agent.report() });
  const mirrors = mirrorPods(deps, workers);
  const pods = followPods(deps, workers, mirrors);
  const { manifestFolder } = config;
  const manifests =
    manifestFolder === undefined
      ? undefined
      : await followManifests(manifestFolder, { nodeName: config.name, logger, now: clock.now, onPods: mirrors.set });
  await Promise.all([pods.whenSynced(), informers.whenSynced()]);
  await removeOrphans(deps, podsDirectoryOf(deps), workers.uids());
  return {
    report: () => agent.report(),
    stop() {
      stopFollowingImages();
      storage.close();
      pressure.close();
      manifests?.close();
      pods.stop();
      agent.close();
    },
  };
}

function podsDirectoryOf({ config }: Pick<NodeDeps, "config">): string {
  return join(config.dataDir, "pods");
}

function serveNode(
  { client, clock, config, host, logger, tls, streamUpgrades }: KubeletDeps,
  routes: Omit<RouteDeps, "startedAt">,
): Promise<KubeletServer> {
  return listenKubelet({
    listen: () => openPort(host, config, logger),
    tls,
    access: nodeAccessControl({ client, clock, nodeName: config.name }),
    routes: kubeletRoutes({ ...routes, startedAt: clock.now() }),
    streaming: { upgrades: streamUpgrades, targets: (url) => streamTarget(routes, url) },
    logger,
  });
}

/** Another kubelet may have the known port; the Node tells everyone which one it is instead. */
function openPort(host: HostPort, { ips: [ip], kubeletPort }: NodeConfig, logger: Logger): number {
  try {
    return host.listen(ip, kubeletPort).fd;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    logger.warn({ port: kubeletPort }, "the kubelet's port is in use: it listens on another");
    return host.listen(ip, 0).fd;
  }
}

/** ConfigMaps and secrets that pods show as files; services that they see as variables. */
function followConfiguration({ informers }: NodeDeps, workers: PodWorkers): void {
  const refresh = (object: ConfigMap | Secret): void => refreshUsers(workers, object);
  const handler = { add: refresh, update: (_: unknown, object: ConfigMap | Secret) => refresh(object) };
  informers.informer(RESOURCES.configmaps).addHandler(handler);
  informers.informer(RESOURCES.secrets).addHandler(handler);
  informers.informer(RESOURCES.services);
}

function followPods(
  { client, clock, config, logger, random }: NodeDeps,
  workers: PodWorkers,
  mirrors: MirrorPods,
): Informer<Pod> {
  const pods = informer(RESOURCES.pods, {
    client,
    clock,
    logger,
    random,
    selectors: { fieldSelector: `spec.nodeName=${config.name}` },
  });
  const isMirror = (pod: Pod): boolean => pod.metadata.annotations?.[ANNOTATION.configMirror] !== undefined;
  const upsert = (pod: Pod): void => {
    if (isMirror(pod)) mirrors.seen(pod);
    else workers.upsert(pod);
  };
  pods.addHandler({
    add: upsert,
    update: (_, pod) => {
      if (!isMirror(pod)) workers.upsert(pod);
    },
    delete: (pod) => {
      if (isMirror(pod)) mirrors.deleted(pod);
      else workers.get(pod.metadata.uid ?? "")?.orphan();
    },
  });
  pods.start();
  return pods;
}

/** Containers and directories of pods that the API no longer has: they were deleted while this kubelet was away. */
async function removeOrphans(
  { engine, host, images, logger }: NodeDeps,
  podsDirectory: string,
  known: ReadonlySet<string>,
): Promise<void> {
  for (const container of engine.list()) {
    const uid = podUidOf(container);
    if (uid === undefined || known.has(uid)) continue;
    const failed = (error: unknown): void =>
      logger.warn({ id: container.id, error: errorText(error) }, "orphaned container not removed");
    await engine.remove(container.id, { force: true, volumes: true }).catch(failed);
  }
  for (const uid of await podDirectories(podsDirectory)) {
    if (known.has(uid)) continue;
    await removePodVolumes(join(podsDirectory, uid), host, images);
  }
}
