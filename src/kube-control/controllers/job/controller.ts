import { isGantryError } from "#base/errors.ts";
import { objectKey, type KubeObject, type Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Job, Pod } from "#formats/kube-types.generated.ts";
import { selectorOf } from "#formats/selectors.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { claim } from "../shared/claims.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { expectations, type Expectations } from "../shared/expectations.ts";
import { orphanSelectors } from "../shared/orphan-selectors.ts";
import {
  BY_CONTROLLER,
  controllerKey,
  controllerOf,
  indexByController,
  indexOrphans,
  ORPHANS,
} from "../shared/ownership.ts";
import { isNamespaceTerminating, podControl, type PodControl } from "../shared/pod-control.ts";
import { sameStatus } from "../shared/semantic-equal.ts";
import { slowStart } from "../shared/slow-start.ts";
import { countJob } from "./counts.ts";
import { isTracked, jobPod, TRACKING_FINALIZER } from "./job-pods.ts";
import { deadlineInMs, isOver, outcome } from "./outcome.ts";
import { planJob, type JobPlan } from "./plan.ts";
import { planStatus } from "./status.ts";

const NAME = "job-controller";
const RESOURCE = RESOURCES.jobs as Typed<KubeObject>;
/** spec.managedBy of jobs that are this controller's. */
const MANAGER = "kubernetes.io/job-controller";
const PARALLEL = 16;

interface Parts {
  readonly context: ControllerContext;
  readonly jobs: Informer<Job>;
  readonly pods: Informer<Pod>;
  readonly expected: Expectations<Pod>;
  /** Pods that were counted have lost their finalizer: a status of before would count them as not there. */
  readonly expectedStatus: Expectations<Job>;
  readonly podControl: PodControl;
  readonly events: EventRecorder;
}

/** Runs jobs to their end: keeps pods at work, counts each that ends exactly once, and says how it went. */
export function jobController(context: ControllerContext): Controller {
  const jobs = informerOf(context, RESOURCES.jobs);
  const pods = informerOf(context, RESOURCES.pods);
  pods.addIndex(BY_CONTROLLER, indexByController);
  pods.addIndex(ORPHANS, indexOrphans);
  const { client, random } = context;
  const events = context.events(NAME);
  const expected = expectations<Pod>(pods, objectKey);
  const parts: Parts = {
    context,
    jobs,
    pods,
    expected,
    expectedStatus: expectations<Job>(jobs, objectKey),
    events,
    podControl: podControl({ client, random, expected, events, pods }),
  };
  const selecting = orphanSelectors(jobs, (job) => selectorOf(job.spec?.selector));
  return controller(context, {
    name: NAME,
    reconcile: (key) => reconcile(parts, key),
    allKeys: () => Array.from(jobs.cache.values(), objectKey),
    watch: (queue) => [
      expected.requeue(queue),
      parts.expectedStatus.requeue(queue),
      enqueueFrom(jobs, queue, (job) => [objectKey(job)]),
      enqueueFrom(pods, queue, (pod) => {
        const owner = controllerKey(RESOURCES.jobs, pod);
        if (owner !== undefined) return [owner];
        return controllerOf(pod) ? [] : selecting(pod);
      }),
    ],
  });
}

async function reconcile(parts: Parts, key: string): Promise<ReconcileResult> {
  const job = parts.jobs.cache.get(key);
  if (!job) {
    parts.expected.forget(key);
    parts.expectedStatus.forget(key);
    parts.podControl.forget(key);
    return undefined;
  }
  if ((job.spec?.managedBy ?? MANAGER) !== MANAGER || !isCurrent(parts, key)) return undefined;
  const pods = await claimPods(parts, job);
  if (isOver(job)) {
    await untrack(parts, key, pods.filter(isTracked));
    return undefined;
  }
  const now = parts.context.clock.now();
  const counts = countJob(job, pods);
  const ending = outcome(job, counts, now);
  const plan = ending ? { create: [], delete: counts.active, waitMs: undefined } : planJob(job, pods, counts, now);
  const error = job.metadata.deletionTimestamp ? undefined : await act(parts, key, job, plan);
  const { status, events } = planStatus(job, counts, ending, now);
  if (!sameStatus(status, job.status)) {
    const written = await parts.context.client.update(RESOURCES.jobs, { ...job, status }, "status");
    parts.expectedStatus.wrote(key, written);
    for (const { type, reason, message } of events) parts.events.record(job, type, reason, message);
  }
  // Their end is on record now.
  await untrack(parts, key, counts.counted);
  if (error !== undefined && !isNamespaceTerminating(error)) throw error;
  const waits = [plan.waitMs, ending ? undefined : deadlineInMs({ ...job, status }, now)].filter(
    (wait) => wait !== undefined,
  );
  return waits.length === 0 ? undefined : { requeueAfterMs: Math.max(0, Math.min(...waits)) };
}

/** The caches show this controller's own last writes. */
function isCurrent({ expected, expectedStatus }: Parts, key: string): boolean {
  return expected.satisfied(key) && expectedStatus.satisfied(key);
}

async function claimPods({ context, pods, podControl: control }: Parts, job: Job): Promise<Pod[]> {
  const { uid = "", namespace = "" } = job.metadata;
  control.observed(objectKey(job));
  return claim(
    {
      client: context.client,
      resource: RESOURCES.pods,
      ownerResource: RESOURCE,
      owner: job,
      selector: selectorOf(job.spec?.selector),
    },
    [...pods.cache.byIndex(BY_CONTROLLER, uid), ...pods.cache.byIndex(ORPHANS, namespace)],
  );
}

/** Creates and deletes; what failed first, if anything did. */
async function act(parts: Parts, key: string, job: Job, plan: JobPlan): Promise<unknown> {
  const { error } = await slowStart(plan.create.length, async (position) => {
    const wanted = plan.create[position];
    await parts.podControl.create(
      key,
      job,
      jobPod(job, wanted?.index, wanted?.failures ?? 0),
      `${wanted?.index ?? ""}`,
    );
  });
  const deleted = await Promise.allSettled(plan.delete.map((pod) => parts.podControl.delete(key, job, pod)));
  return error ?? deleted.find((each) => each.status === "rejected")?.reason;
}

/** Lets counted pods go. */
async function untrack(parts: Parts, key: string, pods: readonly Pod[]): Promise<void> {
  for (let start = 0; start < pods.length; start += PARALLEL) {
    await Promise.all(pods.slice(start, start + PARALLEL).map((pod) => removeFinalizer(parts, key, pod)));
  }
}

async function removeFinalizer({ context, expected }: Parts, key: string, pod: Pod): Promise<void> {
  const { namespace, name = "", uid } = pod.metadata;
  const left = (pod.metadata.finalizers ?? []).filter((finalizer) => finalizer !== TRACKING_FINALIZER);
  const body = { metadata: { uid, finalizers: left.length > 0 ? left : null } };
  try {
    const written = await context.client.patch(RESOURCES.pods, namespace, name, { type: "merge", body });
    // A pod that only waited for it is gone by this.
    if (!pod.metadata.deletionTimestamp) expected.wrote(key, written);
  } catch (error) {
    if (!isGantryError(error, "not-found") && !isGantryError(error, "conflict")) throw error;
  }
}
