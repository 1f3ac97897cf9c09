import type { DiscoveryEndpointPort, Endpoint, EndpointSlice, Service } from "#formats/kube-types.generated.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import { controllerReference } from "../shared/ownership.ts";
import { semanticEqual } from "../shared/semantic-equal.ts";
import { HEADLESS_LABEL, isHeadless } from "../shared/service-endpoints.ts";
import { canonicalJson } from "../../shared/canonical-json.ts";
import { addressTypes, type PortGroup } from "./desired.ts";

export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";
export const MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by";
export const MANAGER = "endpointslice-controller.k8s.io";
/** Endpoints in one slice at most (--max-endpoints-per-slice). */
const MAX_ENDPOINTS = 100;
const NOT_COPIED_LABELS = [SERVICE_NAME_LABEL, MANAGED_BY_LABEL, HEADLESS_LABEL];

export interface SlicePlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly delete: readonly EndpointSlice[];
}

/**
 * The fewest writes that make the slices say what they should: endpoints stay in the slice they are in, new ones fill slices that change
 * anyway, then others with room, then new slices; empty slices go.
 */
export function planSlices(
  service: Service,
  desired: readonly PortGroup[],
  existing: readonly EndpointSlice[],
): SlicePlan {
  const create: EndpointSlice[] = [];
  const update: EndpointSlice[] = [];
  const remove: EndpointSlice[] = [];
  const labels = sliceLabels(service);
  const left = new Set(existing);
  for (const group of desired) {
    const own = existing.filter((slice) => isOf(slice, group));
    for (const slice of own) left.delete(slice);
    const { kept, spare } = fit(group, own);
    for (const [slice, endpoints] of kept) {
      if (endpoints.length === 0) remove.push(slice);
      else if (!semanticEqual(endpoints, slice.endpoints) || !semanticEqual(labels, slice.metadata.labels)) {
        update.push({ ...slice, metadata: { ...slice.metadata, labels }, endpoints });
      }
    }
    for (const endpoints of spare) {
      const empty = takeEmpty(left, group);
      if (empty) update.push({ ...empty, metadata: { ...empty.metadata, labels }, ports: [...group.ports], endpoints });
      else create.push(newSlice(service, group.addressType, group.ports, endpoints));
    }
  }
  remove.push(...left);
  keepOneOfEach(service, desired, { create, update, remove }, labels);
  return { create, update, delete: remove };
}

/** The slice that said that there was nothing can say something now. */
function takeEmpty(left: Set<EndpointSlice>, group: PortGroup): EndpointSlice | undefined {
  for (const slice of left) {
    if (slice.addressType !== group.addressType || slice.endpoints?.length || slice.metadata.deletionTimestamp)
      continue;
    left.delete(slice);
    return slice;
  }
  return undefined;
}

/** A service without endpoints still has a slice of each family, which says so. */
function keepOneOfEach(
  service: Service,
  desired: readonly PortGroup[],
  plan: { create: EndpointSlice[]; update: EndpointSlice[]; remove: EndpointSlice[] },
  labels: Record<string, string>,
): void {
  for (const addressType of addressTypes(service)) {
    if (desired.some((group) => group.addressType === addressType)) continue;
    const known = plan.remove.findIndex((slice) => slice.addressType === addressType);
    const [slice] = known < 0 ? [] : plan.remove.splice(known, 1);
    if (!slice) plan.create.push(newSlice(service, addressType, [], []));
    else if (
      (slice.endpoints?.length ?? 0) > 0 ||
      (slice.ports?.length ?? 0) > 0 ||
      !semanticEqual(labels, slice.metadata.labels)
    ) {
      plan.update.push({ ...slice, metadata: { ...slice.metadata, labels }, endpoints: [], ports: [] });
    }
  }
}

/** The endpoints of each present slice, and those of slices to be made. */
function fit(
  group: PortGroup,
  slices: readonly EndpointSlice[],
): { kept: Map<EndpointSlice, Endpoint[]>; spare: Endpoint[][] } {
  const missing = new Map(group.endpoints);
  const kept = new Map<EndpointSlice, Endpoint[]>();
  for (const slice of slices) {
    const endpoints: Endpoint[] = [];
    for (const { targetRef } of slice.endpoints ?? []) {
      const uid = targetRef?.uid ?? "";
      const wanted = missing.get(uid);
      if (!wanted) continue;
      endpoints.push(wanted);
      missing.delete(uid);
    }
    kept.set(slice, endpoints);
  }
  const newOnes = Array.from(missing.values());
  const changed = (slice: EndpointSlice): number => Number(!semanticEqual(kept.get(slice), slice.endpoints));
  for (const slice of slices.toSorted((a, b) => changed(b) - changed(a))) {
    const endpoints = kept.get(slice) ?? [];
    if (newOnes.length > 0 && endpoints.length > 0)
      endpoints.push(...newOnes.splice(0, MAX_ENDPOINTS - endpoints.length));
  }
  // A slice that would go can take new ones as well.
  for (const slice of slices) {
    const endpoints = kept.get(slice) ?? [];
    if (newOnes.length > 0 && endpoints.length === 0) endpoints.push(...newOnes.splice(0, MAX_ENDPOINTS));
  }
  const spare: Endpoint[][] = [];
  while (newOnes.length > 0) spare.push(newOnes.splice(0, MAX_ENDPOINTS));
  return { kept, spare };
}

function isOf(slice: EndpointSlice, group: PortGroup): boolean {
  return (
    slice.addressType === group.addressType &&
    !slice.metadata.deletionTimestamp &&
    canonicalJson(slice.ports ?? []) === canonicalJson(group.ports)
  );
}

function sliceLabels(service: Service): Record<string, string> {
  const own = Object.entries(service.metadata.labels ?? {}).filter(([name]) => !NOT_COPIED_LABELS.includes(name));
  return {
    ...Object.fromEntries(own),
    ...(isHeadless(service) ? { [HEADLESS_LABEL]: "" } : {}),
    [SERVICE_NAME_LABEL]: service.metadata.name ?? "",
    [MANAGED_BY_LABEL]: MANAGER,
  };
}

function newSlice(
  service: Service,
  addressType: string,
  ports: readonly DiscoveryEndpointPort[],
  endpoints: Endpoint[],
): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      generateName: `${service.metadata.name ?? ""}-`,
      namespace: service.metadata.namespace,
      labels: sliceLabels(service),
      ownerReferences: [controllerReference(RESOURCES.services, service)],
    },
    addressType,
    endpoints,
    ports: [...ports],
  };
}
