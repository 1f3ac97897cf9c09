// ResourceQuota: nothing is made that would take a namespace beyond its quotas (k8s.io/apiserver admission/plugin/resourcequota).
import { keyedSerial } from "#base/serial.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import {
  compareQuantity,
  formatQuantity,
  parseQuantity,
  quantityOf,
  subQuantity,
  type Quantity,
} from "#formats/quantity.ts";
import type { Pod, PodSpec, ResourceQuota } from "#formats/kube-types.generated.ts";
import { forbidden } from "../../status.ts";
import type { AdmissionPlugin, Attributes } from "../admission.ts";
import type { Lister } from "../reader.ts";
import { addUsage, COUNTED, inScope, usageOf, type Usage } from "./usage.ts";

type QuotaObject = ResourceQuota & KubeObject;

interface Pending {
  readonly resource: string;
  readonly object: KubeObject;
}

const ZERO = quantityOf(0);

/**
 * Usage is what the store holds, and what requests under way have been promised: so concurrent requests cannot take
 * more together than there is. The quotas' status is their controller's to write.
 */
export function resourceQuota(list: Lister): AdmissionPlugin {
  const pending = new Map<string, Set<Pending>>();
  const serial = keyedSerial();
  const used = async (namespace: string, quota: QuotaObject, names: readonly string[]): Promise<Usage> => {
    const sum: Usage = new Map();
    for (const resource of COUNTED) {
      if (!names.some((name) => concerns(resource, name))) continue;
      for (const object of await list(resource, namespace))
        if (inScope(quota, resource, object)) addUsage(sum, usageOf(resource, object));
    }
    for (const { resource, object } of pending.get(namespace) ?? [])
      if (inScope(quota, resource, object)) addUsage(sum, usageOf(resource, object));
    return sum;
  };
  return {
    name: "ResourceQuota",
    async validate(attributes) {
      const resource = countedResource(attributes);
      const { namespace, object, old } = attributes;
      if (!resource || !object) return;
      const quotas = (await list("resourcequotas", namespace)) as readonly QuotaObject[];
      if (quotas.length === 0) return;
      const wanted = increase(resource, object, old);
      // One request of a namespace at a time: what it finds free is still free when it is promised.
      await serial.run(namespace, async () => {
        for (const quota of quotas) {
          if (!inScope(quota, resource, object)) continue;
          const hard = new Map(
            Object.entries(quota.spec?.hard ?? {}).map(([name, text]) => [name, parseQuantity(text)]),
          );
          requireAmounts(attributes, quota, Array.from(hard.keys()));
          const names = Array.from(hard.keys()).filter((name) => (wanted.get(name) ?? ZERO).nanos > 0n);
          if (names.length > 0) check(attributes, quota, hard, wanted, await used(namespace, quota, names), names);
        }
        promise(pending, attributes, { resource, object: structuredClone(object) });
      });
    },
  };
}

/** Holds the amounts until the request is over: then the store shows them, or they are not used. */
function promise(pending: Map<string, Set<Pending>>, { namespace, operation, onDone }: Attributes, one: Pending): void {
  if (operation !== "CREATE") return;
  const own = pending.get(namespace) ?? new Set<Pending>();
  pending.set(namespace, own.add(one));
  onDone(() => {
    own.delete(one);
    if (own.size === 0) pending.delete(namespace);
  });
}

function countedResource({ operation, definition, subresource }: Attributes): string | undefined {
  if ((operation !== "CREATE" && operation !== "UPDATE") || (subresource !== "" && subresource !== "resize"))
    return undefined;
  const name = definition.group === "" ? definition.resource : `${definition.resource}.${definition.group}`;
  return COUNTED.includes(name) ? name : undefined;
}

/** Whether a quota's resource name counts objects of this resource. */
function concerns(resource: string, name: string): boolean {
  if (name === `count/${resource}` || name === resource || name.startsWith(`${resource}.`)) return true;
  if (resource === "persistentvolumeclaims")
    return name === "requests.storage" || name.includes(".storageclass.storage.k8s.io/");
  return (
    resource === "pods" && !name.startsWith("count/") && !name.includes("storage.k8s.io/") && !COUNTED.includes(name)
  );
}

function increase(resource: string, object: KubeObject, old: KubeObject | undefined): Usage {
  const usage = usageOf(resource, object);
  if (!old) return usage;
  const before = usageOf(resource, old);
  return new Map(Array.from(usage, ([name, amount]) => [name, subQuantity(amount, before.get(name) ?? ZERO)]));
}

function check(
  attributes: Attributes,
  quota: QuotaObject,
  hard: ReadonlyMap<string, Quantity>,
  wanted: Usage,
  used: Usage,
  names: readonly string[],
): void {
  const over = names.filter((name) => {
    const sum: Usage = new Map([[name, used.get(name) ?? ZERO]]);
    addUsage(sum, new Map([[name, wanted.get(name) ?? ZERO]]));
    return compareQuantity(sum.get(name) ?? ZERO, hard.get(name) ?? ZERO) > 0;
  });
  if (over.length === 0) return;
  const show = (amounts: ReadonlyMap<string, Quantity>): string =>
    over
      .toSorted()
      .map((name) => `${name}=${formatQuantity(amounts.get(name) ?? ZERO)}`)
      .join(",");
  throw refuse(
    attributes,
    `exceeded quota: ${quota.metadata.name ?? ""}, requested: ${show(wanted)}, used: ${show(used)}, limited: ${show(hard)}`,
  );
}

function refuse({ definition, object, name }: Attributes, why: string): Error {
  return forbidden(definition, object?.metadata.name ?? name, why);
}

const REQUIRED = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/** Under a quota on CPU or memory every container says how much it takes: otherwise it could not be counted. */
function requireAmounts(attributes: Attributes, quota: QuotaObject, names: readonly string[]): void {
  const { definition, object, operation } = attributes;
  if (definition.group !== "" || definition.resource !== "pods" || operation !== "CREATE") return;
  const spec = (object as Pod).spec;
  if (!spec || spec.resources) return;
  const faults = names
    .filter((name) => REQUIRED.includes(name))
    .toSorted()
    .flatMap((name) => {
      const missing = containersWithout(spec, name);
      return missing.length === 0 ? [] : [`${name} for: ${missing.join(",")}`];
    });
  if (faults.length > 0)
    throw refuse(attributes, `failed quota: ${quota.metadata.name ?? ""}: must specify ${faults.join("; ")}`);
}

function containersWithout({ containers, initContainers = [] }: PodSpec, name: string): string[] {
  const kind = name.startsWith("limits.") ? "limits" : "requests";
  const resource = name.replace(/^(limits|requests)\./, "");
  const missing = [...containers, ...initContainers].filter(
    ({ resources }) => (resources?.[kind] as Record<string, string> | undefined)?.[resource] === undefined,
  );
  return missing.map((container) => container.name).toSorted();
}
