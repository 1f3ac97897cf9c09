import { isCidr, isConfigMapKey } from "../kube-names.ts";
import type {
  ConfigMap,
  EventsV1Event,
  Event,
  Lease,
  LimitRange,
  Namespace,
  Node,
  ObjectReference,
  ResourceQuota,
  Secret,
} from "../kube-types.generated.ts";
import { compareQuantity, parseQuantity } from "../quantity.ts";
import { sameTree } from "../tree.ts";
import {
  at,
  child,
  duplicate,
  each,
  forbidden,
  invalid,
  invalidEach,
  oneOf,
  positive,
  required,
  tooLong,
  type FieldErrors,
} from "./errors.ts";
import { checkFinalizers, IMMUTABLE } from "./meta.ts";
import { checkAmount, checkQuotaResource } from "./resources.ts";
import { checkTaints } from "./scheduling.ts";

/** What a ConfigMap or Secret may hold. */
export const MAX_DATA_BYTES = 1024 * 1024;

type Data = Readonly<Record<string, string>> | undefined;

function dataBytes(data: Data, base64: boolean): number {
  return Object.values(data ?? {}).reduce(
    (sum, value) => sum + (base64 ? Buffer.byteLength(value, "base64") : Buffer.byteLength(value)),
    0,
  );
}

function checkKeys(data: Data, path: string): FieldErrors {
  return Object.keys(data ?? {}).flatMap((key) => invalidEach(at(path, key), key, isConfigMapKey(key)));
}

export function checkConfigMap({ data, binaryData }: ConfigMap): FieldErrors {
  const errors = checkKeys(data, "data");
  for (const key of Object.keys(data ?? {})) {
    if (binaryData && Object.hasOwn(binaryData, key))
      errors.push(invalid(at("data", key), key, "duplicate of key present in binaryData"));
  }
  errors.push(...checkKeys(binaryData, "binaryData"));
  if (dataBytes(data, false) + dataBytes(binaryData, true) > MAX_DATA_BYTES) errors.push(tooLong("[]", MAX_DATA_BYTES));
  return errors;
}

interface Immutable {
  readonly immutable?: boolean;
}

function checkFrozen<T extends Immutable>(object: T, old: T, fields: readonly (keyof T & string)[]): FieldErrors {
  if (!old.immutable) return [];
  const errors: FieldErrors = [];
  const detail = "field is immutable when `immutable` is set";
  if (!object.immutable) errors.push(forbidden("immutable", detail));
  for (const field of fields)
    if (!sameTree(object[field] ?? {}, old[field] ?? {})) errors.push(forbidden(field, detail));
  return errors;
}

export function checkConfigMapUpdate(object: ConfigMap, old: ConfigMap): FieldErrors {
  return checkFrozen(object, old, ["data", "binaryData"]);
}

/** Keys that a type of secret must have. */
const SECRET_KEYS: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/dockercfg": [".dockercfg"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
};

export function checkSecret({ metadata, data, type = "" }: Secret): FieldErrors {
  const errors = checkKeys(data, "data");
  if (dataBytes(data, true) > MAX_DATA_BYTES) errors.push(tooLong("data", MAX_DATA_BYTES));
  if (type === "kubernetes.io/service-account-token" && !metadata.annotations?.["kubernetes.io/service-account.name"]) {
    errors.push(required("metadata.annotations[kubernetes.io/service-account.name]"));
  }
  if (type === "kubernetes.io/basic-auth" && data?.["username"] === undefined && data?.["password"] === undefined) {
    errors.push(required("data[username]"), required("data[password]"));
  }
  for (const key of SECRET_KEYS[type] ?? []) {
    const text = data?.[key];
    if (text === undefined) errors.push(required(at("data", key)));
    else if (key.startsWith(".docker") && !isJson(text))
      errors.push(invalid(at("data", key), "<secret contents redacted>", "invalid character in JSON"));
  }
  return errors;
}

function isJson(base64: string): boolean {
  try {
    JSON.parse(Buffer.from(base64, "base64").toString());
    return true;
  } catch {
    // The reason is in no one's interest: it would show part of a secret.
    return false;
  }
}

export function checkSecretUpdate(secret: Secret, old: Secret): FieldErrors {
  const changed = secret.type === old.type ? [] : [invalid("type", secret.type, IMMUTABLE)];
  return [...changed, ...checkFrozen(secret, old, ["data"])];
}

export function checkNamespace({ spec }: Namespace): FieldErrors {
  return checkFinalizers(spec?.finalizers, "spec.finalizers");
}

export function checkNode({ spec, status }: Node): FieldErrors {
  const errors = checkTaints(spec?.taints, "spec.taints");
  errors.push(...each("spec.podCIDRs", spec?.podCIDRs, (cidr, where) => invalidEach(where, cidr, isCidr(cidr))));
  for (const [name, list] of Object.entries({ capacity: status?.capacity, allocatable: status?.allocatable })) {
    for (const [resource, text] of Object.entries(list ?? {}))
      errors.push(...checkAmount(resource, text, `status.${name}[${resource}]`));
  }
  return errors;
}

