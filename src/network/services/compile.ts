/** From a service's port to what it has in the table: chains, sets of its own, elements of the shared sets. Pure. */
import { createHash } from "node:crypto";
import { GantryError } from "#base/errors.ts";
import type { Element, SetDefinition } from "#linux/nftables.ts";
import * as r from "#linux/nft-rules.ts";
import type { RuleFamily } from "../bridge/rule-model.ts";
import type { ServiceEndpoint, ServicePort } from "../service-rules.ts";
import { addressType, MOST_PICKED, pickMap, REJECT_CHAIN, type SharedSet } from "./service-table.ts";

export interface Unit {
  readonly family: RuleFamily;
  readonly service: ServicePort;
  /** The first of the numbers of its pools; it has POOLS of them. */
  readonly pool: number;
  readonly sets: readonly OwnSet[];
  /** Endpoints' chains before those that lead to them. */
  readonly chains: readonly OwnChain[];
  readonly shared: readonly (readonly [SharedSet, Element])[];
  /** Elements of shared sets that no other unit can have: of its own cluster address and pools. */
  readonly own: readonly (readonly [SharedSet, Element])[];
}

export interface OwnSet {
  readonly name: string;
  readonly definition: SetDefinition;
  readonly elements: readonly Element[];
  /** Filled by packets: outlives a change of the service. */
  readonly lasting: boolean;
}

export interface OwnChain {
  readonly name: string;
  readonly rules: readonly (readonly r.Statement[])[];
}

function localOf({ endpoints, localEndpoints }: ServicePort): readonly ServiceEndpoint[] {
  return localEndpoints ?? endpoints.filter(({ local }) => local);
}

/** How many pools of endpoints a unit may have: those for inside, all, and those on this node. */
export const POOLS = 4;

/** `isInRange`: the address is of the services' range, which the table has as a whole. */
export function compileService(
  service: ServicePort,
  pool: number,
  isInRange: (address: string) => boolean = () => false,
): Unit {
  const parts: Parts = { sets: [], chains: [], shared: [], own: [], pools: [], pool, isInRange };
  // Most services need none: they have no chain of their own.
  let made: string | undefined;
  const tag = (): string => (made ??= hash(service.key));
  const internal = service.internalTrafficPolicy === "Local" ? localOf(service) : service.endpoints;
  internalPart(service, tag, internal, parts);
  externalPart(service, tag, parts);
  for (const { address, local } of [...service.endpoints, ...(service.localEndpoints ?? [])])
    if (local) parts.shared.push(["hairpin", { key: [address, address] }]);
  const { sets, chains, shared, own } = parts;
  return { family: service.family, service, pool, sets, chains, shared, own };
}

interface Parts {
  sets: OwnSet[];
  chains: OwnChain[];
  shared: (readonly [SharedSet, Element])[];
  own: (readonly [SharedSet, Element])[];
  /** The endpoints that each pool has, to make none twice. */
  pools: (readonly ServiceEndpoint[])[];
  readonly pool: number;
  readonly isInRange: (address: string) => boolean;
}

