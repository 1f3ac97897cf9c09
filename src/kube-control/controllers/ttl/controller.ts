import { isGantryError } from "#base/errors.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { parseKubeTime } from "#formats/kube-time.ts";
import type { Job } from "#formats/kube-types.generated.ts";
import { controller, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";

/** Deletes finished jobs when their ttlSecondsAfterFinished has passed. */
export function ttlAfterFinishedController(context: ControllerContext): Controller {
  const jobs = informerOf(context, RESOURCES.jobs);
  return controller(context, {
    name: "ttl-after-finished-controller",
    async reconcile(key) {
      const job = jobs.cache.get(key);
      const due = job && dueMs(job);
      if (!job || due === undefined || job.metadata.deletionTimestamp) return undefined;
      const wait = due - context.clock.now();
      if (wait > 0) return { requeueAfterMs: wait };
      const { namespace, name = "", uid } = job.metadata;
      // Its time may have been prolonged meanwhile: only the API knows.
      const fresh = await context.client.get(RESOURCES.jobs, namespace, name);
      if (fresh.metadata.uid !== uid || (dueMs(fresh) ?? Number.POSITIVE_INFINITY) > context.clock.now())
        return undefined;
      const preconditions = { uid, resourceVersion: fresh.metadata.resourceVersion };
      await context.client
        .delete(RESOURCES.jobs, namespace, name, { propagationPolicy: "Foreground", preconditions })
        .catch((error: unknown) => {
          if (!isGantryError(error, "not-found")) throw error;
        });
      return undefined;
    },
    allKeys: () => Array.from(jobs.cache.values(), objectKey),
    watch: (queue) => {
      const see = (job: Job): void => {
        if (dueMs(job) !== undefined) queue.add(objectKey(job));
      };
      return [jobs.addHandler({ add: see, update: (_, job) => see(job) })];
    },
  });
}

/** When a job may go, in epoch milliseconds; undefined: never, or not yet known. */
function dueMs({ spec, status }: Job): number | undefined {
  const seconds = spec?.ttlSecondsAfterFinished;
  const over = status?.conditions?.find(
    ({ type, status: is }) => (type === "Complete" || type === "Failed") && is === "True",
  );
  const at = parseKubeTime(over?.lastTransitionTime);
  return seconds === undefined || at === undefined ? undefined : at + seconds * 1000;
}
