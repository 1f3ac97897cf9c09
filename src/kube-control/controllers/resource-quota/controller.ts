import { objectKey, type KubeObject, type Resource, type Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { ResourceQuota } from "#formats/kube-types.generated.ts";
import { formatQuantity, quantityOf } from "#formats/quantity.ts";
import { addAll, countName, inScopes, quotaUsage, type Usage } from "#formats/quota-usage.ts";
import type { ServedResource } from "#kube-client/discovery.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";

/** Kinds that quotas count by names of their own. */
const COUNTED: readonly Typed<KubeObject>[] = [
  RESOURCES.pods,
  RESOURCES.services,
  RESOURCES.persistentvolumeclaims,
  RESOURCES.configmaps,
  RESOURCES.secrets,
  RESOURCES.replicationcontrollers,
  RESOURCES.resourcequotas,
] as readonly Typed<KubeObject>[];

/** Keeps what namespaces use of their quotas: what admission adds as objects are made, this takes away as they go. */
export function resourceQuotaController(context: ControllerContext): Controller {
  const quotas = informerOf(context, RESOURCES.resourcequotas);
  let watchMore: (resource: Resource) => void = () => undefined;
  const watched = new Set<string>();
  return controller(context, {
    name: "resourcequota-controller",
    async reconcile(key) {
      const quota = quotas.cache.get(key);
      if (!quota) return;
      const resources = await countedBy(context, quota);
      for (const resource of resources) watchMore(resource);
      const used = usedOf(context, quota, resources);
      const status = { hard: quota.spec?.hard, used };
      if (semanticEqual(status, quota.status)) return;
      await context.client.update(RESOURCES.resourcequotas, { ...quota, status }, "status");
    },
    allKeys: () => Array.from(quotas.cache.values(), objectKey),
    watch(queue) {
      const offs: (() => void)[] = [];
      const ofNamespace = ({ metadata }: KubeObject): string[] =>
        quotas.cache.inNamespace(metadata.namespace ?? "").map(objectKey);
      watchMore = (resource) => {
        if (watched.has(countName(resource))) return;
        watched.add(countName(resource));
        offs.push(
          enqueueFrom(
            context.informers.informer(resource as Typed<KubeObject>),
            queue,
            ofNamespace,
            usageChanged(context, resource),
          ),
        );
      };
      for (const resource of COUNTED) watchMore(resource);
      return [
        enqueueFrom(
          quotas,
          queue,
          (quota) => [objectKey(quota)],
          (before, after) => !semanticEqual(before.spec, after.spec) || !semanticEqual(before.status, after.status),
        ),
        () => offs.forEach((off) => off()),
      ];
    },
  });
}

function usageChanged(
  { clock }: ControllerContext,
  resource: Resource,
): (before: KubeObject, after: KubeObject) => boolean {
  const text = (object: KubeObject): string =>
    Array.from(quotaUsage(resource, object, clock.now()), ([name, amount]) => `${name}=${amount.nanos}`).join();
  return (before, after) => text(before) !== text(after);
}

/** The kinds that a quota's names count. */
async function countedBy({ discovery }: ControllerContext, quota: ResourceQuota): Promise<Resource[]> {
  const names = Object.keys(quota.spec?.hard ?? {}).filter((name) => name.startsWith("count/"));
  const plain = COUNTED.filter((resource) => !names.includes(countName(resource)));
  if (names.length === 0) return plain;
  const served: readonly ServedResource[] = await discovery.resources();
  return [...plain, ...served.filter((resource) => names.includes(countName(resource)))];
}

function usedOf(
  { informers, clock }: ControllerContext,
  quota: ResourceQuota,
  resources: readonly Resource[],
): Record<string, string> {
  const hard = quota.spec?.hard ?? {};
  const total: Usage = new Map();
  for (const resource of resources) {
    const { cache } = informers.informer(resource as Typed<KubeObject>);
    for (const object of cache.inNamespace(quota.metadata.namespace ?? "")) {
      if (inScopes(quota, resource, object)) addAll(total, quotaUsage(resource, object, clock.now()));
    }
  }
  return Object.fromEntries(Object.keys(hard).map((name) => [name, formatQuantity(total.get(name) ?? quantityOf(0))]));
}
