// What a service's pods offer: shared by Endpoints and EndpointSlices.
import { objectKey } from "#formats/kube-object.ts";
import type { Pod, Service, ServicePort } from "#formats/kube-types.generated.ts";
import { matchesSelector, selectorOfMap } from "#formats/selectors.ts";
import type { Informer } from "#kube-client/informer.ts";
import { isFinished, isReady, isTerminating } from "./pods.ts";
import { semanticEqual } from "./semantic-equal.ts";

/** Marks the endpoints of a service without a cluster address. */
export const HEADLESS_LABEL = "service.kubernetes.io/headless";

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === "None";
}

/** True when the service's endpoints are found by a selector. */
export function hasSelector(service: Service): boolean {
  return service.spec?.type !== "ExternalName" && Object.keys(service.spec?.selector ?? {}).length > 0;
}

/** The pods that a service selects. */
export function selectedPods(service: Service, pods: Informer<Pod>): Pod[] {
  const selector = selectorOfMap(service.spec?.selector);
  return pods.cache
    .inNamespace(service.metadata.namespace ?? "")
    .filter((pod) => matchesSelector(selector, pod.metadata.labels));
}

/** Keys of the services that select an object. */
export function servicesOf(services: Informer<Service>, pod: Pod): string[] {
  return services.cache
    .inNamespace(pod.metadata.namespace ?? "")
    .filter(
      (service) => hasSelector(service) && matchesSelector(selectorOfMap(service.spec?.selector), pod.metadata.labels),
    )
    .map(objectKey);
}

/** Whether anything of a pod changed that endpoints show. */
export function endpointChanged(before: Pod, after: Pod): boolean {
  return (
    isReady(before) !== isReady(after) ||
    isTerminating(before) !== isTerminating(after) ||
    isFinished(before) !== isFinished(after) ||
    before.spec?.nodeName !== after.spec?.nodeName ||
    !semanticEqual(before.status?.podIPs, after.status?.podIPs) ||
    before.status?.podIP !== after.status?.podIP ||
    !semanticEqual(before.metadata.labels, after.metadata.labels)
  );
}

/** The port of a pod that a service's port leads to: undefined when the pod has none of that name. */
export function targetPort(pod: Pod, port: ServicePort): number | undefined {
  const target = port.targetPort;
  if (target === undefined || target === 0 || target === "") return port.port;
  if (typeof target === "number") return target;
  if (/^[0-9]+$/.test(target)) return Number(target);
  const sidecars = (pod.spec?.initContainers ?? []).filter((each) => each.restartPolicy === "Always");
  for (const container of [...(pod.spec?.containers ?? []), ...sidecars]) {
    for (const each of container.ports ?? []) {
      if (each.name === target && (each.protocol ?? "TCP") === (port.protocol ?? "TCP")) return each.containerPort;
    }
  }
  return undefined;
}

/** The pod's address of a family. */
export function addressOf(pod: Pod, family: "IPv4" | "IPv6"): string | undefined {
  const addresses = pod.status?.podIPs?.map(({ ip }) => ip) ?? (pod.status?.podIP ? [pod.status.podIP] : []);
  return addresses.find((address) => address !== undefined && address.includes(":") === (family === "IPv6"));
}

/** The pod's host name in the service's DNS zone. */
export function hostnameIn(service: Service, pod: Pod): string | undefined {
  const { hostname, subdomain } = pod.spec ?? {};
  return hostname && subdomain === service.metadata.name ? hostname : undefined;
}
