import { RESOURCES } from "#formats/kube-resources.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { matchesSelector, selectorOf, selectorOfMap, type Requirement, type Selector } from "#formats/selectors.ts";
import type { InformerFactory } from "#kube-client/informer-factory.ts";

/** Finds what a pod is a part of: the selectors of its services and of the workload that controls it, together. */
export function workloadSelectors(informers: InformerFactory): (pod: Pod) => Selector | undefined {
  const services = informers.informer(RESOURCES.services);
  const replicaSets = informers.informer(RESOURCES.replicasets);
  const statefulSets = informers.informer(RESOURCES.statefulsets);
  const replicationControllers = informers.informer(RESOURCES.replicationcontrollers);
  const ofController = (pod: Pod): Selector | undefined => {
    const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller);
    const key = `${pod.metadata.namespace ?? ""}/${owner?.name ?? ""}`;
    switch (owner?.kind) {
      case "ReplicaSet":
        return optional(replicaSets.cache.get(key)?.spec, (spec) => selectorOf(spec.selector));
      case "StatefulSet":
        return optional(statefulSets.cache.get(key)?.spec, (spec) => selectorOf(spec.selector));
      case "ReplicationController":
        return optional(replicationControllers.cache.get(key)?.spec, (spec) => selectorOfMap(spec.selector));
      default:
        return undefined;
    }
  };
  return (pod) => {
    const requirements: Requirement[] = [];
    for (const service of services.cache.inNamespace(pod.metadata.namespace ?? "")) {
      const selector = selectorOfMap(service.spec?.selector);
      if (selector.requirements.length > 0 && matchesSelector(selector, pod.metadata.labels)) {
        requirements.push(...selector.requirements);
      }
    }
    requirements.push(...(ofController(pod)?.requirements ?? []));
    return requirements.length === 0 ? undefined : { requirements };
  };
}

function optional<T, R>(value: T | undefined, map: (value: T) => R): R | undefined {
  return value === undefined ? undefined : map(value);
}
