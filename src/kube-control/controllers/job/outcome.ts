import { parseKubeTime } from "#formats/kube-time.ts";
import type { Job, JobCondition, Pod } from "#formats/kube-types.generated.ts";
import type { JobCounts } from "./counts.ts";
import { parseIndexes } from "./indexes.ts";
import { isIndexed } from "./job-pods.ts";

/** How a job ends. */
export interface Outcome {
  readonly kind: "Complete" | "Failed";
  readonly reason: string;
  readonly message: string;
}

export function jobCondition(job: Job, type: string): JobCondition | undefined {
  return job.status?.conditions?.find((condition) => condition.type === type && condition.status === "True");
}

/** The job is over, for good. */
export function isOver(job: Job): boolean {
  return jobCondition(job, "Complete") !== undefined || jobCondition(job, "Failed") !== undefined;
}

/** Whether the job is to end, and how (pkg/controller/job, syncJob); undefined: it goes on. */
export function outcome(job: Job, counts: JobCounts, nowMs: number): Outcome | undefined {
  return decided(job) ?? failure(job, counts, nowMs) ?? success(job, counts);
}

/** Decided before: its pods are only still on their way out. */
function decided(job: Job): Outcome | undefined {
  const failing = jobCondition(job, "FailureTarget");
  if (failing) return { kind: "Failed", reason: failing.reason ?? "", message: failing.message ?? "" };
  const met = jobCondition(job, "SuccessCriteriaMet");
  return met && { kind: "Complete", reason: met.reason ?? "", message: met.message ?? "" };
}

function failure(job: Job, counts: JobCounts, nowMs: number): Outcome | undefined {
  const failed = (reason: string, message: string): Outcome => ({ kind: "Failed", reason, message });
  if (counts.policyFailure !== undefined) return failed("PodFailurePolicy", counts.policyFailure);
  if (counts.failed > backoffLimit(job) || tooManyRestarts(job, counts.active)) {
    return failed("BackoffLimitExceeded", "Job has reached the specified backoff limit");
  }
  const deadline = deadlineInMs(job, nowMs);
  if (deadline !== undefined && deadline <= 0) {
    return failed("DeadlineExceeded", "Job was active longer than specified deadline");
  }
  if (!isIndexed(job) || job.spec?.backoffLimitPerIndex === undefined) return undefined;
  const { maxFailedIndexes, completions = 0 } = job.spec;
  if (maxFailedIndexes !== undefined && counts.failedIndexes.size > maxFailedIndexes) {
    return failed("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes");
  }
  const done = counts.failedIndexes.size + counts.completedIndexes.size >= completions;
  return counts.failedIndexes.size > 0 && done ? failed("FailedIndexes", "Job has failed indexes") : undefined;
}

function success(job: Job, counts: JobCounts): Outcome | undefined {
  const rule = metSuccessRule(job, counts);
  if (rule !== undefined)
    return { kind: "Complete", reason: "SuccessPolicy", message: `Matched rules at index ${rule}` };
  const { completions } = job.spec ?? {};
  const enough = completions === undefined ? counts.succeeded > 0 : counts.succeeded >= completions;
  if (!enough || counts.active.length > 0) return undefined;
  return { kind: "Complete", reason: "CompletionsReached", message: "Reached expected number of succeeded pods" };
}

function metSuccessRule(job: Job, { completedIndexes }: JobCounts): number | undefined {
  const completions = job.spec?.completions ?? 0;
  for (const [position, rule] of (job.spec?.successPolicy?.rules ?? []).entries()) {
    const wanted = rule.succeededIndexes === undefined ? undefined : parseIndexes(rule.succeededIndexes, completions);
    const met = wanted ? wanted.intersection(completedIndexes).size : completedIndexes.size;
    if (met >= (rule.succeededCount ?? wanted?.size ?? Number.POSITIVE_INFINITY)) return position;
  }
  return undefined;
}

/** With a limit for each index there is none for the job unless it says so. */
function backoffLimit(job: Job): number {
  const { backoffLimit: limit, backoffLimitPerIndex } = job.spec ?? {};
  return limit ?? (backoffLimitPerIndex === undefined ? 6 : Number.MAX_SAFE_INTEGER);
}

/** Pods that restart their containers count by their restarts. */
function tooManyRestarts(job: Job, active: readonly Pod[]): boolean {
  if (job.spec?.template.spec?.restartPolicy !== "OnFailure") return false;
  const statuses = active
    .filter(({ status }) => status?.phase === "Running" || status?.phase === "Pending")
    .flatMap(({ status }) => [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])]);
  const restarts = statuses.reduce((sum, { restartCount = 0 }) => sum + restartCount, 0);
  const limit = backoffLimit(job);
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

/** Milliseconds until activeDeadlineSeconds is over; undefined without one, or while suspended. */
export function deadlineInMs(job: Job, nowMs: number): number | undefined {
  const started = parseKubeTime(job.status?.startTime);
  const seconds = job.spec?.activeDeadlineSeconds;
  if (seconds === undefined || started === undefined || job.spec?.suspend) return undefined;
  return started + seconds * 1000 - nowMs;
}
