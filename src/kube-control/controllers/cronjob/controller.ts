import { errorText, isGantryError } from "#base/errors.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { kubeTime, parseKubeTime } from "#formats/kube-time.ts";
import type { CronJob, CronJobStatus, Job } from "#formats/kube-types.generated.ts";
import { referenceTo, type EventRecorder } from "#kube-client/events.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import {
  BY_CONTROLLER,
  controllerKey,
  controllerOf,
  controllerReference,
  indexByController,
} from "../shared/ownership.ts";
import { isNamespaceTerminating } from "../shared/pod-control.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";
import { isFinishedJob, jobName, planCronJob, type CronJobPlan } from "./plan.ts";

const NAME = "cronjob-controller";
const SCHEDULED_TIME = "batch.kubernetes.io/cronjob-scheduled-timestamp";

interface Parts {
  readonly context: ControllerContext;
  readonly cronJobs: Informer<CronJob>;
  readonly jobs: Informer<Job>;
  readonly events: EventRecorder;
  /** By cron job: the job whose creation was last tried, until the cache shows it. */
  readonly tried: Map<string, string>;
}

/** Starts a job at each time of a schedule. One timer for each cron job, for its next time. */
export function cronJobController(context: ControllerContext): Controller {
  const cronJobs = informerOf(context, RESOURCES.cronjobs);
  const jobs = informerOf(context, RESOURCES.jobs);
  jobs.addIndex(BY_CONTROLLER, indexByController);
  const parts: Parts = { context, cronJobs, jobs, events: context.events(NAME), tried: new Map() };
  return controller(context, {
    name: NAME,
    reconcile: (key) => reconcile(parts, key),
    allKeys: () => Array.from(cronJobs.cache.values(), objectKey),
    watch: (queue) => [
      enqueueFrom(cronJobs, queue, (each) => [objectKey(each)]),
      enqueueFrom(jobs, queue, (job) => {
        const owner = controllerKey(RESOURCES.cronjobs, job);
        return owner === undefined ? [] : [owner];
      }),
    ],
  });
}

async function reconcile(parts: Parts, key: string): Promise<ReconcileResult> {
  const { context, cronJobs, events } = parts;
  const cronJob = cronJobs.cache.get(key);
  if (!cronJob) {
    parts.tried.delete(key);
    return undefined;
  }
  const own = await jobsOf(parts, key, cronJob);
  let plan: CronJobPlan;
  try {
    plan = planCronJob({ cronJob, jobs: own, nowMs: context.clock.now() });
  } catch (error) {
    // It cannot be read until it is changed: trying again is no use.
    const [reason, what] = [
      "UnparseableSchedule",
      `unparseable schedule: ${cronJob.spec?.schedule ?? ""} : ${errorText(error)}`,
    ];
    events.record(cronJob, "Warning", reason, what);
    return undefined;
  }
  for (const { type, reason, message } of plan.events) events.record(cronJob, type, reason, message);
  for (const job of plan.forget) await remove(parts, cronJob, job);
  for (const job of plan.replace) await remove(parts, cronJob, job);
  const started = plan.start === undefined ? undefined : await start(parts, cronJob, plan.start);
  await writeStatus(parts, cronJob, own, started, plan.start);
  return plan.nextMs === undefined ? undefined : { requeueAfterMs: plan.nextMs };
}

/** Its jobs in the cache, and the one that the cache does not show yet: a stale cache never starts a second. */
async function jobsOf({ context, jobs, tried }: Parts, key: string, cronJob: CronJob): Promise<readonly Job[]> {
  const { namespace, uid = "" } = cronJob.metadata;
  const own = Array.from(jobs.cache.byIndex(BY_CONTROLLER, uid));
  const last = tried.get(key);
  if (last === undefined) return own;
  if (own.some(({ metadata }) => metadata.name === last)) {
    tried.delete(key);
    return own;
  }
  try {
    const found = await context.client.get(RESOURCES.jobs, namespace, last);
    return controllerOf(found)?.uid === uid ? [...own, found] : own;
  } catch (error) {
    if (!isGantryError(error, "not-found")) throw error;
    tried.delete(key);
    return own;
  }
}

