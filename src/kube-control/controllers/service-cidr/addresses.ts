// IPAddress objects as the services' addresses want them, and services that cannot have theirs (kube-apiserver's repair loops).
import { isIP } from "node:net";
import { objectKey } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { IPAddress, Service, ServiceCIDR } from "#formats/kube-types.generated.ts";
import type { Informer } from "#kube-client/informer.ts";
import { controller, enqueueFrom, informerOf, type Controller, type ControllerContext } from "../shared/controller.ts";
import { rangeHolds } from "./ranges.ts";

const BY_ADDRESS = "service-by-address";
const BY_NODE_PORT = "service-by-node-port";
const MANAGED_BY = "ipaddress.kubernetes.io/managed-by";
const ALLOCATOR = "ipallocator.k8s.io";

interface Parts {
  readonly context: ControllerContext;
  readonly services: Informer<Service>;
  readonly addresses: Informer<IPAddress>;
  readonly ranges: Informer<ServiceCIDR>;
}

/** Keeps an IPAddress for each address that a service has, and says of services whose address or port another has first. Keys: addresses, and `port/N`. */
export function serviceAddressController(context: ControllerContext): Controller {
  const services = informerOf(context, RESOURCES.services);
  const addresses = informerOf(context, RESOURCES.ipaddresses);
  const ranges = informerOf(context, RESOURCES.servicecidrs);
  services.addIndex(BY_ADDRESS, addressesOf);
  services.addIndex(BY_NODE_PORT, nodePortsOf);
  const parts: Parts = { context, services, addresses, ranges };
  return controller(context, {
    name: "service-address-repair-controller",
    reconcile: (key) => (key.startsWith("port/") ? checkPort(parts, key.slice(5)) : repairAddress(parts, key)),
    allKeys: () => Array.from(services.cache.values()).flatMap(keysOf),
    watch: (queue) => [
      enqueueFrom(services, queue, keysOf),
      enqueueFrom(addresses, queue, (address) => [address.metadata.name ?? ""]),
    ],
  });
}

function keysOf(service: Service): string[] {
  return [...addressesOf(service), ...nodePortsOf(service).map((port) => `port/${port}`)];
}

function addressesOf({ spec }: Service): string[] {
  return (spec?.clusterIPs ?? []).filter((address) => isIP(address) !== 0);
}

/** `TCP 30080` */
function nodePortsOf({ spec }: Service): string[] {
  return (spec?.ports ?? []).flatMap(({ protocol = "TCP", nodePort }) => (nodePort ? [`${protocol} ${nodePort}`] : []));
}

/** The oldest has it. */
function holders(services: Informer<Service>, index: string, value: string): Service[] {
  return Array.from(services.cache.byIndex(index, value)).toSorted(
    (a, b) =>
      (a.metadata.creationTimestamp ?? "").localeCompare(b.metadata.creationTimestamp ?? "") ||
      objectKey(a).localeCompare(objectKey(b)),
  );
}

async function repairAddress({ context, services, addresses, ranges }: Parts, address: string): Promise<void> {
  const [owner, ...others] = holders(services, BY_ADDRESS, address);
  const known = addresses.cache.get(address);
  for (const service of others) {
    const text = `Cluster IP ${address} was assigned to multiple services; please recreate service`;
    warn(context, service, "ClusterIPAlreadyAllocated", text);
  }
  if (!owner) {
    // Somebody else's are theirs to remove.
    if (known?.metadata.labels?.[MANAGED_BY] === ALLOCATOR)
      await context.client.delete(RESOURCES.ipaddresses, undefined, address);
    return;
  }
  const cidrs = Array.from(ranges.cache.values()).flatMap(({ spec }) => spec?.cidrs ?? []);
  if (cidrs.length > 0 && !cidrs.some((cidr) => rangeHolds(cidr, address))) {
    const text = `Cluster IP ${address} is not within any configured Service CIDR; please recreate service`;
    warn(context, owner, "ClusterIPOutOfRange", text);
  }
  const wanted = addressObject(address, owner);
  if (!known) await context.client.create(RESOURCES.ipaddresses, wanted);
  else if (!isParent(known, owner)) {
    // A parent cannot be changed.
    await context.client.delete(RESOURCES.ipaddresses, undefined, address);
  }
}

function isParent({ spec }: IPAddress, { metadata }: Service): boolean {
  const { resource, namespace, name } = spec?.parentRef ?? {};
  return resource === "services" && namespace === metadata.namespace && name === metadata.name;
}

function addressObject(address: string, { metadata }: Service): IPAddress {
  const labels = {
    "ipaddress.kubernetes.io/ip-family": `IPv${isIP(address)}`,
    [MANAGED_BY]: ALLOCATOR,
  };
  const { namespace, name } = metadata;
  const parentRef = { group: "", resource: "services", namespace, name };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "IPAddress",
    metadata: { name: address, labels },
    spec: { parentRef },
  };
}

async function checkPort({ context, services }: Parts, port: string): Promise<void> {
  const [, ...others] = holders(services, BY_NODE_PORT, port);
  for (const service of others) {
    const text = `Port ${port.split(" ")[1] ?? ""} was assigned to multiple services; please recreate service`;
    warn(context, service, "PortAlreadyAllocated", text);
  }
}

function warn(context: ControllerContext, service: Service, reason: string, message: string): void {
  context.events("ipallocator-repair-controller").record(service, "Warning", reason, message);
}
