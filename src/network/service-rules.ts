/**
 * Kubernetes services on this node, by nf_tables alone: each service's port is an element of a map that leads to a chain that
 * picks an endpoint, so that a change of one service touches nothing of the others. One transaction for each `apply`.
 */
import { systemClock, type Clock } from "#base/clock.ts";
import { silentLogger, type Logger } from "#base/logger.ts";
import { forgetFlows, type Flow } from "#linux/conntrack.ts";
import { change, openNftables, type Change, type Table } from "#linux/nftables.ts";
import { openRtnetlink, type Route, type Rtnetlink } from "#linux/rtnetlink.ts";
import { isSyscallError } from "#linux/syscalls.ts";
import { addressNumber, contains, parsePrefix } from "./addresses/prefix.ts";
import { guardRules } from "./bridge/guard-rules.ts";
import type { RuleFamily } from "./bridge/rule-model.ts";
import { tableKeeper } from "./bridge/table-keeper.ts";
import { tableName } from "./open-networks.ts";
import { withinNetns } from "./within.ts";
import { checkService, compileService, POOLS, type OwnSet, type Unit } from "./services/compile.ts";
import { baseChains, serviceTableChanges, sharedSetDefinition } from "./services/service-table.ts";
import { sharedElements, type ElementChange, type SharedElements } from "./services/shared-elements.ts";

export interface ServiceEndpoint {
  readonly address: string;
  readonly port: number;
  /** On this node. */
  readonly local: boolean;
}

/** One port of a service in one address family. */
export interface ServicePort {
  /** Names it for good: `namespace/name:port`. */
  readonly key: string;
  readonly family: RuleFamily;
  readonly protocol: "tcp" | "udp" | "sctp";
  /** "": none. */
  readonly clusterIP: string;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
  readonly externalIPs: readonly string[];
  readonly loadBalancerIPs: readonly string[];
  /** Who may use loadBalancerIPs; empty: everybody. */
  readonly loadBalancerSourceRanges: readonly string[];
  readonly internalTrafficPolicy: "Cluster" | "Local";
  readonly externalTrafficPolicy: "Cluster" | "Local";
  /** Session affinity ClientIP for this long; 0: none. */
  readonly affinitySeconds: number;
  readonly endpoints: readonly ServiceEndpoint[];
  /** For policies of Local; by default those of `endpoints` that are local. */
  readonly localEndpoints?: readonly ServiceEndpoint[];
}

export interface HostRoute {
  readonly range: string;
  /** Name of the link. */
  readonly bridge: string;
}

