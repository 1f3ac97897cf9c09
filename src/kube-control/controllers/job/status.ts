import { kubeTime } from "#formats/kube-time.ts";
import type { Job, JobCondition, JobStatus } from "#formats/kube-types.generated.ts";
import { countedFields, pendingEnds, type JobCounts } from "./counts.ts";
import type { Outcome } from "./outcome.ts";

/** Something to be said of the job, once its status is written. */
export interface JobEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

export interface JobStatusPlan {
  readonly status: JobStatus;
  readonly events: readonly JobEvent[];
}

/** The status after a look at the job: counts, whether it is suspended, how it ends. */
export function planStatus(job: Job, counts: JobCounts, ending: Outcome | undefined, nowMs: number): JobStatusPlan {
  const now = kubeTime(nowMs);
  const before = job.status ?? {};
  const suspended = job.spec?.suspend ?? false;
  const events: JobEvent[] = [];
  let conditions = [...(before.conditions ?? [])];
  let startTime = before.startTime ?? (suspended ? undefined : now);
  let completionTime = before.completionTime;
  const put = (condition: Pick<JobCondition, "type" | "status" | "reason" | "message">): void => {
    conditions = withJobCondition(conditions, condition, now);
  };
  if (ending) {
    const { kind, reason, message } = ending;
    put({ type: kind === "Failed" ? "FailureTarget" : "SuccessCriteriaMet", status: "True", reason, message });
    if (pendingEnds(counts) === 0) {
      put({ type: kind, status: "True", reason, message });
      if (kind === "Complete") {
        completionTime = now;
        events.push({ type: "Normal", reason: "Completed", message: "Job completed" });
      } else events.push({ type: "Warning", reason, message });
    }
  } else {
    const known = conditions.find(({ type }) => type === "Suspended")?.status === "True";
    if (suspended && !known) {
      put({ type: "Suspended", status: "True", reason: "JobSuspended", message: "Job suspended" });
      events.push({ type: "Normal", reason: "Suspended", message: "Job suspended" });
    } else if (!suspended && known) {
      put({ type: "Suspended", status: "False", reason: "JobResumed", message: "Job resumed" });
      events.push({ type: "Normal", reason: "Resumed", message: "Job resumed" });
      startTime = now;
    }
    if (suspended) startTime = undefined;
  }
  const status: JobStatus = {
    ...before,
    ...countedFields(job, counts),
    startTime,
    ...(completionTime && { completionTime }),
    conditions,
  };
  return { status, events };
}

function withJobCondition(
  conditions: readonly JobCondition[],
  condition: Pick<JobCondition, "type" | "status" | "reason" | "message">,
  now: string,
): JobCondition[] {
  const known = conditions.find(({ type }) => type === condition.type);
  if (known?.status === condition.status) return [...conditions];
  return [
    ...conditions.filter((each) => each !== known),
    { ...condition, lastProbeTime: now, lastTransitionTime: now },
  ];
}
