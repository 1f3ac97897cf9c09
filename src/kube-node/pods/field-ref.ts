import { GantryError } from "#base/errors.ts";
import { formatQuantity, milliValue, parseQuantity, quantityValue } from "#formats/quantity.ts";
import type { Container, ObjectFieldSelector, Pod, ResourceFieldSelector } from "#formats/kube-types.generated.ts";

/** Facts about the pod that its specification does not hold. */
export interface PodFacts {
  readonly podIps: readonly string[];
  readonly hostIps: readonly [string, ...string[]];
  readonly nodeCapacity: Readonly<Record<string, string>>;
}

/** Pure: the value that a downward API field reference names. Throws `invalid` for a path that is not supported. */
export function fieldValue(pod: Pod, selector: ObjectFieldSelector, facts: PodFacts): string {
  const path = selector.fieldPath;
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
  if (keyed) return pod.metadata[keyed[1] as "labels" | "annotations"]?.[keyed[2] ?? ""] ?? "";
  switch (path) {
    case "metadata.name":
      return pod.metadata.name ?? "";
    case "metadata.namespace":
      return pod.metadata.namespace ?? "";
    case "metadata.uid":
      return pod.metadata.uid ?? "";
    case "metadata.labels":
      return formatMap(pod.metadata.labels);
    case "metadata.annotations":
      return formatMap(pod.metadata.annotations);
    case "spec.nodeName":
      return pod.spec?.nodeName ?? "";
    case "spec.serviceAccountName":
      return pod.spec?.serviceAccountName ?? "";
    case "status.hostIP":
      return facts.hostIps[0];
    case "status.hostIPs":
      return facts.hostIps.join(",");
    case "status.podIP":
      return facts.podIps[0] ?? "";
    case "status.podIPs":
      return facts.podIps.join(",");
    default:
      throw new GantryError("invalid", `unsupported fieldPath: ${path}`);
  }
}

/** `key="value"` lines, sorted, values quoted as Go does. */
function formatMap(map: Record<string, string> | undefined): string {
  return Object.entries(map ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join("\n");
}

/** Pure: a container's request or limit divided by the divisor, rounded up; a missing limit is the node's capacity. */
export function resourceValue(container: Container, selector: ResourceFieldSelector, facts: PodFacts): string {
  const [list, name] = split(selector.resource);
  const own = container.resources?.[list]?.[name];
  const fallback = list === "limits" ? facts.nodeCapacity[name] : container.resources?.limits?.[name];
  const amount = parseQuantity(own ?? fallback ?? "0");
  const divisor = parseQuantity(selector.divisor === undefined || selector.divisor === "0" ? "1" : selector.divisor);
  if (name === "cpu") return String(divideUp(milliValue(amount), milliValue(divisor)));
  const units = quantityValue(divisor);
  if (units <= 0n)
    throw new GantryError(
      "invalid",
      `resourceFieldRef of ${selector.resource}: divisor ${formatQuantity(divisor)} is not positive`,
    );
  return String(divideUp(quantityValue(amount), units));
}

function split(resource: string): ["limits" | "requests", string] {
  const dot = resource.indexOf(".");
  const list = resource.slice(0, dot);
  if (list !== "limits" && list !== "requests")
    throw new GantryError("invalid", `unsupported container resource: ${resource}`);
  return [list, resource.slice(dot + 1)];
}

function divideUp(amount: bigint, divisor: bigint): bigint {
  return (amount + divisor - 1n) / divisor;
}
