// What a pod asks of its node (k8s.io/component-helpers/resource, PodRequests).
import type { Container, ContainerStatus, Pod } from "./kube-types.generated.ts";
import { quantityMillis, quantityNumber } from "./quantity.ts";

/** Amounts by resource name: cpu in thousandths, everything else in whole units (bytes, counts). */
export type Amounts = Map<string, number>;

export interface PodRequestOptions {
  /** Counted for a container that does not ask for the resource at all. */
  readonly missing?: Readonly<Record<string, number>>;
}

/** One resource's amount: cpu in thousandths, everything else in whole units. */
export function resourceAmount(resource: string, quantity: string): number {
  return resource === "cpu" ? quantityMillis(quantity) : quantityNumber(quantity);
}

/** The amounts of a resource list. */
export function resourceAmounts(list: Readonly<Record<string, string>> | undefined): Amounts {
  return new Map(Object.entries(list ?? {}).map(([name, quantity]) => [name, resourceAmount(name, quantity)]));
}

/**
 * The pod's effective request: the larger of all containers (with sidecars) together and of any init container (with the sidecars started
 * before it), replaced by pod-level requests where set, plus overhead. A resize under way counts with the larger of both sizes.
 */
export function podRequests(pod: Pod, options: PodRequestOptions = {}): Amounts {
  const spec = pod.spec;
  if (!spec) return new Map();
  const statuses = new Map<string, ContainerStatus>();
  for (const status of pod.status?.containerStatuses ?? []) statuses.set(status.name, status);
  for (const status of pod.status?.initContainerStatuses ?? []) statuses.set(status.name, status);
  const of = (container: Container): Amounts => containerRequests(container, statuses.get(container.name), options);

  const total: Amounts = new Map();
  for (const container of spec.containers) add(total, of(container));
  const sidecars: Amounts = new Map();
  const largestInit: Amounts = new Map();
  for (const container of spec.initContainers ?? []) {
    const requests = of(container);
    if (container.restartPolicy === "Always") {
      add(total, requests);
      add(sidecars, requests);
      raise(largestInit, sidecars);
    } else {
      add(requests, sidecars);
      raise(largestInit, requests);
    }
  }
  raise(total, largestInit);
  for (const [name, amount] of resourceAmounts(spec.resources?.requests)) {
    if (isPodLevel(name)) total.set(name, amount);
  }
  add(total, resourceAmounts(spec.overhead));
  return total;
}

/** Resources that can be asked for by the pod as a whole. */
function isPodLevel(name: string): boolean {
  return name === "cpu" || name === "memory" || name.startsWith("hugepages-");
}

function containerRequests(
  container: Container,
  status: ContainerStatus | undefined,
  options: PodRequestOptions,
): Amounts {
  const requests = resourceAmounts(container.resources?.requests);
  if (status?.allocatedResources) raise(requests, resourceAmounts(status.allocatedResources));
  if (status?.resources?.requests) raise(requests, resourceAmounts(status.resources.requests));
  for (const [name, amount] of Object.entries(options.missing ?? {}))
    if (!requests.has(name)) requests.set(name, amount);
  return requests;
}

function add(to: Amounts, amounts: Amounts): void {
  for (const [name, amount] of amounts) to.set(name, (to.get(name) ?? 0) + amount);
}

function raise(to: Amounts, amounts: Amounts): void {
  for (const [name, amount] of amounts) to.set(name, Math.max(to.get(name) ?? 0, amount));
}
