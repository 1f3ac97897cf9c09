import { isQualifiedName } from "../kube-names.ts";
import type { ResourceRequirements } from "../kube-types.generated.ts";
import { compareQuantity, formatQuantity, parseQuantity } from "../quantity.ts";
import { at, child, forbidden, invalid, invalidEach, notSupported, required, type FieldErrors } from "./errors.ts";

type List = Readonly<Record<string, string>> | undefined;

const CONTAINER_RESOURCES = new Set(["cpu", "memory", "ephemeral-storage"]);
/** What quotas count, beside the container resources. */
const QUOTA_RESOURCES = new Set([
  "cpu",
  "memory",
  "ephemeral-storage",
  "pods",
  "services",
  "replicationcontrollers",
  "resourcequotas",
  "secrets",
  "configmaps",
  "persistentvolumeclaims",
  "services.nodeports",
  "services.loadbalancers",
  "requests.cpu",
  "requests.memory",
  "requests.storage",
  "requests.ephemeral-storage",
  "limits.cpu",
  "limits.memory",
  "limits.ephemeral-storage",
  "storage",
]);

export function isHugePages(name: string): boolean {
  return name.startsWith("hugepages-");
}

/** Resources of the cluster's own making: `example.com/gpu`. */
export function isExtended(name: string): boolean {
  return name.includes("/") && !name.startsWith("requests.") && !/(^|\.)kubernetes\.io\//.test(name);
}

/** ValidateResourceQuantityValue: not negative, and whole for what cannot be divided. */
export function checkAmount(name: string, text: string, path: string): FieldErrors {
  const { nanos } = parseQuantity(text);
  const errors: FieldErrors = [];
  if (nanos < 0n) errors.push(invalid(path, text, "must be greater than or equal to 0"));
  const whole =
    isExtended(name) ||
    [
      "pods",
      "services",
      "replicationcontrollers",
      "resourcequotas",
      "secrets",
      "configmaps",
      "persistentvolumeclaims",
      "services.nodeports",
      "services.loadbalancers",
    ].includes(name);
  if (whole && nanos % 1_000_000_000n !== 0n) errors.push(invalid(path, text, "must be an integer"));
  return errors;
}

/** A resource that a container may ask for. */
export function checkContainerResource(name: string, path: string): FieldErrors {
  const errors = checkResourceName(name, path, CONTAINER_RESOURCES);
  if (errors.length > 0 || name.includes("/") || CONTAINER_RESOURCES.has(name) || isHugePages(name)) return errors;
  return [invalid(path, name, "must be a standard resource for containers")];
}

export function checkQuotaResource(name: string, path: string): FieldErrors {
  const base = name.replace(/^(requests|limits)\./, "");
  if (name.startsWith("count/") || isHugePages(base) || name.includes("/"))
    return invalidEach(path, name, isQualifiedName(name));
  const errors = checkResourceName(name, path, QUOTA_RESOURCES);
  if (errors.length === 0 && !QUOTA_RESOURCES.has(name))
    errors.push(invalid(path, name, "must be a standard resource for quota"));
  return errors;
}

function checkResourceName(name: string, path: string, standard: ReadonlySet<string>): FieldErrors {
  const errors = invalidEach(path, name, isQualifiedName(name));
  if (errors.length > 0) return errors;
  if (!name.includes("/") && !standard.has(name) && !isHugePages(name) && !QUOTA_RESOURCES.has(name)) {
    return [invalid(path, name, "must be a standard resource type or fully qualified")];
  }
  return [];
}

/** ValidateContainerResourceRequirements; `claims` are the names of the pod's resource claims. */
export function checkRequirements(
  resources: ResourceRequirements | undefined,
  claims: ReadonlySet<string>,
  path: string,
): FieldErrors {
  if (!resources) return [];
  const limitPath = child(path, "limits");
  const requestPath = child(path, "requests");
  const errors: FieldErrors = [
    ...checkList(resources.limits, limitPath),
    ...checkList(resources.requests, requestPath),
    ...compareToLimits(resources.requests, resources.limits, requestPath),
  ];
  for (const [index, { name }] of (resources.claims ?? []).entries()) {
    const where = child(at(child(path, "claims"), index), "name");
    if (!name) errors.push(required(where));
    else if (!claims.has(name))
      errors.push(invalid(where, name, "must be one of the names in pod.spec.resourceClaims"));
  }
  return errors;
}

function checkList(list: List, path: string): FieldErrors {
  return Object.entries(list ?? {}).flatMap(([name, text]) => {
    const where = at(path, name);
    return [...checkContainerResource(name, where), ...checkAmount(name, text, where)];
  });
}

function compareToLimits(requests: List, limits: List, path: string): FieldErrors {
  const errors: FieldErrors = [];
  for (const [name, text] of Object.entries(requests ?? {})) {
    const limitText = limits?.[name];
    const whole = isExtended(name) || isHugePages(name);
    if (limitText === undefined) {
      if (whole)
        errors.push(
          required(path.replace(/requests$/, "limits"), "Limit must be set for non overcommitable resources"),
        );
      continue;
    }
    const limit = parseQuantity(limitText);
    const order = compareQuantity(parseQuantity(text), limit);
    const shown = formatQuantity(limit);
    if (whole && order !== 0) errors.push(invalid(path, text, `must be equal to ${name} limit of ${shown}`));
    else if (order > 0) errors.push(invalid(path, text, `must be less than or equal to ${name} limit of ${shown}`));
  }
  return errors;
}

/** A pod's overhead, a volume's capacity: any resource, no negative amounts. */
export function checkAmounts(list: List, path: string): FieldErrors {
  return Object.entries(list ?? {}).flatMap(([name, text]) => [
    ...invalidEach(at(path, name), name, isQualifiedName(name)),
    ...checkAmount(name, text, at(path, name)),
  ]);
}

/** Pod-level resources: CPU, memory and huge pages only. */
export function checkPodResources(resources: ResourceRequirements | undefined, path: string): FieldErrors {
  if (!resources) return [];
  const errors = checkRequirements(resources, new Set(), path);
  if (resources.claims?.length)
    errors.push(forbidden(child(path, "claims"), "claims may not be set for Resources at pod-level"));
  for (const kind of ["limits", "requests"] as const) {
    for (const name of Object.keys(resources[kind] ?? {})) {
      if (name === "cpu" || name === "memory" || isHugePages(name)) continue;
      errors.push(notSupported(at(child(path, kind), name), name, ["cpu", "hugepages-", "memory"]));
    }
  }
  return errors;
}
