import { GantryError } from "#base/errors.ts";
import { parseCron } from "../cron.ts";
import { isTimeZone } from "../cron/zones.ts";
import type { CronJob, Job, JobSpec } from "../kube-types.generated.ts";
import { sameTree } from "../tree.ts";
import {
  child,
  invalid,
  nonNegative,
  notSupported,
  oneOf,
  optionalOneOf,
  required,
  type FieldErrors,
} from "./errors.ts";
import { checkSelector, IMMUTABLE } from "./meta.ts";
import { checkTemplate } from "./pod.ts";

export function checkJob({ spec }: Job): FieldErrors {
  if (!spec) return [required("spec.template")];
  const errors = checkJobSpec(spec, "spec");
  if (!spec.selector) errors.unshift(required("spec.selector"));
  return errors;
}

/** ValidateJobSpec: a job's, or the one in a cron job's template. */
function checkJobSpec(spec: JobSpec, path: string): FieldErrors {
  const errors: FieldErrors = [];
  const counts = [
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
  ] as const;
  for (const field of counts) errors.push(...nonNegative(child(path, field), spec[field]));
  errors.push(...checkSelector(spec.selector, child(path, "selector")));
  errors.push(...optionalOneOf(child(path, "completionMode"), spec.completionMode, ["NonIndexed", "Indexed"]));
  errors.push(
    ...optionalOneOf(child(path, "podReplacementPolicy"), spec.podReplacementPolicy, ["Failed", "TerminatingOrFailed"]),
  );
  if (spec.completionMode === "Indexed") errors.push(...checkIndexed(spec, path));
  else errors.push(...checkNotIndexed(spec, path));
  errors.push(...checkTemplate(spec.template, child(path, "template")));
  const policy = spec.template?.spec?.restartPolicy;
  const where = child(path, "template", "spec", "restartPolicy");
  if (policy === "Always") errors.push(notSupported(where, policy, ["OnFailure", "Never"]));
  if (spec.podFailurePolicy && policy !== "Never") {
    errors.push(invalid(where, policy, 'only "Never" is supported when podFailurePolicy is specified'));
  }
  return errors;
}

function checkIndexed(spec: JobSpec, path: string): FieldErrors {
  const errors: FieldErrors = [];
  if (spec.completions === undefined)
    errors.push(required(child(path, "completions"), "when completion mode is Indexed"));
  const parallelism = spec.parallelism ?? 0;
  if (parallelism > 100_000)
    errors.push(
      invalid(
        child(path, "parallelism"),
        parallelism,
        "must be less than or equal to 100000 when completion mode is Indexed",
      ),
    );
  if (spec.maxFailedIndexes !== undefined && spec.maxFailedIndexes > (spec.completions ?? 0)) {
    errors.push(
      invalid(child(path, "maxFailedIndexes"), spec.maxFailedIndexes, "must be less than or equal to completions"),
    );
  }
  return errors;
}

function checkNotIndexed(spec: JobSpec, path: string): FieldErrors {
  const errors: FieldErrors = [];
  for (const field of ["backoffLimitPerIndex", "maxFailedIndexes"] as const) {
    if (spec[field] !== undefined)
      errors.push(invalid(child(path, field), spec[field], "requires indexed completion mode"));
  }
  return errors;
}

/** A job's pods and its size, once given, are fixed; a suspended one that never started may still be re-scheduled. */
export function checkJobUpdate(job: Job, old: Job): FieldErrors {
  const errors: FieldErrors = [];
  const spec = job.spec;
  const before = old.spec;
  if (!spec || !before) return errors;
  const resizable = spec.completionMode === "Indexed" && spec.completions === spec.parallelism;
  if (spec.completions !== before.completions && !resizable)
    errors.push(invalid("spec.completions", spec.completions, IMMUTABLE));
  for (const field of [
    "selector",
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
  ] as const) {
    if (!sameTree(spec[field], before[field])) errors.push(invalid(`spec.${field}`, spec[field], IMMUTABLE));
  }
  const suspended = before.suspend && old.status?.startTime === undefined;
  if (!sameTree(fixedTemplate(spec, suspended ?? false), fixedTemplate(before, suspended ?? false))) {
    errors.push(invalid("spec.template", spec.template, IMMUTABLE));
  }
  return errors;
}

function fixedTemplate(spec: JobSpec, suspended: boolean): unknown {
  if (!suspended) return spec.template;
  const {
    nodeSelector: _,
    tolerations: __,
    schedulingGates: ___,
    affinity: ____,
    ...rest
  } = spec.template.spec ?? { containers: [] };
  return { spec: rest };
}

export function checkCronJob({ metadata, spec }: CronJob): FieldErrors {
  const errors: FieldErrors = [];
  const { schedule = "", timeZone, concurrencyPolicy, jobTemplate } = spec ?? {};
  // Jobs take the name and eleven characters more.
  if ((metadata.name?.length ?? 0) > 52)
    errors.push(invalid("metadata.name", metadata.name, "must be no more than 52 characters"));
  if (schedule === "") errors.push(required("spec.schedule"));
  else errors.push(...checkSchedule(schedule));
  if (timeZone !== undefined) errors.push(...checkZone(timeZone));
  errors.push(...nonNegative("spec.startingDeadlineSeconds", spec?.startingDeadlineSeconds));
  errors.push(...oneOf("spec.concurrencyPolicy", concurrencyPolicy, ["Allow", "Forbid", "Replace"]));
  errors.push(...nonNegative("spec.successfulJobsHistoryLimit", spec?.successfulJobsHistoryLimit));
  errors.push(...nonNegative("spec.failedJobsHistoryLimit", spec?.failedJobsHistoryLimit));
  if (jobTemplate?.spec) errors.push(...checkJobSpec(jobTemplate.spec, "spec.jobTemplate.spec"));
  if (jobTemplate?.spec?.manualSelector) {
    errors.push(notSupported("spec.jobTemplate.spec.manualSelector", true, []));
  }
  return errors;
}

function checkSchedule(schedule: string): FieldErrors {
  if (schedule.includes("TZ")) {
    return [invalid("spec.schedule", schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")];
  }
  try {
    parseCron(schedule);
    return [];
  } catch (error) {
    if (error instanceof GantryError) return [invalid("spec.schedule", schedule, error.message)];
    throw error;
  }
}

function checkZone(timeZone: string): FieldErrors {
  if (timeZone === "") return [invalid("spec.timeZone", timeZone, "timeZone must be nil or non-empty string")];
  if (timeZone.toLowerCase() === "local") {
    return [
      invalid(
        "spec.timeZone",
        timeZone,
        "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
      ),
    ];
  }
  return isTimeZone(timeZone) ? [] : [invalid("spec.timeZone", timeZone, `unknown time zone ${timeZone}`)];
}
