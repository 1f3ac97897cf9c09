import { isGantryError } from "#base/errors.ts";
import { objectKey, splitKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Endpoints, Pod, Service } from "#formats/kube-types.generated.ts";
import type { Informer } from "#kube-client/informer.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";
import { endpointChanged, hasSelector, selectedPods, servicesOf } from "../shared/service-endpoints.ts";
import { comparable, desiredEndpoints } from "./plan.ts";

interface Parts {
  readonly context: ControllerContext;
  readonly services: Informer<Service>;
  readonly pods: Informer<Pod>;
  readonly endpoints: Informer<Endpoints>;
}

/** Keeps the Endpoints objects of services with a selector: the older form, which clients still read. */
export function endpointsController(context: ControllerContext): Controller {
  const parts: Parts = {
    context,
    services: informerOf(context, RESOURCES.services),
    pods: informerOf(context, RESOURCES.pods),
    endpoints: informerOf(context, RESOURCES.endpoints),
  };
  const { services, pods, endpoints } = parts;
  return controller(context, {
    name: "endpoints-controller",
    reconcile: (key) => reconcile(parts, key),
    allKeys: () => Array.from(services.cache.values(), objectKey),
    watch: (queue) => [
      enqueueFrom(services, queue, (service) => [objectKey(service)]),
      enqueueFrom(pods, queue, (pod) => servicesOf(services, pod), endpointChanged),
      endpoints.addHandler({ delete: (each) => queue.add(objectKey(each)) }),
    ],
  });
}

async function reconcile({ context, services, pods, endpoints }: Parts, key: string): Promise<void> {
  const { client } = context;
  const service = services.cache.get(key);
  const present = endpoints.cache.get(key);
  if (!service) {
    await removeEndpoints(context, key, present);
    return;
  }
  if (!hasSelector(service) || service.metadata.deletionTimestamp) return;
  const desired = desiredEndpoints(service, selectedPods(service, pods), present);
  if (!present) {
    // One that the cache does not show yet: the event that brings it brings no need for more.
    await client.create(RESOURCES.endpoints, desired).catch((error: unknown) => {
      if (!isGantryError(error, "already-exists") && !isGantryError(error, "forbidden")) throw error;
    });
    return;
  }
  if (!semanticEqual(comparable(present), comparable(desired))) await client.update(RESOURCES.endpoints, desired);
}

/** Endpoints of a service that is gone go, unless they are someone's lock or were made by hand for one that never was. */
async function removeEndpoints(context: ControllerContext, key: string, present: Endpoints | undefined): Promise<void> {
  if (!present || present.metadata.annotations?.["control-plane.alpha.kubernetes.io/leader"] !== undefined) return;
  const { namespace, name } = splitKey(key);
  const { uid } = present.metadata;
  await context.client
    .delete(RESOURCES.endpoints, namespace, name, { preconditions: { uid } })
    .catch((error: unknown) => {
      if (!isGantryError(error, "not-found")) throw error;
    });
}
