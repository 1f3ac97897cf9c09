// Services and what is set aside for them (k8s.io/kubernetes pkg/registry/core/service).
import type { KubeObject } from "#formats/kube-object.ts";
import type { Service, ServicePort, ServiceSpec } from "#formats/kube-types.generated.ts";
import { dropTypeDependentFields } from "./services/type-change.ts";
import { invalid, type FieldFault } from "../status.ts";
import { familyOf, type IpFamily } from "./services/addresses.ts";
import { settleFamilies } from "./services/families.ts";
import type { Pool } from "./services/pool.ts";
import type { RangePool } from "./services/ranges.ts";
import type { Allocation, Strategy } from "./strategy.ts";

type ServiceObject = Service & KubeObject & { spec?: ServiceSpec };

export interface ServicePools {
  readonly addresses: RangePool;
  readonly nodePorts: Pool;
}

const NONE = "None";

/** Gives services their cluster IPs and node ports, and takes them back. */
export function serviceStrategy(pools: ServicePools): Strategy {
  return {
    createOnUpdate: true,
    prepareForCreate(object) {
      const service = object as ServiceObject;
      service.status = { loadBalancer: {} };
      if (service.spec) normalize(service, service.spec, undefined, pools);
    },
    prepareForUpdate(object, old) {
      const { spec } = object as ServiceObject;
      const before = (old as ServiceObject).spec;
      if (!spec || !before) return;
      dropTypeDependentFields(spec, before);
      carryAllocated(spec, before);
      normalize(object as ServiceObject, spec, before, pools);
    },
    allocate(object, old) {
      const service = object as ServiceObject;
      const held = heldBy((old as ServiceObject | undefined)?.spec);
      return allocate(pools, service, held);
    },
    released(object) {
      const held = heldBy((object as ServiceObject).spec);
      for (const address of held.addresses) pools.addresses.release(address);
      for (const port of held.ports) pools.nodePorts.release(port);
    },
  };
}

/** Marks what a stored service holds, at start. */
export function adoptService(pools: ServicePools, object: KubeObject): void {
  const held = heldBy((object as ServiceObject).spec);
  for (const address of held.addresses) pools.addresses.take(address);
  for (const port of held.ports) pools.nodePorts.take(port);
}

interface Held {
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
}

function heldBy(spec: ServiceSpec | undefined): Held {
  if (!spec || spec.type === "ExternalName") return { addresses: [], ports: [] };
  const ports = [...(spec.ports ?? []).map((port) => port.nodePort ?? 0), spec.healthCheckNodePort ?? 0];
  return {
    addresses: (spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : [])).filter(
      (address) => address !== NONE && address !== "",
    ),
    ports: Array.from(new Set(ports.filter((port) => port > 0))),
  };
}

/** clusterIP and clusterIPs say the same. */
function normalize(
  service: ServiceObject,
  spec: ServiceSpec,
  before: ServiceSpec | undefined,
  { addresses }: ServicePools,
): void {
  if (spec.type === "ExternalName") return;
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  if (!spec.clusterIP && spec.clusterIPs?.[0]) spec.clusterIP = spec.clusterIPs[0];
  const faults = settleFamilies(spec, before, addresses.families());
  if (faults.length > 0) throw invalid("", "Service", service.metadata.name ?? "", faults);
  if (!needsHealthPort(spec)) delete spec.healthCheckNodePort;
}

/** A PUT without the values that the server gave keeps them. */
function carryAllocated(spec: ServiceSpec, before: ServiceSpec): void {
  if (spec.type !== "ExternalName" && before.type !== "ExternalName" && !spec.clusterIP && !spec.clusterIPs?.length) {
    if (before.clusterIP !== undefined) spec.clusterIP = before.clusterIP;
    if (before.clusterIPs) spec.clusterIPs = before.clusterIPs;
  } else if (spec.clusterIP === before.clusterIP && !spec.clusterIPs?.length && before.clusterIPs) {
    spec.clusterIPs = before.clusterIPs;
  }
  if (spec.type === before.type || needsNodePorts(before)) carryPorts(spec, before);
  if (needsHealthPort(spec) && !spec.healthCheckNodePort && before.healthCheckNodePort) {
    spec.healthCheckNodePort = before.healthCheckNodePort;
  }
}

function carryPorts(spec: ServiceSpec, before: ServiceSpec): void {
  if (!needsNodePorts(spec)) return;
  const id = ({ port, protocol = "TCP" }: ServicePort): string => `${protocol}/${port}`;
  const known = new Map((before.ports ?? []).map((port) => [id(port), port.nodePort]));
  for (const port of spec.ports ?? []) {
    const nodePort = known.get(id(port));
    if (!port.nodePort && nodePort) port.nodePort = nodePort;
  }
}

function needsNodePorts({ type, allocateLoadBalancerNodePorts }: ServiceSpec): boolean {
  return type === "NodePort" || (type === "LoadBalancer" && allocateLoadBalancerNodePorts !== false);
}

