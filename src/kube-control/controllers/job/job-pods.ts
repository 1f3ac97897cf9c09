import { parseKubeTime } from "#formats/kube-time.ts";
import type { EnvVar, Job, Pod } from "#formats/kube-types.generated.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { podFromTemplate } from "../shared/pod-control.ts";
import { isTerminating } from "../shared/pods.ts";

/** On a job's pods until they have been counted. */
export const TRACKING_FINALIZER = "batch.kubernetes.io/job-tracking";
export const INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index";
/** How often pods of the index had failed before this one. */
export const FAILURES_ANNOTATION = "batch.kubernetes.io/job-index-failure-count";

export function isIndexed(job: Job): boolean {
  return job.spec?.completionMode === "Indexed";
}

/** Only pods that have ended are replaced, not those that are being deleted. */
export function replacesOnlyEnded(job: Job): boolean {
  const { podReplacementPolicy, podFailurePolicy } = job.spec ?? {};
  return podReplacementPolicy === "Failed" || (podReplacementPolicy === undefined && podFailurePolicy !== undefined);
}

export function hasSucceeded(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded";
}

/** Failed, or, unless only ended pods are replaced, being deleted before it succeeded. */
export function hasFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === "Failed") return true;
  return !replacesOnlyEnded(job) && isTerminating(pod) && !hasSucceeded(pod);
}

export function isTracked(pod: Pod): boolean {
  return pod.metadata.finalizers?.includes(TRACKING_FINALIZER) ?? false;
}

export function indexOf(pod: Pod): number {
  const text = pod.metadata.annotations?.[INDEX_ANNOTATION];
  return text !== undefined && /^[0-9]+$/.test(text) ? Number(text) : -1;
}

/** Failures of the index before this pod. */
export function failuresBefore(pod: Pod): number {
  const count = Number(pod.metadata.annotations?.[FAILURES_ANNOTATION]);
  return Number.isSafeInteger(count) ? count : 0;
}

/** When a pod ended, in epoch milliseconds. */
export function endedAtMs(pod: Pod): number {
  const times = (pod.status?.containerStatuses ?? []).map(
    ({ state }) => parseKubeTime(state?.terminated?.finishedAt) ?? 0,
  );
  return (
    Math.max(...times, 0) || (parseKubeTime(pod.metadata.deletionTimestamp ?? pod.metadata.creationTimestamp) ?? 0)
  );
}

/** A pod for the job, of one index when it has indexes. */
export function jobPod(job: Job, index: number | undefined, failures: number): Pod {
  const template = job.spec?.template ?? { spec: { containers: [] } };
  const pod = podFromTemplate(template, RESOURCES.jobs, job);
  const finalizers = [...(pod.metadata.finalizers ?? []), TRACKING_FINALIZER];
  if (index === undefined || !pod.spec) return { ...pod, metadata: { ...pod.metadata, finalizers } };
  const name = job.metadata.name ?? "";
  const perIndex = job.spec?.backoffLimitPerIndex !== undefined;
  const annotations = {
    ...pod.metadata.annotations,
    [INDEX_ANNOTATION]: String(index),
    ...(perIndex ? { [FAILURES_ANNOTATION]: String(failures) } : {}),
  };
  const labels = { ...pod.metadata.labels, [INDEX_ANNOTATION]: String(index) };
  const env: EnvVar = {
    name: "JOB_COMPLETION_INDEX",
    valueFrom: { fieldRef: { fieldPath: `metadata.labels['${INDEX_ANNOTATION}']` } },
  };
  const withIndex = <C extends { env?: EnvVar[] }>(container: C): C =>
    container.env?.some((each) => each.name === env.name)
      ? container
      : { ...container, env: [...(container.env ?? []), env] };
  return {
    ...pod,
    metadata: { ...pod.metadata, generateName: `${name}-${index}-`, finalizers, annotations, labels },
    spec: {
      ...pod.spec,
      hostname: `${name}-${index}`,
      containers: pod.spec.containers.map(withIndex),
      ...(pod.spec.initContainers && { initContainers: pod.spec.initContainers.map(withIndex) }),
    },
  };
}
