import { isPodTerminal } from "#formats/kube-pod.ts";
import type { ConfigMap, Pod, Secret } from "#formats/kube-types.generated.ts";
import { LABEL } from "./labels.ts";
import type { WorkerDeps } from "./pod-state.ts";
import { requestsOf, type Amounts } from "./resize.ts";
import { podWorker, type PodWorker } from "./worker.ts";

/** The workers of a node, one for each pod; bounded by the pods that the scheduler and the manifest folder give it. */
export interface PodWorkers {
  upsert(pod: Pod): PodWorker;
  get(uid: string): PodWorker | undefined;
  uids(): ReadonlySet<string>;
  pods(): readonly Pod[];
  readonly size: number;
  close(): void;
}

/** Makes the set; it wakes a worker when something happens to its containers. */
export function podWorkers(deps: Omit<WorkerDeps, "onGone" | "othersRequest">): PodWorkers {
  const workers = new Map<string, PodWorker>();
  const workerDeps: WorkerDeps = {
    ...deps,
    othersRequest: (uid) => sumOfRequests(workers, uid),
    onGone(uid) {
      workers.delete(uid);
      // What it had may be what another waits for.
      for (const worker of workers.values()) if (worker.waitsForResources) worker.poke();
    },
  };
  const stopListening = deps.engine.events(({ type, attributes, action }) => {
    if (type === "container" && !action.startsWith("exec_")) workers.get(attributes[LABEL.podUid] ?? "")?.poke();
  });
  return {
    upsert(pod) {
      const uid = pod.metadata.uid ?? "";
      const known = workers.get(uid);
      if (known) {
        known.update(pod);
        return known;
      }
      const fresh = podWorker(workerDeps, pod);
      workers.set(uid, fresh);
      fresh.poke();
      return fresh;
    },
    get: (uid) => workers.get(uid),
    pods: () => Array.from(workers.values(), ({ pod }) => pod),
    uids: () => new Set(workers.keys()),
    get size() {
      return workers.size;
    },
    close() {
      stopListening();
      for (const worker of workers.values()) worker.close();
    },
  };
}

function sumOfRequests(workers: ReadonlyMap<string, PodWorker>, but: string): Amounts {
  let sum: Amounts = { cpuMillis: 0, memoryBytes: 0 };
  for (const [uid, { pod }] of workers) {
    if (uid === but || isPodTerminal(pod)) continue;
    const { cpuMillis, memoryBytes } = requestsOf(pod);
    sum = { cpuMillis: sum.cpuMillis + cpuMillis, memoryBytes: sum.memoryBytes + memoryBytes };
  }
  return sum;
}

/** Tells the workers whose pods have a volume of this object that it changed. */
export function refreshUsers(workers: PodWorkers, object: ConfigMap | Secret): void {
  for (const uid of workers.uids()) {
    const worker = workers.get(uid);
    if (worker && mentions(worker.pod, object)) worker.refresh();
  }
}

function mentions(pod: Pod, { kind, metadata }: ConfigMap | Secret): boolean {
  if (pod.metadata.namespace !== metadata.namespace) return false;
  const { name } = metadata;
  return (pod.spec?.volumes ?? []).some(({ configMap, secret, projected }) =>
    kind === "ConfigMap"
      ? configMap?.name === name || projected?.sources?.some((source) => source.configMap?.name === name)
      : secret?.secretName === name || projected?.sources?.some((source) => source.secret?.name === name),
  );
}
