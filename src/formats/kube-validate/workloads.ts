import { isDnsSubdomain, isPercent } from "../kube-names.ts";
import type {
  DaemonSet,
  Deployment,
  LabelSelector,
  PersistentVolumeClaim,
  PodTemplateSpec,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from "../kube-types.generated.ts";
import { matchesSelector, selectorOf, selectorOfMap } from "../selectors.ts";
import { sameTree } from "../tree.ts";
import {
  child,
  each,
  forbidden,
  invalid,
  invalidEach,
  nonNegative,
  notSupported,
  oneOf,
  required,
  type FieldErrors,
} from "./errors.ts";
import { checkSelector, IMMUTABLE } from "./meta.ts";
import { checkRestartAlways, checkTemplate } from "./pod.ts";

type Amount = number | string | undefined;

/** A selector of a controller, and a template that it must match. */
function checkSelected(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  what: string,
): FieldErrors {
  const errors: FieldErrors = [];
  if (!selector) errors.push(required("spec.selector"));
  else {
    errors.push(...checkSelector(selector, "spec.selector"));
    if (!selector.matchExpressions?.length && Object.keys(selector.matchLabels ?? {}).length === 0) {
      errors.push(invalid("spec.selector", selector, `empty selector is invalid for ${what}`));
    }
  }
  if (!template) return [...errors, required("spec.template")];
  const labels = template.metadata?.labels ?? {};
  if (errors.length === 0 && selector && !matchesSelector(selectorOf(selector), labels)) {
    errors.push(invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"));
  }
  return [...errors, ...checkTemplate(template, "spec.template")];
}

/** ValidatePositiveIntOrPercent. */
export function checkAmount(amount: Amount, path: string): FieldErrors {
  if (amount === undefined) return [];
  if (typeof amount === "string") return invalidEach(path, amount, isPercent(amount));
  return nonNegative(path, amount);
}

function checkMostHundred(amount: Amount, path: string): FieldErrors {
  const percent = typeof amount === "string" && /^[0-9]+%$/.test(amount) ? Number(amount.slice(0, -1)) : 0;
  return percent > 100 ? [invalid(path, amount, "must not be greater than 100%")] : [];
}

function isZero(amount: Amount): boolean {
  return amount === undefined || amount === 0 || (typeof amount === "string" && /^0+%$/.test(amount));
}

export function checkDeployment({ spec }: Deployment): FieldErrors {
  const { replicas, minReadySeconds, revisionHistoryLimit, strategy, progressDeadlineSeconds, selector, template } =
    spec ?? {};
  const errors = nonNegative("spec.replicas", replicas);
  errors.push(
    ...checkSelected(selector, template, "deployment"),
    ...checkRestartAlways(template, "Deployment", "spec.template"),
  );
  errors.push(...checkStrategy(strategy), ...nonNegative("spec.minReadySeconds", minReadySeconds));
  errors.push(...nonNegative("spec.revisionHistoryLimit", revisionHistoryLimit));
  errors.push(...nonNegative("spec.progressDeadlineSeconds", progressDeadlineSeconds));
  if (progressDeadlineSeconds !== undefined && progressDeadlineSeconds <= (minReadySeconds ?? 0)) {
    errors.push(
      invalid("spec.progressDeadlineSeconds", progressDeadlineSeconds, "must be greater than minReadySeconds"),
    );
  }
  return errors;
}

function checkStrategy(strategy: NonNullable<Deployment["spec"]>["strategy"]): FieldErrors {
  const path = "spec.strategy";
  const { type, rollingUpdate } = strategy ?? {};
  if (type === "Recreate") {
    return rollingUpdate
      ? [forbidden(child(path, "rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'")]
      : [];
  }
  if (type !== "RollingUpdate") return [notSupported(child(path, "type"), type ?? "", ["Recreate", "RollingUpdate"])];
  if (!rollingUpdate) return [required(child(path, "rollingUpdate"), "this should be defaulted and never be nil")];
  return checkRolling(rollingUpdate.maxUnavailable, rollingUpdate.maxSurge, child(path, "rollingUpdate"));
}

function checkRolling(maxUnavailable: Amount, maxSurge: Amount, path: string): FieldErrors {
  const errors = [
    ...checkAmount(maxUnavailable, child(path, "maxUnavailable")),
    ...checkAmount(maxSurge, child(path, "maxSurge")),
  ];
  if (isZero(maxUnavailable) && isZero(maxSurge)) {
    errors.push(invalid(child(path, "maxUnavailable"), maxUnavailable, "may not be 0 when `maxSurge` is 0"));
  }
  return [...errors, ...checkMostHundred(maxUnavailable, child(path, "maxUnavailable"))];
}

export function checkSelectorKept(
  object: { spec?: { selector?: unknown } },
  old: { spec?: { selector?: unknown } },
): FieldErrors {
  return sameTree(object.spec?.selector, old.spec?.selector)
    ? []
    : [invalid("spec.selector", object.spec?.selector, IMMUTABLE)];
}

export function checkReplicaSet({ spec }: ReplicaSet): FieldErrors {
  const { replicas, minReadySeconds, selector, template } = spec ?? {};
  return [
    ...nonNegative("spec.replicas", replicas),
    ...nonNegative("spec.minReadySeconds", minReadySeconds),
    ...checkSelected(selector, template, "replicaset"),
    ...checkRestartAlways(template, "ReplicaSet", "spec.template"),
  ];
}

export function checkReplicationController({ spec }: ReplicationController): FieldErrors {
  const { replicas, minReadySeconds, selector, template } = spec ?? {};
  const errors = [...nonNegative("spec.minReadySeconds", minReadySeconds)];
  if (!selector || Object.keys(selector).length === 0) errors.push(required("spec.selector"));
  errors.push(...nonNegative("spec.replicas", replicas));
  if (!template) return [...errors, required("spec.template")];
  const labels = template.metadata?.labels ?? {};
  if (selector && !matchesSelector(selectorOfMap(selector), labels)) {
    errors.push(invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"));
  }
  return [
    ...errors,
    ...checkTemplate(template, "spec.template"),
    ...checkRestartAlways(template, "ReplicationController", "spec.template"),
  ];
}

export function checkDaemonSet({ spec }: DaemonSet): FieldErrors {
  const { selector, template, minReadySeconds, updateStrategy, revisionHistoryLimit } = spec ?? {};
  const errors = [
    ...checkSelected(selector, template, "daemonset"),
    ...checkRestartAlways(template, "DaemonSet", "spec.template"),
  ];
  errors.push(...nonNegative("spec.minReadySeconds", minReadySeconds));
  const { type, rollingUpdate } = updateStrategy ?? {};
  const path = "spec.updateStrategy.rollingUpdate";
  errors.push(...oneOf("spec.updateStrategy.type", type, ["OnDelete", "RollingUpdate"]));
  if (type === "RollingUpdate" && !rollingUpdate) errors.push(required(path));
  else if (type === "RollingUpdate") {
    const { maxUnavailable, maxSurge } = rollingUpdate ?? {};
    errors.push(
      ...checkAmount(maxUnavailable, child(path, "maxUnavailable")),
      ...checkAmount(maxSurge, child(path, "maxSurge")),
    );
    errors.push(
      ...checkMostHundred(maxUnavailable, child(path, "maxUnavailable")),
      ...checkMostHundred(maxSurge, child(path, "maxSurge")),
    );
    if (!isZero(maxUnavailable) && !isZero(maxSurge))
      errors.push(invalid(child(path, "maxSurge"), maxSurge, "may not be set when maxUnavailable is non-zero"));
    if (isZero(maxUnavailable) && isZero(maxSurge))
      errors.push(required(child(path, "maxUnavailable"), "cannot be 0 when maxSurge is 0"));
  }
  return [...errors, ...nonNegative("spec.revisionHistoryLimit", revisionHistoryLimit)];
}

export function checkStatefulSet({ spec }: StatefulSet): FieldErrors {
  const { podManagementPolicy, updateStrategy, replicas, minReadySeconds, selector, template, serviceName } =
    spec ?? {};
  const errors = oneOf("spec.podManagementPolicy", podManagementPolicy, ["OrderedReady", "Parallel"]);
  const { type, rollingUpdate } = updateStrategy ?? {};
  const path = "spec.updateStrategy";
  errors.push(...oneOf(child(path, "type"), type, ["OnDelete", "RollingUpdate"]));
  if (type === "OnDelete" && rollingUpdate)
    errors.push(
      invalid(child(path, "rollingUpdate"), rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'"),
    );
  if (type === "RollingUpdate") {
    errors.push(...nonNegative(child(path, "rollingUpdate", "partition"), rollingUpdate?.partition));
    errors.push(...checkAmount(rollingUpdate?.maxUnavailable, child(path, "rollingUpdate", "maxUnavailable")));
  }
  errors.push(...nonNegative("spec.replicas", replicas), ...nonNegative("spec.minReadySeconds", minReadySeconds));
  errors.push(...nonNegative("spec.ordinals.start", spec?.ordinals?.start));
  if (serviceName) errors.push(...invalidEach("spec.serviceName", serviceName, isDnsSubdomain(serviceName)));
  const retention = spec?.persistentVolumeClaimRetentionPolicy;
  for (const field of ["whenDeleted", "whenScaled"] as const) {
    if (retention)
      errors.push(
        ...oneOf(`spec.persistentVolumeClaimRetentionPolicy.${field}`, retention[field], ["Retain", "Delete"]),
      );
  }
  errors.push(
    ...checkSelected(selector, withClaims(template, spec?.volumeClaimTemplates), "statefulset"),
    ...checkRestartAlways(template, "StatefulSet", "spec.template"),
  );
  return [
    ...errors,
    ...each("spec.volumeClaimTemplates", spec?.volumeClaimTemplates, ({ metadata }, where) =>
      metadata.name ? [] : [required(child(where, "metadata", "name"))],
    ),
  ];
}

/** The pods of a StatefulSet get a volume for each claim template, by its name: containers may mount it. */
function withClaims(
  template: PodTemplateSpec | undefined,
  claims: readonly PersistentVolumeClaim[] = [],
): PodTemplateSpec | undefined {
  if (!template?.spec) return template;
  const { volumes = [] } = template.spec;
  const names = new Set(volumes.map(({ name }) => name));
  const own = claims.flatMap(({ metadata: { name } }) =>
    name && !names.has(name) ? [{ name, persistentVolumeClaim: { claimName: name } }] : [],
  );
  return { ...template, spec: { ...template.spec, volumes: [...volumes, ...own] } };
}

const STATEFUL_MUTABLE = [
  "replicas",
  "ordinals",
  "template",
  "updateStrategy",
  "persistentVolumeClaimRetentionPolicy",
  "minReadySeconds",
  "revisionHistoryLimit",
];

export function checkStatefulSetUpdate(set: StatefulSet, old: StatefulSet): FieldErrors {
  const fixed = (spec: object | undefined): object =>
    Object.fromEntries(Object.entries(spec ?? {}).filter(([key]) => !STATEFUL_MUTABLE.includes(key)));
  if (sameTree(fixed(set.spec), fixed(old.spec))) return [];
  const detail =
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
  return [forbidden("spec", detail)];
}
