import type { Job, Pod } from "#formats/kube-types.generated.ts";
import { isReady, isTerminating } from "../shared/pods.ts";
import type { JobCounts } from "./counts.ts";
import { failureVerdict } from "./failure-policy.ts";
import {
  endedAtMs,
  failuresBefore,
  hasFailed,
  hasSucceeded,
  indexOf,
  isIndexed,
  replacesOnlyEnded,
} from "./job-pods.ts";

/** The pods that a running job gets and loses. */
export interface JobPlan {
  /** New pods; the index of each when the job has indexes. */
  readonly create: readonly { readonly index: number | undefined; readonly failures: number }[];
  readonly delete: readonly Pod[];
  /** When failed pods may be replaced, in milliseconds from now; undefined: nothing waits. */
  readonly waitMs: number | undefined;
}

const MAX_CREATE = 500;
const FIRST_DELAY_MS = 10_000;
const LAST_DELAY_MS = 600_000;

/** As many active pods as parallelism and what is left to do ask for; failed ones are replaced later and later. */
export function planJob(job: Job, pods: readonly Pod[], counts: JobCounts, nowMs: number): JobPlan {
  const { active } = counts;
  if (job.spec?.suspend) return { create: [], delete: active, waitMs: undefined };
  const wanted = wantedActive(job, counts);
  const surplus = [...duplicates(job, counts)];
  const rest = active.filter((pod) => !surplus.includes(pod)).toSorted(leastAdvanced);
  surplus.push(...rest.slice(0, Math.max(0, rest.length - wanted)));
  if (surplus.length > 0) return { create: [], delete: surplus.slice(0, MAX_CREATE), waitMs: undefined };
  const held = replacesOnlyEnded(job) ? counts.terminating : 0;
  const missing = Math.min(wanted - active.length - held, MAX_CREATE);
  if (missing <= 0) return { create: [], delete: [], waitMs: undefined };
  return isIndexed(job) ? createIndexed(job, pods, counts, missing, nowMs) : createPlain(job, pods, missing, nowMs);
}

function wantedActive(job: Job, counts: JobCounts): number {
  const { completions, parallelism = 1 } = job.spec ?? {};
  // A work queue job: once one has succeeded nobody else is started.
  if (completions === undefined)
    return counts.succeeded > 0 ? Math.min(counts.active.length, parallelism) : parallelism;
  return Math.max(0, Math.min(parallelism, completions - counts.succeeded - counts.failedIndexes.size));
}

/** Of pods of one index only one stays, and none of an index that is done. */
function duplicates(job: Job, counts: JobCounts): Set<Pod> {
  const extra = new Set<Pod>();
  if (!isIndexed(job)) return extra;
  const completions = job.spec?.completions ?? 0;
  for (const [index, pods] of Map.groupBy(counts.active, indexOf)) {
    const done =
      index < 0 || index >= completions || counts.completedIndexes.has(index) || counts.failedIndexes.has(index);
    for (const pod of done ? pods : pods.toSorted(leastAdvanced).slice(0, -1)) extra.add(pod);
  }
  return extra;
}

function createPlain(job: Job, pods: readonly Pod[], missing: number, nowMs: number): JobPlan {
  const wait = backoffMs(job, pods, nowMs);
  if (wait > 0) return { create: [], delete: [], waitMs: wait };
  return {
    create: Array.from({ length: missing }, () => ({ index: undefined, failures: 0 })),
    delete: [],
    waitMs: undefined,
  };
}

function createIndexed(job: Job, pods: readonly Pod[], counts: JobCounts, missing: number, nowMs: number): JobPlan {
  const busy = new Set(pods.filter((pod) => occupies(job, pod)).map(indexOf));
  const perIndex = job.spec?.backoffLimitPerIndex !== undefined;
  const common = perIndex ? 0 : backoffMs(job, pods, nowMs);
  if (common > 0) return { create: [], delete: [], waitMs: common };
  const byIndex = perIndex ? Map.groupBy(pods, indexOf) : new Map<number, Pod[]>();
  const create: { index: number; failures: number }[] = [];
  const waits: number[] = [];
  for (let index = 0; index < (job.spec?.completions ?? 0) && create.length < missing; index++) {
    if (busy.has(index) || counts.completedIndexes.has(index) || counts.failedIndexes.has(index)) continue;
    const wait = perIndex ? backoffMs(job, byIndex.get(index) ?? [], nowMs) : 0;
    if (wait > 0) waits.push(wait);
    else create.push({ index, failures: counts.failures.get(index) ?? 0 });
  }
  return { create, delete: [], waitMs: waits.length === 0 ? undefined : Math.min(...waits) };
}

/** A pod because of which its index gets no other one. */
function occupies(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") return false;
  return !isTerminating(pod) || replacesOnlyEnded(job);
}

/** How long until a failed pod may be replaced: 10 s, doubling with each failure since the last success, up to ten minutes. */
function backoffMs(job: Job, pods: readonly Pod[], nowMs: number): number {
  const lastSuccess = Math.max(0, ...pods.filter(hasSucceeded).map(endedAtMs));
  const failed = pods.filter((pod) => hasFailed(job, pod) && failureVerdict(job, pod).action !== "Ignore");
  const since = failed.map(endedAtMs).filter((at) => at >= lastSuccess);
  if (since.length === 0) return 0;
  const count = Math.max(since.length, ...failed.map((pod) => failuresBefore(pod) + 1));
  const delay = Math.min(FIRST_DELAY_MS * 2 ** (count - 1), LAST_DELAY_MS);
  return Math.max(0, Math.max(...since) + delay - nowMs);
}

/** Those that have come the least far first. */
function leastAdvanced(a: Pod, b: Pod): number {
  const progress = (pod: Pod): number =>
    Number(Boolean(pod.spec?.nodeName)) + Number(pod.status?.phase === "Running") + Number(isReady(pod));
  const created = ({ metadata }: Pod): number => Date.parse(metadata.creationTimestamp ?? "");
  return progress(a) - progress(b) || created(b) - created(a) || indexOf(b) - indexOf(a);
}
