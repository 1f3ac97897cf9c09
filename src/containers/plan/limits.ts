import { GantryError } from "#base/errors.ts";
import type { OciProcess } from "#formats/oci-spec.ts";
import type { Step } from "#linux/launch-plan.ts";

/** In the kernel's order (asm-generic/resource.h). */
const RESOURCES =
  "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME".split(" ");
const UNLIMITED = 2n ** 64n - 1n;

const POLICIES: Readonly<Record<string, number>> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};
const SCHEDULER_FLAGS: Readonly<Record<string, bigint>> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01n,
  SCHED_FLAG_RECLAIM: 0x02n,
  SCHED_FLAG_DL_OVERRUN: 0x04n,
  SCHED_FLAG_KEEP_POLICY: 0x08n,
  SCHED_FLAG_KEEP_PARAMS: 0x10n,
};
const IO_CLASSES: Readonly<Record<string, number>> = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 };
const IO_CLASS_SHIFT = 13;

export function rlimitSteps({ rlimits = [] }: OciProcess): readonly Step[] {
  const types = new Set(rlimits.map(({ type }) => type));
  if (types.size < rlimits.length)
    throw new GantryError("invalid", "a resource limit is given twice", { field: "process.rlimits" });
  return rlimits.map(({ type, soft, hard }) => {
    const resource = RESOURCES.indexOf(type.replace(/^RLIMIT_/, ""));
    if (resource < 0 || !type.startsWith("RLIMIT_"))
      throw new GantryError("invalid", `invalid rlimit type: ${type}`, { field: "process.rlimits" });
    const step = { step: "rlimit", resource, soft: limitValue(soft), hard: limitValue(hard) } as const;
    if (step.soft > step.hard)
      throw new GantryError("invalid", `${type}: the soft limit is above the hard one`, { field: "process.rlimits" });
    return step;
  });
}

/** -1, and what JSON cannot hold exactly near 2^64, mean unlimited. */
function limitValue(value: number): bigint {
  return value < 0 || value >= 2 ** 63 ? UNLIMITED : BigInt(Math.trunc(value));
}

export function schedulingSteps({ ioPriority, scheduler }: OciProcess): readonly Step[] {
  const steps: Step[] = [];
  if (ioPriority) {
    const ioClass = IO_CLASSES[ioPriority.class];
    if (ioClass === undefined)
      throw new GantryError("invalid", `invalid I/O class ${ioPriority.class}`, { field: "process.ioPriority" });
    steps.push({ step: "io-priority", priority: (ioClass << IO_CLASS_SHIFT) | (ioPriority.priority & 7) });
  }
  if (scheduler) steps.push(schedulerStep(scheduler));
  return steps;
}

function schedulerStep(scheduler: NonNullable<OciProcess["scheduler"]>): Step {
  const policy = POLICIES[scheduler.policy];
  if (policy === undefined)
    throw new GantryError("unsupported", `scheduler policy ${scheduler.policy} is not supported`, {
      field: "process.scheduler.policy",
    });
  const flags = (scheduler.flags ?? []).reduce((bits, name) => {
    const flag = SCHEDULER_FLAGS[name];
    if (flag === undefined)
      throw new GantryError("unsupported", `scheduler flag ${name} is not supported`, {
        field: "process.scheduler.flags",
      });
    return bits | flag;
  }, 0n);
  const { nice = 0, priority = 0, runtime = 0, deadline = 0, period = 0 } = scheduler;
  return {
    step: "scheduler",
    policy,
    flags,
    nice,
    priority,
    runtime: BigInt(runtime),
    deadline: BigInt(deadline),
    period: BigInt(period),
  };
}