export function checkNodeUpdate(node: Node, old: Node): FieldErrors {
  const errors: FieldErrors = [];
  const before = old.spec ?? {};
  const now = node.spec ?? {};
  if (before.podCIDRs?.length && !sameTree(before.podCIDRs, now.podCIDRs)) {
    errors.push(forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'));
  }
  if (before.providerID && before.providerID !== now.providerID) {
    errors.push(forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid'));
  }
  return errors;
}

/** An event must be in the namespace of what it is about; one about a cluster-scoped object is in `default`. */
export function checkEvent(event: Event | EventsV1Event): FieldErrors {
  const about =
    ("involvedObject" in event ? event.involvedObject : (event as { regarding?: ObjectReference }).regarding) ?? {};
  const field = "involvedObject" in event ? "involvedObject.namespace" : "regarding.namespace";
  const namespace = event.metadata.namespace ?? "";
  const wanted = about.namespace || "default";
  const allowed = about.namespace ? namespace === wanted : namespace === "default" || namespace === "kube-system";
  return allowed ? [] : [invalid(field, about.namespace ?? "", "does not match event.namespace")];
}

export function checkLease({ spec }: Lease): FieldErrors {
  const errors = positive("spec.leaseDurationSeconds", spec?.leaseDurationSeconds);
  const transitions = spec?.leaseTransitions;
  if (transitions !== undefined && transitions < 0)
    errors.push(invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"));
  if (spec?.strategy === undefined && spec?.preferredHolder)
    errors.push(forbidden("spec.preferredHolder", "may only be specified when strategy is defined"));
  return errors;
}

export function checkQuota({ spec }: ResourceQuota): FieldErrors {
  const errors = Object.entries(spec?.hard ?? {}).flatMap(([name, text]) => [
    ...checkQuotaResource(name, at("spec.hard", name)),
    ...checkAmount(name, text, at("spec.hard", name)),
  ]);
  const scopes = [
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
  ];
  errors.push(
    ...each("spec.scopes", spec?.scopes, (scope, where) =>
      scopes.includes(scope) ? [] : [invalid(where, spec?.scopes, "unsupported scope")],
    ),
  );
  errors.push(
    ...each(
      "spec.scopeSelector.matchExpressions",
      spec?.scopeSelector?.matchExpressions,
      ({ scopeName, operator, values }, where) => {
        const found: FieldErrors = scopes.includes(scopeName)
          ? []
          : [invalid(child(where, "scopeName"), scopeName, "unsupported scope")];
        found.push(...oneOf(child(where, "operator"), operator, ["DoesNotExist", "Exists", "In", "NotIn"]));
        if ((operator === "In" || operator === "NotIn") && !values?.length)
          found.push(
            required(
              child(where, "values"),
              "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            ),
          );
        return found;
      },
    ),
  );
  return errors;
}

export function checkQuotaUpdate(quota: ResourceQuota, old: ResourceQuota): FieldErrors {
  const same = sameTree([...(quota.spec?.scopes ?? [])].sort(), [...(old.spec?.scopes ?? [])].sort());
  return same ? [] : [invalid("spec.scopes", quota.spec?.scopes, IMMUTABLE)];
}

export function checkLimitRange({ spec }: LimitRange): FieldErrors {
  const types = new Set<string>();
  return each("spec.limits", spec?.limits, (item, path) => {
    const errors: FieldErrors = [];
    if (!item.type) errors.push(required(child(path, "type")));
    if (types.has(item.type)) errors.push(duplicate(child(path, "type"), item.type));
    types.add(item.type);
    const names = new Set(
      [item.max, item.min, item.default, item.defaultRequest].flatMap((list) => Object.keys(list ?? {})),
    );
    for (const name of names) errors.push(...checkLimitOrder(item, name, path));
    return errors;
  });
}

type Item = NonNullable<NonNullable<LimitRange["spec"]>["limits"]>[number];

/** min ≤ defaultRequest ≤ default ≤ max. */
function checkLimitOrder(item: Item, name: string, path: string): FieldErrors {
  const order = ["min", "defaultRequest", "default", "max"] as const;
  const given = order.flatMap((kind) => {
    const text = item[kind]?.[name];
    return text === undefined ? [] : [{ kind, text, amount: parseQuantity(text) }];
  });
  const errors: FieldErrors = [];
  for (const [index, low] of given.entries()) {
    for (const high of given.slice(index + 1)) {
      if (compareQuantity(low.amount, high.amount) <= 0) continue;
      errors.push(
        invalid(
          at(child(path, low.kind), name),
          low.text,
          `${low.kind} value ${low.text} is greater than ${high.kind} value ${high.text}`,
        ),
      );
    }
  }
  return errors;
}