export interface ServiceRulesOptions {
  readonly instance: string;
  /** The pods' ranges of the whole cluster: their addresses are kept, others' replaced. */
  readonly podRanges: readonly string[];
  /** Leads this host's own packets to services where it has no default route: the service ranges, by the pods' bridge. */
  readonly hostRoutes?: readonly HostRoute[];
  /** Where the namespace of the host is mounted whose rules these are; this machine's by default. */
  readonly netns?: string | undefined;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export interface ServiceRules {
  /** Makes the rules be those of `services`, and no others. All or nothing. Throws `invalid`, SyscallError. */
  apply(services: readonly ServicePort[]): void;
  /** Changes some owners' services (`namespace/name`), all others stay: the cost is theirs alone. Before the first `apply`, too. */
  change(changes: ReadonlyMap<string, readonly ServicePort[]>): void;
  /** Removes table and route from the host. */
  remove(): void;
  /** Stops watching over the rules; they stay. */
  close(): void;
}

/** The rules start empty: what an earlier run left is replaced by the first `apply`. */
export function openServiceRules(options: ServiceRulesOptions): ServiceRules {
  const { logger = silentLogger, clock = systemClock } = options;
  const within = withinNetns(options.netns);
  const nft = within(openNftables);
  const name = `${tableName(options.instance)}-services`;
  const hostRoutes = options.hostRoutes ?? [];
  const services = hostRoutes.map(({ range }) => range);
  const ranges = services.map(parsePrefix);
  const isInRange = (address: string): boolean =>
    ranges.some((range) => contains(range, addressNumber(address), address.includes(":") ? 6 : 4));
  const state: State = { isInRange, units: new Map(), byOwner: new Map(), nextPool: 0 };
  const shared: Record<RuleFamily, SharedElements> = { ip: sharedElements(), ip6: sharedElements() };
  const whole = (table: Table, family: RuleFamily): Change[] =>
    familyChanges(table, family, { pods: options.podRanges, services }, state.units, shared[family].all());
  const keeper = tableKeeper(nft, name, { whole, chains: (family) => unitChains(family, state.units) }, logger);
  const unwatch = guardRules(keeper, clock, logger, within);
  const commit = (changes: ReadonlyMap<string, readonly ServicePort[]>): void => {
    for (const services of changes.values()) services.forEach(checkService);
    const difference = compare(state, changes);
    difference.remember(shared);
    const elements = { ip: shared.ip.takeChanges(), ip6: shared.ip6.takeChanges() };
    try {
      keeper.apply((table, family) => differenceChanges(table, difference, elements[family]));
    } catch (error) {
      if (!isSyscallError(error)) throw error;
      // The table was not as we left it.
      keeper.restore();
    }
    within(() => {
      hostRoutes.forEach(setHostRoute);
      forgetStaleDatagramFlows(difference, logger);
    });
  };
  return {
    apply(services) {
      const wanted = Map.groupBy(services, ownerOf);
      const gone = Array.from(state.byOwner.keys()).filter((owner) => !wanted.has(owner));
      commit(new Map<string, readonly ServicePort[]>([...gone.map((owner) => [owner, []] as const), ...wanted]));
    },
    change: commit,
    remove() {
      unwatch();
      keeper.remove();
      within(() => hostRoutes.forEach(deleteHostRoute));
    },
    close() {
      unwatch();
      nft.close();
    },
  };
}

interface State {
  readonly isInRange: (address: string) => boolean;
  /** By `key family`. */
  readonly units: Map<string, Unit>;
  readonly byOwner: Map<string, readonly string[]>;
  nextPool: number;
}

/** `namespace/name` of `namespace/name:port`. */
function ownerOf({ key }: ServicePort): string {
  return key.slice(0, key.lastIndexOf(":"));
}

function isSame(a: ServicePort, b: ServicePort | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

interface Difference {
  readonly removed: readonly Unit[];
  readonly added: readonly Unit[];
  remember(shared: Record<RuleFamily, SharedElements>): void;
}

/** What has changed for some owners; the state becomes what is wanted. */
function compare(state: State, changes: ReadonlyMap<string, readonly ServicePort[]>): Difference {
  const removed: [string, Unit][] = [];
  const added: [string, Unit][] = [];
  for (const [owner, services] of changes) {
    const wanted = new Map(services.map((service) => [`${service.key} ${service.family}`, service]));
    const before = new Map<string, Unit>();
    for (const key of state.byOwner.get(owner) ?? []) {
      const unit = state.units.get(key);
      if (!unit || isSame(unit.service, wanted.get(key))) continue;
      before.set(key, unit);
      removed.push([key, unit]);
      state.units.delete(key);
    }
    for (const [key, service] of wanted) {
      if (state.units.has(key)) continue;
      const pool = before.get(key)?.pool ?? (state.nextPool += POOLS);
      const unit = compileService(service, pool, state.isInRange);
      added.push([key, unit]);
      state.units.set(key, unit);
    }
    if (wanted.size > 0) state.byOwner.set(owner, Array.from(wanted.keys()));
    else state.byOwner.delete(owner);
  }
  return {
    removed: removed.map(([, unit]) => unit),
    added: added.map(([, unit]) => unit),
    remember(shared) {
      for (const [key, { family, shared: elements }] of removed)
        for (const [set, element] of elements) shared[family].unwant(key, set, element);
      for (const [key, { family, shared: elements }] of added)
        for (const [set, element] of elements) shared[family].want(key, set, element);
    },
  };
}

/** Elements go first, then what they led to; what is new comes in the opposite order. */
function differenceChanges(
  table: Table,
  { removed, added }: Difference,
  elements: { deleted: readonly ElementChange[]; added: readonly ElementChange[] },
): Change[] {
  const old = removed.filter(({ family }) => family === table.family);
  const fresh = added.filter(({ family }) => family === table.family);
  const lasting = (unitList: readonly Unit[]): Set<string> =>
    new Set(unitList.flatMap(({ sets }) => sets.filter((set) => set.lasting).map((set) => set.name)));
  const before = lasting(old);
  const after = lasting(fresh);
  // Elements that have not changed lead to these.
  const kept = new Set(fresh.flatMap(({ chains }) => chains.map(({ name }) => name)));
  const goes = ({ name }: OwnSet): boolean => !(before.has(name) && after.has(name));
  const own = ownChanges(old, fresh);
  return [
    ...sharedChanges("delete", table, elements.deleted),
    ...sharedChanges("delete", table, own.gone),
    ...sharedChanges("add", table, own.come),
    ...old.flatMap(({ chains }) => chains.map(({ name }) => change.flushChain(table, name))),
    ...old.flatMap(({ sets }) => sets.filter(goes).map(({ name }) => change.deleteSet(table, name))),
    ...old.flatMap(({ chains }) =>
      chains
        .toReversed()
        .filter(({ name }) => !kept.has(name))
        .map(({ name }) => change.deleteChain(table, name)),
    ),
    ...fresh.flatMap((unit) => unitChanges(table, unit, goes)),
    ...sharedChanges("add", table, elements.added),
  ];
}

/** Elements that stay as they are are not touched. */
function ownChanges(old: readonly Unit[], fresh: readonly Unit[]): { gone: ElementChange[]; come: ElementChange[] } {
  if (old.length === 0) return { gone: [], come: ownElements(fresh) };
  const text = ({ set, element }: ElementChange): string => JSON.stringify([set, element.key, element.data]);
  const had = new Map(ownElements(old).map((each) => [text(each), each]));
  const come = ownElements(fresh).filter((each) => !had.delete(text(each)));
  return { gone: Array.from(had.values()), come };
}

function ownElements(units: readonly Unit[]): ElementChange[] {
  return units.flatMap(({ own }) => own.map(([set, element]) => ({ set, element })));
}

function unitChanges(table: Table, { sets, chains }: Unit, comes: (set: OwnSet) => boolean = () => true): Change[] {
  return [
    ...chains.map(({ name }) => change.addChain(table, name)),
    ...sets
      .filter(comes)
      .flatMap(({ name, definition, elements }) => [
        change.addSet(table, name, definition),
        ...change.addElements(table, name, definition, elements),
      ]),
    ...chains.flatMap(({ name, rules }) => rules.map((rule) => change.addRule(table, name, rule))),
  ];
}

function sharedChanges(what: "add" | "delete", table: Table, changes: readonly ElementChange[]): Change[] {
  const family = table.family === "ip6" ? "ip6" : "ip";
  const bySet = Map.groupBy(changes, ({ set }) => set);
  return Array.from(bySet).flatMap(([set, all]) => {
    const elements = all.map(({ element }) => element);
    const definition = sharedSetDefinition(set, family);
    return what === "add"
      ? change.addElements(table, set, definition, elements)
      : change.deleteElements(table, set, definition, elements);
  });
}

function familyChanges(
  table: Table,
  family: RuleFamily,
  ranges: { readonly pods: readonly string[]; readonly services: readonly string[] },
  units: ReadonlyMap<string, Unit>,
  elements: readonly ElementChange[],
): Change[] {
  const ofFamily = (all: readonly string[]): string[] =>
    all.filter((range) => range.includes(":") === (family === "ip6"));
  const own = Array.from(units.values()).filter((unit) => unit.family === family);
  return [
    ...serviceTableChanges(table, family, { pods: ofFamily(ranges.pods), "cluster-ips": ofFamily(ranges.services) }),
    ...sharedChanges("add", table, ownElements(own)),
    ...own.flatMap((unit) => unitChanges(table, unit)),
    ...sharedChanges("add", table, elements),
  ];
}

function unitChains(family: RuleFamily, units: ReadonlyMap<string, Unit>): ReadonlyMap<string, number> {
  const chains = new Map(baseChains(family));
  for (const unit of units.values()) {
    if (unit.family === family) for (const { name, rules } of unit.chains) chains.set(name, rules.length);
  }
  return chains;
}

/** Idempotent; the bridge may have been made anew since the last time. */
function setHostRoute(route: HostRoute): void {
  withHostRoute(route, (rtnetlink, wanted) => rtnetlink.setRoute(wanted));
}

function deleteHostRoute(route: HostRoute): void {
  withHostRoute(route, (rtnetlink, wanted) => {
    try {
      rtnetlink.deleteRoute(wanted);
    } catch (error) {
      if (!isSyscallError(error, "ESRCH")) throw error;
    }
  });
}

function withHostRoute({ range, bridge }: HostRoute, run: (rtnetlink: Rtnetlink, route: Route) => void): void {
  const rtnetlink = openRtnetlink();
  try {
    const link = rtnetlink.link(bridge);
    const [address = "", length = ""] = range.split("/");
    if (link?.up) run(rtnetlink, { destination: { address, prefixLength: Number(length) }, link: link.index });
  } finally {
    rtnetlink.close();
  }
}

/** A datagram flow goes on to where it went first: those whose endpoint is not the service's any more must be looked at anew. */
function forgetStaleDatagramFlows({ removed, added }: Difference, logger: Logger): void {
  const isUdp = ({ service }: Unit): boolean => service.protocol === "udp";
  const keyOf = ({ family, service }: Unit): string => `${service.key} ${family}`;
  const now = new Map(
    added
      .filter(isUdp)
      .map((unit) => [keyOf(unit), unit.service.endpoints.map(({ address, port }) => `${address} ${port}`)]),
  );
  // What was refused for want of endpoints has left flows too.
  const changed = new Map([...removed, ...added].filter(isUdp).map((unit) => [keyOf(unit), unit.service]));
  if (changed.size === 0 || removed.length === 0) return;
  const count = forgetFlows(
    (flow) =>
      flow.protocol === "udp" &&
      Array.from(changed).some(
        ([key, service]) => leadsTo(flow, service) && !now.get(key)?.includes(`${flow.replyAddress} ${flow.replyPort}`),
      ),
  );
  if (count > 0) logger.debug({ count }, "datagram flows to endpoints that have gone were forgotten");
}

function leadsTo(flow: Flow, { clusterIP, externalIPs, loadBalancerIPs, port, nodePort }: ServicePort): boolean {
  const byAddress =
    flow.originalPort === port && [clusterIP, ...externalIPs, ...loadBalancerIPs].includes(flow.originalAddress);
  return byAddress || (nodePort !== 0 && flow.originalPort === nodePort);
}
