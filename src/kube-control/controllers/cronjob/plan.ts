import { parseCron } from "#formats/cron.ts";
import { parseKubeTime } from "#formats/kube-time.ts";
import type { CronJob, Job } from "#formats/kube-types.generated.ts";

export interface CronJobObserved {
  readonly cronJob: CronJob;
  /** Its jobs, finished or not. */
  readonly jobs: readonly Job[];
  readonly nowMs: number;
}

export interface CronJobPlan {
  /** The time that a job is to be started for. */
  readonly start: number | undefined;
  /** Running jobs that make way for it. */
  readonly replace: readonly Job[];
  /** Finished jobs past the history limits. */
  readonly forget: readonly Job[];
  /** Until the next scheduled time, in milliseconds from now. */
  readonly nextMs: number | undefined;
  readonly events: readonly {
    readonly type: "Normal" | "Warning";
    readonly reason: string;
    readonly message: string;
  }[];
}

/** More missed times than this and only the last counts, with a warning. */
const MANY_MISSED = 100;

export function isFinishedJob({ status }: Job): boolean {
  return (
    status?.conditions?.some(({ type, status: is }) => (type === "Complete" || type === "Failed") && is === "True") ??
    false
  );
}

/** What a cron job does now (pkg/controller/cronjob, syncCronJob). Throws `invalid` for a schedule that cannot be read. */
export function planCronJob(observed: CronJobObserved): CronJobPlan {
  const { cronJob, jobs, nowMs } = observed;
  const { schedule = "", timeZone, suspend, startingDeadlineSeconds, concurrencyPolicy = "Allow" } = cronJob.spec ?? {};
  const events: { type: "Normal" | "Warning"; reason: string; message: string }[] = [];
  const plan = { start: undefined, replace: [], forget: pastHistory(observed), nextMs: undefined, events };
  if (cronJob.metadata.deletionTimestamp || suspend) return plan;
  const cron = parseCron(schedule, timeZone);
  const next = cron.next(nowMs);
  const nextMs = next === undefined ? undefined : next - nowMs;
  const missed = lastMissed(observed, cron.next);
  if (missed.count > MANY_MISSED) {
    const message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
    events.push({ type: "Warning", reason: "TooManyMissedTimes", message });
  }
  const time = missed.time;
  if (time === undefined) return { ...plan, nextMs };
  if (startingDeadlineSeconds !== undefined && time + startingDeadlineSeconds * 1000 < nowMs) {
    events.push({
      type: "Warning",
      reason: "MissSchedule",
      message: `Missed scheduled time to start a job: ${new Date(time).toUTCString()}`,
    });
    return { ...plan, nextMs };
  }
  if (jobs.some((job) => job.metadata.name === jobName(cronJob, time))) return { ...plan, nextMs };
  const running = jobs.filter((job) => !isFinishedJob(job));
  if (concurrencyPolicy === "Forbid" && running.length > 0) {
    events.push({
      type: "Normal",
      reason: "JobAlreadyActive",
      message: "Not starting job because prior execution is running and concurrency policy is Forbid",
    });
    return { ...plan, nextMs };
  }
  return { ...plan, start: time, replace: concurrencyPolicy === "Replace" ? running : [], nextMs };
}

/** The last scheduled time that has passed without a job, and how many there were. */
function lastMissed(
  { cronJob, nowMs }: CronJobObserved,
  next: (after: number) => number | undefined,
): { time: number | undefined; count: number } {
  const created = parseKubeTime(cronJob.metadata.creationTimestamp) ?? nowMs;
  const deadline = cronJob.spec?.startingDeadlineSeconds;
  const last = parseKubeTime(cronJob.status?.lastScheduleTime) ?? created;
  const earliest = deadline === undefined ? last : Math.max(last, nowMs - deadline * 1000);
  let time: number | undefined;
  let count = 0;
  let from = earliest;
  const first = next(from);
  const second = first === undefined ? undefined : next(first);
  // After a long silence most times can be skipped: they are about as far apart as the first two.
  if (first !== undefined && second !== undefined && nowMs - first > MANY_MISSED * 2 * (second - first)) {
    const steps = Math.floor((nowMs - first) / (second - first)) - MANY_MISSED;
    count = steps;
    from = first + steps * (second - first);
    time = first;
  }
  for (let each = next(from); each !== undefined && each <= nowMs; each = next(each)) {
    time = each;
    count++;
  }
  return { time, count };
}

/** Named by the scheduled minute: of one time there is never a second job. */
export function jobName({ metadata }: CronJob, timeMs: number): string {
  return `${metadata.name ?? ""}-${Math.floor(timeMs / 60_000)}`;
}

function pastHistory({ cronJob, jobs }: CronJobObserved): Job[] {
  const { successfulJobsHistoryLimit = 3, failedJobsHistoryLimit = 1 } = cronJob.spec ?? {};
  const ended = (type: string): Job[] =>
    jobs
      .filter(({ status }) => status?.conditions?.some((each) => each.type === type && each.status === "True"))
      .toSorted(byStart);
  const surplus = (of: readonly Job[], limit: number): Job[] => of.slice(0, Math.max(0, of.length - limit));
  return [
    ...surplus(ended("Complete"), successfulJobsHistoryLimit),
    ...surplus(ended("Failed"), failedJobsHistoryLimit),
  ];
}

function byStart(a: Job, b: Job): number {
  const at = ({ status, metadata }: Job): number => parseKubeTime(status?.startTime ?? metadata.creationTimestamp) ?? 0;
  return at(a) - at(b);
}