/** The number of the pool of these endpoints. */
function poolOf(endpoints: readonly ServiceEndpoint[], parts: Parts): number {
  const known = parts.pools.findIndex((pool) => pool === endpoints);
  if (known >= 0) return parts.pool + known;
  const number = parts.pool + parts.pools.push(endpoints) - 1;
  for (const [index, { address, port }] of endpoints.entries())
    parts.own.push(["members", { key: [number, index], data: [address, port] }]);
  return number;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function internalPart(
  service: ServicePort,
  tag: () => string,
  endpoints: readonly ServiceEndpoint[],
  parts: Parts,
): void {
  const { clusterIP, protocol, port } = service;
  if (clusterIP === "") return;
  const key = [clusterIP, protocol, port];
  if (!parts.isInRange(clusterIP)) parts.shared.push(["cluster-ips", { key: [clusterIP] }]);
  if (endpoints.length === 0) {
    // Endpoints elsewhere, but none here as the policy wants: silence, as kube-proxy; none at all: a refusal.
    const refusal = service.endpoints.length > 0 ? DROP : REJECT;
    parts.shared.push(["no-endpoints", { key, data: refusal }]);
    return;
  }
  const [only] = endpoints;
  if (service.affinitySeconds > 0 || endpoints.length > MOST_PICKED) {
    pickChain(`svc-${tag()}`, service, tag, endpoints, parts);
    parts.shared.push(["services", { key, data: { verdict: "goto", chain: `svc-${tag()}` } }]);
  } else if (only && endpoints.length === 1) parts.own.push([pickMap(1), { key, data: [only.address, only.port] }]);
  else
    for (const [index, end] of endpoints.entries())
      parts.own.push([pickMap(endpoints.length), { key: [...key, index], data: [end.address, end.port] }]);
}

const REJECT = { verdict: "goto", chain: REJECT_CHAIN } as const;
const DROP = { verdict: "drop" } as const;

function externalPart(service: ServicePort, tag: () => string, parts: Parts): void {
  const { externalIPs, loadBalancerIPs, nodePort, protocol, port, endpoints } = service;
  const addresses = [...externalIPs, ...loadBalancerIPs];
  if (addresses.length === 0 && nodePort === 0) return;
  const target = endpoints.length > 0 ? externalChain(service, tag, parts) : undefined;
  const balanced = target === undefined ? undefined : sourceRangeChain(service, tag, target, parts);
  for (const address of addresses) {
    const key = [address, protocol, port];
    const chain = loadBalancerIPs.includes(address) ? balanced : target;
    if (chain === undefined) parts.shared.push(["no-endpoints", { key, data: REJECT }]);
    else parts.shared.push(["services", { key, data: { verdict: "goto", chain } }]);
    if (chain !== undefined && service.externalTrafficPolicy === "Cluster") parts.shared.push(["masquerade", { key }]);
  }
  if (nodePort === 0) return;
  const key = [protocol, nodePort];
  if (target === undefined) parts.shared.push(["no-endpoint-nodeports", { key, data: REJECT }]);
  else parts.shared.push(["nodeports", { key, data: { verdict: "goto", chain: target } }]);
  if (target !== undefined && service.externalTrafficPolicy === "Cluster")
    parts.shared.push(["masquerade-nodeports", { key }]);
}

/** Policy Local: outsiders get local endpoints and keep their address; whoever is inside gets any. */
function externalChain(service: ServicePort, tag: () => string, parts: Parts): string {
  const all = `all-${tag()}`;
  const existing = parts.chains.find(({ name }) => name === `svc-${tag()}`);
  const everywhere = existing && service.internalTrafficPolicy === "Cluster" ? existing.name : all;
  if (everywhere === all) pickChain(all, service, tag, service.endpoints, parts);
  if (service.externalTrafficPolicy === "Cluster") return everywhere;
  const { saddr } = service.family === "ip" ? r.ip : r.ip6;
  const local = localOf(service);
  const inner: OwnChain = {
    name: `ext-${tag()}`,
    rules: [
      [r.isIn([saddr], "pods"), r.goto(everywhere)],
      [r.is(r.fibSaddrType, r.LOCAL), r.goto(everywhere)],
      ...(local.length === 0 ? [[r.drop()]] : pickRules(`ext-${tag()}`, service, tag, local, parts)),
    ],
  };
  parts.chains.push(inner);
  return inner.name;
}

/** Only those whom loadBalancerSourceRanges names may use the load balancer's addresses. */
function sourceRangeChain(service: ServicePort, tag: () => string, target: string, parts: Parts): string {
  const { saddr } = service.family === "ip" ? r.ip : r.ip6;
  const ranges = service.loadBalancerSourceRanges.filter((range) => range.includes(":") === (service.family === "ip6"));
  if (service.loadBalancerSourceRanges.length === 0) return target;
  const name = `fw-${tag()}`;
  parts.chains.push({
    name,
    rules: [...ranges.map((range) => [r.inPrefix(saddr, range), r.goto(target)]), [r.drop()]],
  });
  return name;
}

function pickChain(
  name: string,
  service: ServicePort,
  tag: () => string,
  endpoints: readonly ServiceEndpoint[],
  parts: Parts,
): void {
  parts.chains.push({ name, rules: pickRules(name, service, tag, endpoints, parts) });
}

/** One endpoint, each as likely as the others. */
function pickRules(
  name: string,
  service: ServicePort,
  tag: () => string,
  endpoints: readonly ServiceEndpoint[],
  parts: Parts,
): (readonly r.Statement[])[] {
  const { family } = service;
  if (service.affinitySeconds > 0) return stickyRules(name, service, tag, endpoints, parts);
  const [only] = endpoints;
  if (only !== undefined && endpoints.length === 1) return [[r.dnat(family, only.address, only.port)]];
  return [[r.dnatFromPool(family, poolOf(endpoints, parts), endpoints.length, "members")]];
}

/** Session affinity ClientIP: who was sent to an endpoint goes there again until he has stayed away for the time. */
function stickyRules(
  name: string,
  service: ServicePort,
  tag: () => string,
  endpoints: readonly ServiceEndpoint[],
  parts: Parts,
): (readonly r.Statement[])[] {
  const { family, affinitySeconds } = service;
  const { saddr } = family === "ip" ? r.ip : r.ip6;
  const timeoutMs = affinitySeconds * 1000;
  const chains = endpoints.map(({ address, port }) => {
    const mark = hash(`${address} ${port}`).slice(0, 8);
    const clients = `clients-${tag()}-${mark}`;
    const chain = `ep-${tag()}-${mark}`;
    if (!parts.sets.some((set) => set.name === clients)) {
      parts.sets.push({
        name: clients,
        definition: { key: [addressType(family)], timeoutMs },
        elements: [],
        lasting: true,
      });
      parts.chains.push({
        name: chain,
        rules: [[r.remember([saddr], clients, timeoutMs), r.dnat(family, address, port)]],
      });
    }
    return { clients, chain };
  });
  const map = `${name}-endpoints`;
  const elements = chains.map(({ chain }, index): Element => ({ key: [index], data: { verdict: "goto", chain } }));
  parts.sets.push({ name: map, definition: { key: ["mark"], data: "verdict" }, elements, lasting: false });
  return [
    ...chains.map(({ clients, chain }) => [r.isIn([saddr], clients), r.goto(chain)]),
    [r.randomVmap(endpoints.length, map)],
  ];
}

/** Throws `invalid` for a service that no table can hold: a port out of range, an address of the other family. */
export function checkService({ key, port, nodePort, endpoints, clusterIP, family }: ServicePort): void {
  const wrong = [port, ...endpoints.map((endpoint) => endpoint.port)].find(
    (number) => !(number >= 1 && number <= 65_535),
  );
  if (wrong !== undefined || nodePort < 0 || nodePort > 65_535)
    throw new GantryError("invalid", `service ${key}: port ${wrong ?? nodePort}`);
  const strange = [clusterIP, ...endpoints.map(({ address }) => address)].find(
    (address) => address !== "" && address.includes(":") !== (family === "ip6"),
  );
  if (strange !== undefined) throw new GantryError("invalid", `service ${key}: ${strange} is not of family ${family}`);
}
