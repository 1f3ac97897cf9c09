import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type {
  Endpoint,
  EndpointAddress,
  Endpoints,
  EndpointSlice,
  EndpointSubset,
} from "#formats/kube-types.generated.ts";
import { canonicalJson } from "../../shared/canonical-json.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { expectations } from "../shared/expectations.ts";
import { controllerReference } from "../shared/ownership.ts";
import { hasSelector } from "../shared/service-endpoints.ts";
import { MANAGED_BY_LABEL, SERVICE_NAME_LABEL } from "../endpointslice/plan.ts";

const MANAGER = "endpointslicemirroring-controller.k8s.io";
const SKIP_LABEL = "endpointslice.kubernetes.io/skip-mirror";
const LEADER = "control-plane.alpha.kubernetes.io/leader";
const BY_ENDPOINTS = "mirror-of";
/** Addresses of one subset that are mirrored at most. */
const MAX_ADDRESSES = 1000;

/** Endpoints made by hand, for services without a selector, as EndpointSlices: what service proxies read. */
export function endpointSliceMirroringController(context: ControllerContext): Controller {
  const endpoints = informerOf(context, RESOURCES.endpoints);
  const services = informerOf(context, RESOURCES.services);
  const slices = informerOf(context, RESOURCES.endpointslices);
  const mirrored = ({ metadata }: EndpointSlice): string[] =>
    metadata.labels?.[MANAGED_BY_LABEL] === MANAGER
      ? [`${metadata.namespace ?? ""}/${metadata.labels[SERVICE_NAME_LABEL] ?? ""}`]
      : [];
  slices.addIndex(BY_ENDPOINTS, mirrored);
  const expected = expectations<EndpointSlice>(slices, objectKey);
  return controller(context, {
    name: "endpointslice-mirroring-controller",
    async reconcile(key) {
      if (!expected.satisfied(key)) return;
      const source = endpoints.cache.get(key);
      const service = services.cache.get(key);
      const mirror = source && service && !hasSelector(service) && isMirrored(source);
      const wanted = mirror ? slicesOf(source) : [];
      const present = slices.cache.byIndex(BY_ENDPOINTS, key);
      const same = (a: EndpointSlice, b: EndpointSlice): boolean => content(a) === content(b);
      for (const slice of wanted) {
        if (!present.some((each) => same(each, slice)))
          expected.wrote(key, await context.client.create(RESOURCES.endpointslices, slice));
      }
      for (const slice of present) {
        if (wanted.some((each) => same(each, slice))) continue;
        const { namespace, name = "", uid } = slice.metadata;
        await context.client.delete(RESOURCES.endpointslices, namespace, name, { preconditions: { uid } });
        expected.deleted(key, slice);
      }
    },
    allKeys: () => Array.from(endpoints.cache.values(), objectKey),
    watch: (queue) => [
      expected.requeue(queue),
      enqueueFrom(endpoints, queue, (each) => [objectKey(each)]),
      enqueueFrom(
        services,
        queue,
        (each) => [objectKey(each)],
        (before, after) => hasSelector(before) !== hasSelector(after),
      ),
      enqueueFrom(slices, queue, mirrored),
    ],
  });
}

function isMirrored({ metadata }: Endpoints): boolean {
  return (
    metadata.labels?.[SKIP_LABEL] !== "true" &&
    metadata.annotations?.[LEADER] === undefined &&
    !metadata.deletionTimestamp
  );
}

function slicesOf(source: Endpoints): EndpointSlice[] {
  return (source.subsets ?? []).flatMap((subset) =>
    (["IPv4", "IPv6"] as const).flatMap((addressType) => {
      const endpoints = endpointsOf(subset, addressType).slice(0, MAX_ADDRESSES);
      return endpoints.length === 0 ? [] : [slice(source, subset, addressType, endpoints)];
    }),
  );
}

function endpointsOf(
  { addresses = [], notReadyAddresses = [] }: EndpointSubset,
  addressType: "IPv4" | "IPv6",
): Endpoint[] {
  const of = (list: readonly EndpointAddress[], ready: boolean): Endpoint[] =>
    list
      .filter(({ ip }) => ip.includes(":") === (addressType === "IPv6"))
      .map(({ ip, hostname, nodeName, targetRef }) => ({
        addresses: [ip],
        conditions: { ready },
        ...(hostname && { hostname }),
        ...(nodeName && { nodeName }),
        ...(targetRef && { targetRef }),
      }));
  return [...of(addresses, true), ...of(notReadyAddresses, false)];
}

function slice(
  source: Endpoints,
  { ports = [] }: EndpointSubset,
  addressType: string,
  endpoints: Endpoint[],
): EndpointSlice {
  const name = source.metadata.name ?? "";
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      generateName: `${name}-`,
      namespace: source.metadata.namespace,
      labels: { ...source.metadata.labels, [SERVICE_NAME_LABEL]: name, [MANAGED_BY_LABEL]: MANAGER },
      ownerReferences: [controllerReference(RESOURCES.endpoints, source)],
    },
    addressType,
    endpoints,
    ports: ports.map(({ name: portName = "", port, protocol = "TCP", appProtocol }) => ({
      name: portName,
      port,
      protocol,
      ...(appProtocol && { appProtocol }),
    })),
  };
}

function content({ addressType, endpoints, ports, metadata }: EndpointSlice): string {
  return canonicalJson([addressType, endpoints, ports, metadata.labels]);
}
