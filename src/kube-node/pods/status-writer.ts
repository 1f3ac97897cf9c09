import { isDeepStrictEqual } from "node:util";
import { errorText, isGantryError } from "#base/errors.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Pod, PodStatus } from "#formats/kube-types.generated.ts";
import type { NodeDeps } from "../ports.ts";
import { isStatic } from "./labels.ts";
import { statusPatch } from "./status-patch.ts";

/** Reports one pod's status to the API: the newest wins, one write at a time, nothing when nothing changed. */
export interface StatusWriter {
  set(pod: Pod, status: PodStatus): void;
  /** The newest status that was to be written. */
  latest(): PodStatus | undefined;
  /** The API's object was made anew: the next status is written even when it is the same. */
  reset(): void;
  /** Resolves when the newest status has been written or the pod is gone. */
  flushed(): Promise<void>;
}

const RETRY_MS = 1_000;

/** Holds at most one status that is waiting. */
export function statusWriter({ client, clock, logger }: NodeDeps): StatusWriter {
  let written: PodStatus | undefined;
  let latest: PodStatus | undefined;
  let wanted: { pod: Pod; status: PodStatus } | undefined;
  let writing: Promise<void> | undefined;

  const write = async (): Promise<void> => {
    while (wanted) {
      const { pod, status } = wanted;
      wanted = undefined;
      try {
        const { name, namespace, uid } = pod.metadata;
        // A static pod's status goes to its mirror, which has a uid of its own.
        const metadata = isStatic(pod) ? {} : { metadata: { uid } };
        await client.patch(
          RESOURCES.pods,
          namespace,
          name ?? "",
          { type: "strategic", body: { ...metadata, status: statusPatch(status) } },
          "status",
        );
        written = status;
      } catch (error) {
        // Gone, or replaced by a pod of the same name: there is nobody to tell.
        if (isGantryError(error, "not-found") || isGantryError(error, "conflict")) return;
        logger.warn({ pod: pod.metadata.name, error: errorText(error) }, "pod status not written; trying again");
        await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve));
        wanted ??= { pod, status };
      }
    }
  };
  return {
    latest: () => latest,
    set(pod, status) {
      if (!wanted && !writing && isDeepStrictEqual(written ?? pod.status, status)) return;
      wanted = { pod, status };
      latest = status;
      writing ??= write().finally(() => (writing = undefined));
    },
    reset() {
      written = undefined;
      latest = undefined;
    },
    async flushed() {
      while (writing) await writing;
    },
  };
}
