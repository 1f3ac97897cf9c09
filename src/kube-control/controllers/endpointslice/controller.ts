import { isGantryError } from "#base/errors.ts";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { EndpointSlice, Node, Pod, Service } from "#formats/kube-types.generated.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { Handler, Informer } from "#kube-client/informer.ts";
import type { WorkQueue } from "#kube-client/work-queue.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { expectations, type Expectations } from "../shared/expectations.ts";
import { endpointChanged, hasSelector, selectedPods, servicesOf } from "../shared/service-endpoints.ts";
import { desiredGroups } from "./desired.ts";
import { wantsTopologyHints, withTopologyHints, zoneShares } from "./topology.ts";
import { MANAGED_BY_LABEL, MANAGER, planSlices, SERVICE_NAME_LABEL, type SlicePlan } from "./plan.ts";

const ZONE_LABEL = "topology.kubernetes.io/zone";
const BY_SERVICE = "service";

interface Parts {
  readonly context: ControllerContext;
  readonly services: Informer<Service>;
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly slices: Informer<EndpointSlice>;
  readonly expected: Expectations<EndpointSlice>;
  readonly events: EventRecorder;
}

/** Keeps the EndpointSlices of services with a selector. */
export function endpointSliceController(context: ControllerContext): Controller {
  const slices = informerOf(context, RESOURCES.endpointslices);
  slices.addIndex(BY_SERVICE, (slice) => serviceKey(slice));
  const parts: Parts = {
    context,
    services: informerOf(context, RESOURCES.services),
    pods: informerOf(context, RESOURCES.pods),
    nodes: informerOf(context, RESOURCES.nodes),
    slices,
    expected: expectations<EndpointSlice>(slices, objectKey),
    events: context.events("endpoint-slice-controller"),
  };
  const { services, pods, nodes } = parts;
  return controller(context, {
    name: "endpointslice-controller",
    reconcile: (key) => reconcile(parts, key),
    allKeys: () => Array.from(services.cache.values(), objectKey),
    watch: (queue) => [
      parts.expected.requeue(queue),
      enqueueFrom(services, queue, (service) => [objectKey(service)]),
      enqueueFrom(pods, queue, (pod) => servicesOf(services, pod), endpointChanged),
      enqueueFrom(slices, queue, serviceKey),
      nodes.addHandler(nodeHandler(services, queue)),
    ],
  });
}

/** A zone matters to all services; which nodes there are and how large, to those that share endpoints out over zones. */
function nodeHandler(services: Informer<Service>, queue: Pick<WorkQueue, "add">): Handler<Node> {
  const queueIf = (relevant: (service: Service) => boolean): void => {
    for (const service of services.cache.values()) if (relevant(service)) queue.add(objectKey(service));
  };
  const size = (node: Node): string =>
    `${node.status?.allocatable?.["cpu"] ?? ""} ${node.status?.conditions?.find(({ type }) => type === "Ready")?.status ?? ""}`;
  return {
    add: () => queueIf(wantsTopologyHints),
    update(before, after) {
      if (zone(before) !== zone(after)) queueIf(() => true);
      else if (size(before) !== size(after)) queueIf(wantsTopologyHints);
    },
    delete: () => queueIf(wantsTopologyHints),
  };
}

/** The service of a slice that this controller manages. */
function serviceKey(slice: EndpointSlice): string[] {
  const { labels = {}, namespace = "" } = slice.metadata;
  const service = labels[SERVICE_NAME_LABEL];
  return service && labels[MANAGED_BY_LABEL] === MANAGER ? [`${namespace}/${service}`] : [];
}

function zone(node: Node | undefined): string | undefined {
  return node?.metadata.labels?.[ZONE_LABEL];
}

async function reconcile(parts: Parts, key: string): Promise<void> {
  const service = parts.services.cache.get(key);
  const existing = parts.slices.cache.byIndex(BY_SERVICE, key);
  if (!service || service.spec?.type === "ExternalName") {
    parts.expected.forget(key);
    await write(parts, key, { create: [], update: [], delete: existing });
    return;
  }
  if (!hasSelector(service) || service.metadata.deletionTimestamp || !parts.expected.satisfied(key)) return;
  const groups = desiredGroups(service, selectedPods(service, parts.pods), (name) => zone(parts.nodes.cache.get(name)));
  if (!wantsTopologyHints(service)) return write(parts, key, planSlices(service, groups, existing));
  const hadHints = existing.some(({ endpoints }) => endpoints?.some(({ hints }) => hints?.forZones !== undefined));
  const hinted = withTopologyHints(groups, zoneShares(parts.nodes.cache.values()));
  await write(parts, key, planSlices(service, hinted.groups, existing));
  for (const [addressType, problem] of hinted.problems) tell(parts, service, addressType, problem, hadHints);
}

/** As k8s.io/endpointslice topologycache: what stands against hints each time, that there are some once. */
function tell(
  { events }: Parts,
  service: Service,
  addressType: string,
  problem: string | undefined,
  hadHints: boolean,
): void {
  const message = (text: string): string => `${text}, addressType: ${addressType}`;
  if (problem !== undefined) events.record(service, "Warning", "TopologyAwareHintsDisabled", message(problem));
  else if (!hadHints)
    events.record(service, "Normal", "TopologyAwareHintsEnabled", message("Topology Aware Hints has been enabled"));
}

async function write({ context, expected }: Parts, key: string, plan: SlicePlan): Promise<void> {
  const { client } = context;
  for (const slice of plan.create) expected.wrote(key, await client.create(RESOURCES.endpointslices, slice));
  for (const slice of plan.update) expected.wrote(key, await client.update(RESOURCES.endpointslices, slice));
  for (const slice of plan.delete) {
    const { namespace, name = "", uid } = slice.metadata;
    try {
      await client.delete(RESOURCES.endpointslices, namespace, name, { preconditions: { uid } });
    } catch (error) {
      if (!isGantryError(error, "not-found")) throw error;
    }
    expected.deleted(key, slice);
  }
}
