import { errorText } from "#base/errors.ts";
import { quantityNumber } from "#formats/quantity.ts";
import type { Pod, Volume } from "#formats/kube-types.generated.ts";
import { podDirectory } from "./pods/pod-context.ts";
import type { PodWorkers } from "./pods/pod-workers.ts";
import type { NodeDeps } from "./ports.ts";
import { diskUsage } from "./volumes/usage.ts";
import { emptyDirPath } from "./volumes/pod-volumes.ts";

/** The kubelet's housekeeping interval: the kernel tells nobody that a directory has grown, so it is measured. */
const INTERVAL_MS = 10_000;
/** As the kubelet's immediate evictions: one second to end. */
const GRACE_SECONDS = 1;

/** Evicts pods whose emptyDirs have outgrown their `sizeLimit`. Only pods that have such a volume cost anything. */
export function watchLocalStorage(deps: NodeDeps, workers: PodWorkers): { close(): void } {
  let closed = false;
  let cancel: () => void = () => undefined;
  const look = async (): Promise<void> => {
    for (const pod of workers.pods()) {
      const message = await outgrown(deps, pod);
      if (message === undefined || closed) continue;
      deps.events.record(pod, "Warning", "Evicted", message);
      workers.get(pod.metadata.uid ?? "")?.evict({
        reason: "Evicted",
        message,
        graceSeconds: GRACE_SECONDS,
        isDisruption: true,
      });
    }
  };
  const again = (): void => {
    if (closed) return;
    cancel = deps.clock.after(INTERVAL_MS, () => {
      look()
        .catch((error: unknown) => deps.logger.warn({ error: errorText(error) }, "local storage not measured"))
        .finally(again);
    });
  };
  again();
  return {
    close() {
      closed = true;
      cancel();
    },
  };
}

/** Why the pod is to be evicted, in the kubelet's words; undefined while it keeps its limits. */
async function outgrown(deps: NodeDeps, pod: Pod): Promise<string | undefined> {
  if (pod.status?.phase !== "Running" && pod.status?.phase !== "Pending") return undefined;
  for (const volume of (pod.spec?.volumes ?? []).filter(isLimited)) {
    const limit = volume.emptyDir?.sizeLimit ?? "";
    const used = await diskUsage(emptyDirPath(podDirectory(deps, pod), volume.name));
    if (used > quantityNumber(limit)) return `Usage of EmptyDir volume "${volume.name}" exceeds the limit "${limit}". `;
  }
  return undefined;
}

/** Memory-backed volumes are limited by their own file system. */
function isLimited({ emptyDir }: Volume): boolean {
  return emptyDir !== undefined && emptyDir.medium !== "Memory" && quantityNumber(emptyDir.sizeLimit) > 0;
}