async function start({ context, events, tried }: Parts, cronJob: CronJob, timeMs: number): Promise<Job | undefined> {
  const template = cronJob.spec?.jobTemplate;
  const job: Job = {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: jobName(cronJob, timeMs),
      namespace: cronJob.metadata.namespace,
      labels: { ...template?.metadata?.labels },
      annotations: { ...template?.metadata?.annotations, [SCHEDULED_TIME]: kubeTime(timeMs) },
      ownerReferences: [controllerReference(RESOURCES.cronjobs, cronJob)],
    },
    spec: structuredClone(template?.spec),
  };
  const name = job.metadata.name ?? "";
  tried.set(objectKey(cronJob), name);
  try {
    const created = await context.client.create(RESOURCES.jobs, job);
    events.record(cronJob, "Normal", "SuccessfulCreate", `Created job ${name}`);
    return created;
  } catch (error) {
    if (isNamespaceTerminating(error)) return undefined;
    if (isGantryError(error, "already-exists")) {
      const found = await context.client.get(RESOURCES.jobs, cronJob.metadata.namespace, name);
      if (controllerOf(found)?.uid === cronJob.metadata.uid) return found;
    }
    events.record(cronJob, "Warning", "FailedCreate", `Error creating job: ${errorText(error)}`);
    throw error;
  }
}

async function remove({ context, events }: Parts, cronJob: CronJob, { metadata }: Job): Promise<void> {
  const { namespace, name = "", uid } = metadata;
  try {
    await context.client.delete(RESOURCES.jobs, namespace, name, {
      propagationPolicy: "Background",
      preconditions: { uid },
    });
    events.record(cronJob, "Normal", "SuccessfulDelete", `Deleted job ${name}`);
  } catch (error) {
    if (!isGantryError(error, "not-found") && !isGantryError(error, "conflict")) throw error;
  }
}

async function writeStatus(
  { context, events }: Parts,
  cronJob: CronJob,
  jobs: readonly Job[],
  started: Job | undefined,
  timeMs: number | undefined,
): Promise<void> {
  const before = cronJob.status ?? {};
  for (const job of jobs) {
    if (!isFinishedJob(job) || !before.active?.some(({ uid }) => uid === job.metadata.uid)) continue;
    const condition = job.status?.conditions?.find(
      ({ type, status }) => (type === "Complete" || type === "Failed") && status === "True",
    );
    events.record(
      cronJob,
      "Normal",
      "SawCompletedJob",
      `Saw completed job: ${job.metadata.name ?? ""}, condition: ${condition?.type ?? ""}`,
    );
  }
  const running = [
    ...jobs.filter((job) => !isFinishedJob(job) && job.metadata.uid !== started?.metadata.uid),
    ...(started ? [started] : []),
  ];
  const success = jobs
    .flatMap(({ status }) => status?.completionTime ?? [])
    .sort()
    .at(-1);
  const status: CronJobStatus = {
    ...before,
    active: running.map(referenceTo),
    ...(started && timeMs !== undefined && { lastScheduleTime: kubeTime(timeMs) }),
    ...(success &&
      (parseKubeTime(success) ?? 0) > (parseKubeTime(before.lastSuccessfulTime) ?? 0) && {
        lastSuccessfulTime: success,
      }),
  };
  // The references' resource versions only say when they were taken.
  if (semanticEqual(comparable(status), comparable(before))) return;
  await context.client.update(RESOURCES.cronjobs, { ...cronJob, status }, "status");
}

function comparable(status: CronJobStatus): object {
  return { ...status, active: (status.active ?? []).map(({ uid }) => uid).sort() };
}
