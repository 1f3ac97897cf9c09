import { isDnsLabel, isLabelValue, isQualifiedName } from "../kube-names.ts";
import type { LabelSelector, LabelSelectorRequirement, ObjectMeta, OwnerReference } from "../kube-types.generated.ts";
import {
  at,
  child,
  each,
  forbidden,
  invalid,
  invalidEach,
  nonNegative,
  required,
  tooLong,
  type FieldErrors,
} from "./errors.ts";

type NameRule = (name: string) => string[];

const MAX_ANNOTATION_BYTES = 256 * 1024;
const STANDARD_FINALIZERS = ["kubernetes", "orphan", "foregroundDeletion"];
export const IMMUTABLE = "field is immutable";

/** ValidateObjectMeta. `rule` checks the name. */
export function checkMeta(meta: ObjectMeta, namespaced: boolean, rule: NameRule, path = "metadata"): FieldErrors {
  const errors: FieldErrors = [];
  const { name, generateName, namespace } = meta;
  // A generated name ends in letters and digits, so a trailing dash of its base is fine.
  if (generateName)
    errors.push(...invalidEach(child(path, "generateName"), generateName, rule(generateName.replace(/-$/, "a"))));
  if (!name) errors.push(required(child(path, "name"), "name or generateName is required"));
  else errors.push(...invalidEach(child(path, "name"), name, rule(name)));
  const where = child(path, "namespace");
  if (!namespaced && namespace) errors.push(forbidden(where, "not allowed on this type"));
  if (namespaced && !namespace) errors.push(required(where));
  if (namespaced && namespace) errors.push(...invalidEach(where, namespace, isDnsLabel(namespace)));
  errors.push(...nonNegative(child(path, "generation"), meta.generation));
  errors.push(...checkLabels(meta.labels, child(path, "labels")));
  errors.push(...checkAnnotations(meta.annotations, child(path, "annotations")));
  errors.push(...checkOwners(meta.ownerReferences, child(path, "ownerReferences")));
  errors.push(...checkFinalizerNames(meta.finalizers, child(path, "finalizers")));
  return errors;
}

/** ValidateObjectMetaUpdate, of what the request handling has not settled already. */
export function checkMetaUpdate(meta: ObjectMeta, old: ObjectMeta, path = "metadata"): FieldErrors {
  const errors: FieldErrors = [];
  for (const field of ["name", "namespace", "uid", "creationTimestamp"] as const) {
    if (meta[field] !== old[field]) errors.push(invalid(child(path, field), meta[field] ?? "", IMMUTABLE));
  }
  if ((meta.generation ?? 0) < (old.generation ?? 0)) {
    errors.push(invalid(child(path, "generation"), meta.generation ?? 0, "must not be decremented"));
  }
  return errors;
}

export function checkLabels(labels: Readonly<Record<string, string>> | undefined, path: string): FieldErrors {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...invalidEach(path, key, isQualifiedName(key)),
    ...invalidEach(path, value, isLabelValue(value)),
  ]);
}

export function checkAnnotations(annotations: Readonly<Record<string, string>> | undefined, path: string): FieldErrors {
  const entries = Object.entries(annotations ?? {});
  const errors = entries.flatMap(([key]) => invalidEach(path, key, isQualifiedName(key.toLowerCase())));
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (bytes > MAX_ANNOTATION_BYTES) errors.push(tooLong(path, MAX_ANNOTATION_BYTES));
  return errors;
}

function checkOwners(owners: readonly OwnerReference[] | undefined, path: string): FieldErrors {
  const errors = (owners ?? []).flatMap((owner) => checkOwner(owner, path));
  const [first, second] = (owners ?? []).filter(({ controller }) => controller);
  if (first && second) {
    const detail = `Only one reference can have Controller set to true. Found "true" in references for ${first.name} and ${second.name}`;
    errors.push(invalid(path, owners, detail));
  }
  return errors;
}

function checkOwner(owner: OwnerReference, path: string): FieldErrors {
  const errors: FieldErrors = [];
  const { apiVersion, kind, name, uid } = owner;
  if (!apiVersion) errors.push(invalid(child(path, "apiVersion"), apiVersion, "version must not be empty"));
  if (!kind) errors.push(invalid(child(path, "kind"), kind, "must not be empty"));
  if (!name) errors.push(invalid(child(path, "name"), name, "must not be empty"));
  if (!uid) errors.push(invalid(child(path, "uid"), uid, "must not be empty"));
  if (apiVersion === "v1" && kind === "Event")
    errors.push(invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"));
  return errors;
}

/** Finalizers of any object: qualified names, and not both ways of treating dependents. */
function checkFinalizerNames(finalizers: readonly string[] | undefined, path: string): FieldErrors {
  const list = finalizers ?? [];
  const errors = list.flatMap((name) => invalidEach(path, name, isQualifiedName(name)));
  if (list.includes("orphan") && list.includes("foregroundDeletion")) {
    errors.push(invalid(path, list, "finalizer set cannot have both orphan and foregroundDeletion"));
  }
  return errors;
}

/** Kubernetes' own kinds, and a namespace's spec: names without a domain are only the standard ones. */
export function checkStandardFinalizers(finalizers: readonly string[] | undefined, path: string): FieldErrors {
  const odd = (finalizers ?? []).filter((name) => !name.includes("/") && !STANDARD_FINALIZERS.includes(name));
  return odd.map((name) => invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified"));
}

/** Both. */
export function checkFinalizers(finalizers: readonly string[] | undefined, path: string): FieldErrors {
  return [...checkFinalizerNames(finalizers, path), ...checkStandardFinalizers(finalizers, path)];
}

/** ValidateLabelSelector. */
export function checkSelector(selector: LabelSelector | undefined, path: string): FieldErrors {
  if (!selector) return [];
  return [
    ...checkLabels(selector.matchLabels, child(path, "matchLabels")),
    ...each(child(path, "matchExpressions"), selector.matchExpressions, checkExpression),
  ];
}

function checkExpression({ key, operator, values }: LabelSelectorRequirement, path: string): FieldErrors {
  const errors: FieldErrors = [];
  const given = values?.length ?? 0;
  if (operator === "In" || operator === "NotIn") {
    if (given === 0)
      errors.push(required(child(path, "values"), "must be specified when `operator` is 'In' or 'NotIn'"));
  } else if (operator === "Exists" || operator === "DoesNotExist") {
    if (given > 0)
      errors.push(
        forbidden(child(path, "values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      );
  } else errors.push(invalid(child(path, "operator"), operator, "not a valid selector operator"));
  errors.push(...invalidEach(child(path, "key"), key, isQualifiedName(key)));
  for (const [index, value] of (values ?? []).entries()) {
    errors.push(...invalidEach(at(child(path, "values"), index), value, isLabelValue(value)));
  }
  return errors;
}
