import type { Job, JobStatus, Pod, UncountedTerminatedPods } from "#formats/kube-types.generated.ts";
import { isFinished, isReady, isTerminating } from "../shared/pods.ts";
import { failureVerdict } from "./failure-policy.ts";
import { formatIndexes, parseIndexes } from "./indexes.ts";
import { failuresBefore, hasFailed, hasSucceeded, indexOf, isIndexed, isTracked } from "./job-pods.ts";

/** What a job has come to, with pods that have ended counted exactly once. */
export interface JobCounts {
  readonly active: readonly Pod[];
  readonly ready: number;
  readonly terminating: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly uncounted: UncountedTerminatedPods;
  readonly completedIndexes: ReadonlySet<number>;
  readonly failedIndexes: ReadonlySet<number>;
  /** By index: how many of its pods have failed. */
  readonly failures: ReadonlyMap<number, number>;
  /** What a rule of the pod failure policy says fails the whole job. */
  readonly policyFailure: string | undefined;
  /** Pods whose end is in these counts: once those are written, their finalizer can go. */
  readonly counted: readonly Pod[];
}

/** Ended pods in one status at most. */
const MAX_UNCOUNTED = 500;

/**
 * Counts a job's pods. Each pod has a finalizer until its end is in the status, where its uid stands until the finalizer is gone: whoever deletes
 * pods, and whenever this process dies, each is counted once (KEP 2307).
 */
export function countJob(job: Job, pods: readonly Pod[]): JobCounts {
  const status = job.status ?? {};
  const tracked = new Set(pods.filter(isTracked).map(({ metadata }) => metadata.uid ?? ""));
  const settle = (uids: readonly string[] = []): { settled: number; left: string[] } => {
    const left = uids.filter((uid) => tracked.has(uid));
    return { settled: uids.length - left.length, left };
  };
  const succeededBefore = settle(status.uncountedTerminatedPods?.succeeded);
  const failedBefore = settle(status.uncountedTerminatedPods?.failed);
  const known = new Set([...succeededBefore.left, ...failedBefore.left]);
  const limit = job.spec?.completions ?? Number.MAX_SAFE_INTEGER;
  const completedIndexes = parseIndexes(status.completedIndexes, limit);
  const failedIndexes = parseIndexes(status.failedIndexes, limit);
  const uncounted = { succeeded: [...succeededBefore.left], failed: [...failedBefore.left] };
  let policyFailure: string | undefined;
  const counted: Pod[] = [];
  for (const pod of pods.filter(isTracked)) {
    const uid = pod.metadata.uid ?? "";
    if (known.has(uid)) {
      counted.push(pod);
      continue;
    }
    if (uncounted.succeeded.length + uncounted.failed.length >= MAX_UNCOUNTED) continue;
    if (hasSucceeded(pod)) {
      if (isIndexed(job)) addIndex(completedIndexes, indexOf(pod), limit);
      else uncounted.succeeded.push(uid);
      counted.push(pod);
    } else if (job.spec?.suspend && isTerminating(pod) && !isFinished(pod)) {
      // Stopped, not failed.
      counted.push(pod);
    } else if (hasFailed(job, pod)) {
      const verdict = failureVerdict(job, pod);
      if (verdict.action === "FailJob") policyFailure ??= verdict.message;
      if (verdict.action !== "Ignore") uncounted.failed.push(uid);
      counted.push(pod);
    }
  }
  const failures = indexFailures(job, pods);
  markFailedIndexes(job, pods, failures, completedIndexes, failedIndexes);
  const indexed = isIndexed(job);
  return {
    ...present(pods),
    succeeded: indexed
      ? completedIndexes.size
      : (status.succeeded ?? 0) + succeededBefore.settled + uncounted.succeeded.length,
    failed: (status.failed ?? 0) + failedBefore.settled + uncounted.failed.length,
    uncounted,
    completedIndexes,
    failedIndexes,
    failures,
    policyFailure,
    counted: counted.filter((pod) => !holdsFailureCount(job, pod, pods, completedIndexes, failedIndexes)),
  };
}

function present(pods: readonly Pod[]): Pick<JobCounts, "active" | "ready" | "terminating"> {
  const live = pods.filter((pod) => !isFinished(pod));
  const active = live.filter((pod) => !isTerminating(pod));
  return { active, ready: active.filter(isReady).length, terminating: live.length - active.length };
}

function addIndex(indexes: Set<number>, index: number, limit: number): void {
  if (index >= 0 && index < limit) indexes.add(index);
}

/** How often each index has failed: the newest pod knows what came before it. */
function indexFailures(job: Job, pods: readonly Pod[]): Map<number, number> {
  const failures = new Map<number, number>();
  if (job.spec?.backoffLimitPerIndex === undefined) return failures;
  for (const pod of pods) {
    const counts = hasFailed(job, pod) && failureVerdict(job, pod).action !== "Ignore" ? 1 : 0;
    failures.set(indexOf(pod), Math.max(failures.get(indexOf(pod)) ?? 0, failuresBefore(pod) + counts));
  }
  return failures;
}

function markFailedIndexes(
  job: Job,
  pods: readonly Pod[],
  failures: ReadonlyMap<number, number>,
  completed: ReadonlySet<number>,
  failed: Set<number>,
): void {
  const most = job.spec?.backoffLimitPerIndex;
  if (most === undefined) return;
  for (const [index, count] of failures) if (index >= 0 && count > most && !completed.has(index)) failed.add(index);
  for (const pod of pods) {
    if (!completed.has(indexOf(pod)) && hasFailed(job, pod) && failureVerdict(job, pod).action === "FailIndex")
      failed.add(indexOf(pod));
  }
}

/** The last failed pod of an index stays until its successor is there: it alone knows how often the index failed. */
function holdsFailureCount(
  job: Job,
  pod: Pod,
  pods: readonly Pod[],
  completed: ReadonlySet<number>,
  failed: ReadonlySet<number>,
): boolean {
  if (job.spec?.backoffLimitPerIndex === undefined || !hasFailed(job, pod)) return false;
  const index = indexOf(pod);
  if (completed.has(index) || failed.has(index)) return false;
  return !pods.some(
    (other) => other !== pod && indexOf(other) === index && failuresBefore(other) > failuresBefore(pod),
  );
}

/** The counts as status fields. */
export function countedFields(job: Job, counts: JobCounts): JobStatus {
  const { uncounted, failed, succeeded } = counts;
  const perIndex = job.spec?.backoffLimitPerIndex !== undefined;
  return {
    active: counts.active.length,
    ready: counts.ready,
    terminating: counts.terminating,
    succeeded: isIndexed(job) ? succeeded : succeeded - (uncounted.succeeded?.length ?? 0),
    failed: failed - (uncounted.failed?.length ?? 0),
    // Empty lists are not kept by the API: told without them, so that the same is seen to be the same.
    uncountedTerminatedPods: Object.fromEntries(Object.entries(uncounted).filter(([, names]) => names.length > 0)),
    ...(isIndexed(job) ? { completedIndexes: formatIndexes(counts.completedIndexes) } : {}),
    ...(perIndex ? { failedIndexes: formatIndexes(counts.failedIndexes) } : {}),
  };
}

/** Pods that still have to end, or to be counted, before the job is over. */
export function pendingEnds({ uncounted, active, terminating }: JobCounts): number {
  return (uncounted.succeeded?.length ?? 0) + (uncounted.failed?.length ?? 0) + active.length + terminating;
}
