import type { Container, Pod, PodSpec, Toleration } from "../kube-types.generated.ts";
import { copyTree, isJsonObject, sameTree } from "../tree.ts";
import { forbidden, invalid, required, type FieldErrors } from "./errors.ts";

const FIELDS =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/** ValidatePodUpdate: a pod's spec is fixed but for a few fields. */
export function checkPodUpdate(pod: Pod, old: Pod): FieldErrors {
  const spec = pod.spec ?? { containers: [] };
  const before = old.spec ?? { containers: [] };
  const counted = checkCounts(spec, before);
  if (counted.length > 0) return counted;
  const errors = [
    ...checkImages(spec, "containers"),
    ...checkImages(spec, "initContainers"),
    ...checkDeadline(spec, before),
  ];
  errors.push(...checkTolerations(spec.tolerations, before.tolerations), ...checkGates(spec, before));
  if (errors.length > 0) return errors;
  const munged = withAllowedChanges(spec, before);
  if (sameTree(munged, before)) return [];
  return [forbidden("spec", `${FIELDS}\n${difference(before, munged)}`)];
}

function checkCounts(spec: PodSpec, before: PodSpec): FieldErrors {
  const errors: FieldErrors = [];
  if (spec.containers.length !== before.containers.length) {
    errors.push(forbidden("spec.containers", "pod updates may not add or remove containers"));
  }
  if ((spec.initContainers?.length ?? 0) !== (before.initContainers?.length ?? 0)) {
    errors.push(forbidden("spec.initContainers", "pod updates may not add or remove containers"));
  }
  return errors;
}

function checkImages(spec: PodSpec, list: "containers" | "initContainers"): FieldErrors {
  return (spec[list] ?? []).flatMap(({ image }, index) => (image ? [] : [required(`spec.${list}[${index}].image`)]));
}

function checkDeadline(spec: PodSpec, before: PodSpec): FieldErrors {
  const now = spec.activeDeadlineSeconds;
  const was = before.activeDeadlineSeconds;
  if (was === undefined || now === was) return [];
  const path = "spec.activeDeadlineSeconds";
  if (now === undefined) return [invalid(path, now, "must not update from a positive integer to nil value")];
  return was < now ? [invalid(path, now, "must be less than or equal to previous value")] : [];
}

/** Tolerations may be added; of existing ones only the seconds may change. */
function checkTolerations(tolerations: readonly Toleration[] = [], before: readonly Toleration[] = []): FieldErrors {
  const strip = (toleration: Toleration): object => {
    const { tolerationSeconds: _, ...rest } = toleration;
    return rest;
  };
  const kept = before.every((old) => tolerations.some((toleration) => sameTree(strip(toleration), strip(old))));
  if (kept) return [];
  return [forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")];
}

function checkGates(spec: PodSpec, before: PodSpec): FieldErrors {
  const old = new Set((before.schedulingGates ?? []).map(({ name }) => name));
  return (spec.schedulingGates ?? [])
    .filter(({ name }) => !old.has(name))
    .map(({ name }) =>
      forbidden("spec.schedulingGates", `only deletion is allowed, but found new scheduling gate '${name}'`),
    );
}

/** The new spec with every change that is allowed taken back. */
function withAllowedChanges(spec: PodSpec, before: PodSpec): PodSpec {
  const munged = copyTree(spec);
  const images = (containers: Container[] | undefined, old: readonly Container[] | undefined): void => {
    for (const [index, container] of (containers ?? []).entries()) {
      const image = old?.[index]?.image;
      if (image !== undefined) container.image = image;
    }
  };
  images(munged.containers, before.containers);
  images(munged.initContainers, before.initContainers);
  restore(munged, before, "activeDeadlineSeconds");
  restore(munged, before, "tolerations");
  restore(munged, before, "schedulingGates");
  if (munged.terminationGracePeriodSeconds === 1 && (before.terminationGracePeriodSeconds ?? 0) < 0)
    restore(munged, before, "terminationGracePeriodSeconds");
  // A pod that the scheduler may not see yet can have its node selection narrowed.
  if (before.schedulingGates?.length) {
    const narrowed = Object.entries(before.nodeSelector ?? {}).every(
      ([key, value]) => munged.nodeSelector?.[key] === value,
    );
    if (narrowed) restore(munged, before, "nodeSelector");
    if (!before.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution)
      restore(munged, before, "affinity");
  }
  return munged;
}

function restore<K extends keyof PodSpec>(spec: PodSpec, before: PodSpec, field: K): void {
  if (before[field] === undefined) delete spec[field];
  else spec[field] = before[field];
}

/** The changed places, one line before and one after. */
function difference(before: unknown, after: unknown, path = "spec"): string {
  if (sameTree(before, after)) return "";
  if (isJsonObject(before) && isJsonObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return keys.map((key) => difference(before[key], after[key], `${path}.${key}`)).join("");
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    return before.map((item: unknown, index) => difference(item, after[index], `${path}[${index}]`)).join("");
  }
  const show = (sign: string, value: unknown): string =>
    value === undefined ? "" : `  ${sign} ${path}: ${JSON.stringify(value)}\n`;
  return show("-", before) + show("+", after);
}

/** Through `pods/ephemeralcontainers` only ephemeral containers may be added. */
export function checkEphemeralUpdate(pod: Pod, old: Pod): FieldErrors {
  const before = new Map((old.spec?.ephemeralContainers ?? []).map((container) => [container.name, container]));
  const errors: FieldErrors = [];
  const now = pod.spec?.ephemeralContainers ?? [];
  for (const [index, container] of now.entries()) {
    const was = before.get(container.name);
    if (was && !sameTree(was, container)) {
      errors.push(forbidden(`spec.ephemeralContainers[${index}]`, "existing ephemeral containers may not be changed"));
    }
    before.delete(container.name);
  }
  for (const name of before.keys()) {
    errors.push(
      forbidden("spec.ephemeralContainers", `existing ephemeral containers ${JSON.stringify(name)} may not be removed`),
    );
  }
  return errors;
}