function needsHealthPort({ type, externalTrafficPolicy }: ServiceSpec): boolean {
  return type === "LoadBalancer" && externalTrafficPolicy === "Local";
}

type Undo = () => void;

function allocate(pools: ServicePools, service: ServiceObject, before: Held): Allocation {
  const { spec } = service;
  const undo: Undo[] = [];
  const release = (): void => {
    for (const back of undo) back();
  };
  try {
    if (spec && spec.type !== "ExternalName" && spec.clusterIP !== NONE)
      allocateAddress(pools, service, spec, before, undo);
    if (spec) allocatePorts(pools, service, spec, before, undo);
  } catch (error) {
    release();
    throw error;
  }
  return { release, settle: () => releaseUnused(pools, before, heldBy(spec)) };
}

/** One address for each family: those that are named, and any for the others. */
function allocateAddress(
  pools: ServicePools,
  service: ServiceObject,
  spec: ServiceSpec,
  before: Held,
  undo: Undo[],
): void {
  const named = new Map((spec.clusterIPs ?? []).filter((address) => address !== "").map((ip) => [familyOf(ip), ip]));
  const families = (spec.ipFamilies ?? ["IPv4"]) as IpFamily[];
  spec.clusterIPs = families.map((family) => {
    const wanted = named.get(family);
    if (wanted !== undefined && before.addresses.includes(wanted)) return wanted;
    const address = wanted === undefined ? pools.addresses.takeAny(family) : takeAddress(pools, service, wanted);
    if (address === undefined)
      throw fault(service, "spec.clusterIPs", "failed to allocate a serviceIP: range is full", []);
    undo.push(() => pools.addresses.release(address));
    return address;
  });
  const [first] = spec.clusterIPs;
  if (first !== undefined) spec.clusterIP = first;
}

function takeAddress({ addresses }: ServicePools, service: ServiceObject, address: string): string {
  const refuse = (why: string): Error =>
    fault(service, "spec.clusterIPs", `failed to allocate IP ${address}: ${why}`, [address]);
  if (!addresses.covers(address)) {
    const [low, high] = addresses.range(familyOf(address));
    throw refuse(`the provided IP (${address}) is not in the valid range. The range of valid IPs is ${low} to ${high}`);
  }
  if (!addresses.take(address)) throw refuse("provided IP is already allocated");
  return address;
}

function allocatePorts(
  pools: ServicePools,
  service: ServiceObject,
  spec: ServiceSpec,
  before: Held,
  undo: Undo[],
): void {
  const held = new Set(before.ports);
  const assign = (wanted: number | undefined, field: string): number => {
    if (wanted && held.has(wanted)) return wanted;
    const port = wanted ? takePort(pools, service, wanted, field) : pools.nodePorts.takeAny();
    if (port === undefined) throw portFault(service, field, 0, "failed to allocate a nodePort: range is full");
    // TCP and UDP of one service may share a number.
    held.add(port);
    undo.push(() => pools.nodePorts.release(port));
    return port;
  };
  if (needsNodePorts(spec)) {
    for (const [index, port] of (spec.ports ?? []).entries()) {
      const twin = port.nodePort ? undefined : twinOf(spec.ports ?? [], index);
      port.nodePort = twin ?? assign(port.nodePort, `spec.ports[${index}].nodePort`);
    }
  }
  if (needsHealthPort(spec)) spec.healthCheckNodePort = assign(spec.healthCheckNodePort, "spec.healthCheckNodePort");
}

/** The node port of an earlier entry with the same number and another protocol. */
function twinOf(ports: readonly ServicePort[], index: number): number | undefined {
  const own = ports[index];
  return ports.slice(0, index).find(({ port, protocol }) => port === own?.port && protocol !== own.protocol)?.nodePort;
}

function takePort(pools: ServicePools, service: ServiceObject, port: number, field: string): number {
  const { low, high } = pools.nodePorts;
  if (port < low || port > high) {
    throw portFault(
      service,
      field,
      port,
      `provided port is not in the valid range. The range of valid ports is ${low}-${high}`,
    );
  }
  if (!pools.nodePorts.take(port)) throw portFault(service, field, port, "provided port is already allocated");
  return port;
}

function releaseUnused(pools: ServicePools, before: Held, now: Held): void {
  for (const address of before.addresses) if (!now.addresses.includes(address)) pools.addresses.release(address);
  for (const port of before.ports) if (!now.ports.includes(port)) pools.nodePorts.release(port);
}

function portFault(service: ServiceObject, field: string, port: number, why: string): Error {
  return refuse(service, { field, message: `Invalid value: ${port}: ${why}`, reason: "FieldValueInvalid" });
}

function fault(service: ServiceObject, field: string, why: string, value: readonly string[]): Error {
  const list = `[${value.map((one) => JSON.stringify(one)).join(",")}]`;
  return refuse(service, { field, message: `Invalid value: ${list}: ${why}`, reason: "FieldValueInvalid" });
}

function refuse(service: ServiceObject, one: FieldFault): Error {
  return invalid("", "Service", service.metadata.name ?? "", [one]);
}
