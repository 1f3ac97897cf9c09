import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { errorText } from "#base/errors.ts";
import type { Container as EngineContainer } from "#containers/engine.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { ConfigMap, Pod, Secret } from "#formats/kube-types.generated.ts";
import { informer } from "#kube-client/informer.ts";
import { startNodeAgent } from "./node-agent.ts";
import { LABEL, podUidOf } from "./pods/labels.ts";
import { podWorker, type PodWorker } from "./pods/worker.ts";
import type { NodeDeps } from "./ports.ts";
import { nodeStreams, type NodeStreams } from "./streams/node-streams.ts";
import { podDirectories } from "./volumes/pod-volumes.ts";

/** A node's kubelet. */
export interface Kubelet {
  readonly streams: NodeStreams;
  /** The number of pods that have something on this node. */
  readonly podCount: number;
  /** Stops working; pods run on and are taken up again by the next start. */
  close(): void;
}

export interface KubeletDeps extends NodeDeps {
  /** Every capability that the kernel knows, CAP_ names. */
  readonly allCapabilities: readonly string[];
}

/** Registers the node, then runs the pods that are bound to it. Resolves when the node is Ready and its pods are known. */
export async function startKubelet(deps: KubeletDeps): Promise<Kubelet> {
  const { client, clock, config, engine, informers, logger, random } = deps;
  const podsDirectory = join(config.dataDir, "pods");
  await mkdir(podsDirectory, { recursive: true, mode: 0o710 });
  const workers = new Map<string, PodWorker>();
  const containersOf = (uid: string): readonly EngineContainer[] =>
    engine.list().filter((container) => podUidOf(container) === uid);
  const workerDeps = { ...deps, containersOf, onGone: (uid: string) => void workers.delete(uid) };

  const upsert = (pod: Pod): void => {
    const uid = pod.metadata.uid ?? "";
    const worker = workers.get(uid);
    if (worker) return worker.update(pod);
    const fresh = podWorker(workerDeps, pod);
    workers.set(uid, fresh);
    fresh.poke();
  };
  const stopListening = engine.events(({ type, attributes, action }) => {
    if (type === "container" && !action.startsWith("exec_")) workers.get(attributes[LABEL.podUid] ?? "")?.poke();
  });
  const refresh = (object: ConfigMap | Secret): void => {
    for (const worker of workers.values()) if (mentions(worker.pod, object)) worker.refresh();
  };
  const follow = { add: refresh, update: (_: unknown, object: ConfigMap | Secret) => refresh(object) };
  informers.informer(RESOURCES.configmaps).addHandler(follow);
  informers.informer(RESOURCES.secrets).addHandler(follow);
  informers.informer(RESOURCES.services);

  const agent = await startNodeAgent(deps);
  const pods = informer(RESOURCES.pods, {
    client,
    clock,
    logger,
    random,
    selectors: { fieldSelector: `spec.nodeName=${config.name}` },
  });
  pods.addHandler({
    add: upsert,
    update: (_, pod) => upsert(pod),
    delete: (pod) => workers.get(pod.metadata.uid ?? "")?.orphan(),
  });
  pods.start();
  await Promise.all([pods.whenSynced(), informers.whenSynced()]);
  await removeOrphans(deps, podsDirectory, new Set(workers.keys()));
  return {
    streams: nodeStreams(deps, containersOf),
    get podCount() {
      return workers.size;
    },
    close() {
      stopListening();
      pods.stop();
      agent.close();
      for (const worker of workers.values()) worker.close();
    },
  };
}

/** Containers and directories of pods that the API no longer has: they were deleted while this kubelet was away. */
async function removeOrphans(
  { engine, host, logger }: NodeDeps,
  podsDirectory: string,
  known: ReadonlySet<string>,
): Promise<void> {
  for (const container of engine.list()) {
    const uid = podUidOf(container);
    if (uid === undefined || known.has(uid)) continue;
    await engine
      .remove(container.id, { force: true, volumes: true })
      .catch((error: unknown) =>
        logger.warn({ id: container.id, error: errorText(error) }, "orphaned container not removed"),
      );
  }
  for (const uid of await podDirectories(podsDirectory)) {
    if (known.has(uid)) continue;
    for (const name of await podDirectories(join(podsDirectory, uid, "volumes", "empty-dir")))
      host.unmount(join(podsDirectory, uid, "volumes", "empty-dir", name));
    await rm(join(podsDirectory, uid), { recursive: true, force: true });
  }
}

/** Whether the pod has a volume of this configMap or secret. */
function mentions(pod: Pod, { kind, metadata }: ConfigMap | Secret): boolean {
  if (pod.metadata.namespace !== metadata.namespace) return false;
  return (pod.spec?.volumes ?? []).some(({ configMap, secret, projected }) =>
    kind === "ConfigMap"
      ? configMap?.name === metadata.name ||
        projected?.sources?.some((source) => source.configMap?.name === metadata.name)
      : secret?.secretName === metadata.name ||
        projected?.sources?.some((source) => source.secret?.name === metadata.name),
  );
}
