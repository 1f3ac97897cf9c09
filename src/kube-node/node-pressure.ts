import { isPodTerminal } from "#formats/kube-pod.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { startEvictor } from "./eviction/evictor.ts";
import type { ImageGc } from "./eviction/image-gc.ts";
import type { PodStanding } from "./eviction/ranking.ts";
import { readSignals } from "./eviction/readings.ts";
import { LABEL, podUidOf } from "./pods/labels.ts";
import { isRunning, observePod } from "./pods/observed.ts";
import { podDirectory } from "./pods/pod-context.ts";
import type { PodWorkers } from "./pods/pod-workers.ts";
import type { NodeDeps } from "./ports.ts";
import type { UsageReader } from "./server/usage.ts";
import { diskUsage } from "./volumes/usage.ts";

export interface PressureParts {
  readonly workers: PodWorkers;
  readonly usage: UsageReader;
  readonly imageGc: ImageGc;
  /** The Node is to tell of other conditions. */
  report(): void;
}

/** Follows what the node has left, and ends pods before it has none. `deps.pressures` is kept as things are. */
export function watchNodePressure(
  deps: NodeDeps,
  { workers, usage, imageGc, report }: PressureParts,
): { close(): void } {
  const { clock, config, engine, events, host, logger } = deps;
  return startEvictor({
    config: config.eviction,
    clock,
    logger,
    events,
    async readings() {
      await usage.pods();
      return readSignals(config.dataDir, usage.node(), host.capacity().memoryBytes);
    },
    standings: (resource) => standings(deps, workers, usage, resource),
    evict: (pod, failure) => workers.get(pod.metadata.uid ?? "")?.evict(failure),
    isEnding(uid) {
      const { sandbox, current } = observePod(
        uid,
        engine.list().filter((each) => uid === podUidOf(each)),
      );
      return isRunning(sandbox) || Array.from(current.values()).some(isRunning);
    },
    reclaimDisk: () => imageGc.reclaim(),
    onPressures(pressures) {
      deps.pressures.clear();
      for (const pressure of pressures) deps.pressures.add(pressure);
      report();
    },
  });
}

async function standings(
  deps: NodeDeps,
  workers: PodWorkers,
  usage: UsageReader,
  resource: string,
): Promise<PodStanding[]> {
  const pods = workers.pods().filter((pod) => !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined);
  if (resource === "memory") {
    const read = new Map((await usage.pods()).map((pod) => [pod.uid, pod.containers]));
    return pods.map((pod) => {
      const containers = (read.get(pod.metadata.uid ?? "") ?? []).map(({ name, memory }) => ({
        name,
        used: memory.workingSetBytes,
      }));
      return { pod, containers, used: containers.reduce((sum, { used }) => sum + used, 0) };
    });
  }
  if (resource === "pids") return Promise.all(pods.map((pod) => processesOf(deps, pod)));
  return Promise.all(pods.map((pod) => diskOf(deps, pod)));
}

async function processesOf({ engine }: NodeDeps, pod: Pod): Promise<PodStanding> {
  const running = engine.list().filter((each) => isRunning(each) && podUidOf(each) === pod.metadata.uid);
  const counts = await Promise.all(running.map(({ id }) => engine.processes(id).catch(() => [])));
  return { pod, containers: [], used: counts.reduce((sum, processes) => sum + processes.length, 0) };
}

/** Its volumes, and what its containers have written. */
async function diskOf(deps: NodeDeps, pod: Pod): Promise<PodStanding> {
  const own = deps.engine.list().filter((each) => podUidOf(each) === pod.metadata.uid);
  const containers = await Promise.all(
    own
      .filter(({ config }) => config.imageId !== undefined)
      .map(async ({ id, config }) => ({
        name: config.labels[LABEL.containerName] ?? "",
        used: await deps.images.snapshotBytes(id).catch(() => 0),
      })),
  );
  const volumes = await diskUsage(podDirectory(deps, pod));
  return { pod, containers, used: containers.reduce((sum, { used }) => sum + used, volumes) };
}
