/** The end of a node in good order (kubelet's nodeshutdown): ordinary pods first, then critical ones, each within their part of the time. */
import type { Clock } from "#base/clock.ts";
import { isPodTerminal } from "#formats/kube-pod.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import { isCriticalByPriority } from "./eviction/ranking.ts";
import type { ShutdownGrace } from "./kubelet-configuration.ts";
import type { PodWorkers } from "./pods/pod-workers.ts";

const MESSAGE = "Pod was terminated in response to imminent node shutdown.";

export interface ShutdownDeps {
  readonly workers: PodWorkers;
  readonly events: Pick<EventRecorder, "record">;
  readonly clock: Clock;
}

/** Resolves when every pod has ended and said so, at the latest when the time is over. */
export async function shutDownPods(deps: ShutdownDeps, { totalMs, criticalMs }: ShutdownGrace): Promise<void> {
  const pods = deps.workers.pods().filter((pod) => !isPodTerminal(pod));
  const [critical, ordinary] = [pods.filter(isCriticalByPriority), pods.filter((pod) => !isCriticalByPriority(pod))];
  await endGroup(deps, ordinary, totalMs - criticalMs);
  await endGroup(deps, critical, criticalMs);
}

async function endGroup({ workers, events, clock }: ShutdownDeps, pods: readonly Pod[], ms: number): Promise<void> {
  const ends = pods.map(async (pod) => {
    const own = pod.spec?.terminationGracePeriodSeconds ?? 30;
    const worker = workers.get(pod.metadata.uid ?? "");
    events.record(pod, "Normal", "NodeShutdown", MESSAGE);
    worker?.evict({
      reason: "Terminated",
      message: MESSAGE,
      graceSeconds: Math.min(own, ms / 1000),
      isDisruption: true,
    });
    await worker?.whenEnded();
  });
  if (ends.length === 0) return;
  const over = Promise.withResolvers<void>();
  // A pod that ends just at its time has a moment to say so.
  const cancel = clock.after(ms + REPORT_MS, over.resolve);
  await Promise.race([Promise.all(ends), over.promise]);
  cancel();
}

const REPORT_MS = 500;
