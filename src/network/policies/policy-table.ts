/** From a table of policies to nf_tables, whole or as the difference of two. Pure. */
import { createHash } from "node:crypto";
import { change, PRIORITY, type Change, type Element, type SetDefinition, type Table } from "#linux/nftables.ts";
import * as r from "#linux/nft-rules.ts";
import { familyOf, type RuleFamily } from "../bridge/rule-model.ts";
import type { AllowedTraffic, PeerSet, PolicyTable } from "../policy-rules.ts";
import { addressType } from "../services/service-table.ts";

type Direction = "ingress" | "egress";
const DIRECTIONS: readonly Direction[] = ["egress", "ingress"];

const FORWARD = "forward";

/** Names of chains by what they allow: the same value is looked at once. */
const chainNames = new WeakMap<readonly AllowedTraffic[], string>();

function chainName(direction: Direction, allowed: readonly AllowedTraffic[]): string {
  let name = chainNames.get(allowed);
  if (name === undefined) {
    name = createHash("sha256").update(JSON.stringify(allowed)).digest("hex").slice(0, 20);
    chainNames.set(allowed, name);
  }
  return `${direction === "ingress" ? "in" : "out"}-${name}`;
}

/** Isolated pods by address, each leading to its chain. */
function podMap(family: RuleFamily): SetDefinition {
  return { key: [addressType(family)], data: "verdict" };
}

function peerSet(family: RuleFamily, { withPorts }: PeerSet): SetDefinition {
  return { key: withPorts ? [addressType(family), "inet_proto", "inet_service"] : [addressType(family)] };
}

function ofFamily(elements: Iterable<string>, family: RuleFamily): string[] {
  return Array.from(elements).filter((element) => familyOf(element) === family);
}

const peerElement = (element: string): Element => ({ key: element.split(" ") });

/** What is allowed returns to whoever asked; at the end, the rest is dropped. */
function chainRules(
  family: RuleFamily,
  direction: Direction,
  allowed: readonly AllowedTraffic[],
): (readonly r.Statement[])[] {
  const fields = family === "ip" ? r.ip : r.ip6;
  const peer = direction === "ingress" ? fields.saddr : fields.daddr;
  const rules = allowed.flatMap((traffic) => trafficRules(family, peer, traffic));
  return [...rules, [r.drop()]];
}

function trafficRules(family: RuleFamily, peer: r.Field, { peers, ports }: AllowedTraffic): (readonly r.Statement[])[] {
  const from = peerMatch(family, peer, peers);
  if (!from) return [];
  if (ports.length === 0) return [[...from, r.leave()]];
  return ports.map(({ protocol, ports: range }) => [
    ...from,
    r.is(r.l4proto, protocol),
    ...(range ? [r.inPorts(r.dport, range.from, range.to)] : []),
    r.leave(),
  ]);
}

/** Undefined: nobody of this family. */
function peerMatch(family: RuleFamily, peer: r.Field, peers: AllowedTraffic["peers"]): r.Statement[] | undefined {
  if (peers === "everybody") return [];
  if ("block" in peers) {
    const { cidr, except } = peers.block;
    if (familyOf(cidr) !== family) return undefined;
    return [r.inPrefix(peer, cidr), ...except.map((range) => r.notInPrefix(peer, range))];
  }
  if (peers.set.endsWith(WITH_PORTS)) return [r.isIn([peer, r.l4proto, r.dport], peers.set)];
  return [r.isIn([peer], peers.set)];
}

/** The end of the name of a set whose peers have ports. */
export const WITH_PORTS = "-p";

/** Chains of the pods of a direction, each once. */
function chainsOf(table: PolicyTable, family: RuleFamily): Map<string, () => (readonly r.Statement[])[]> {
  const chains = new Map<string, () => (readonly r.Statement[])[]>();
  for (const direction of DIRECTIONS)
    for (const [address, allowed] of table[direction])
      if (familyOf(address) === family)
        chains.set(chainName(direction, allowed), () => chainRules(family, direction, allowed));
  return chains;
}

/** The chains that the table has then, and how many rules each. */
export function policyChains(family: RuleFamily, table: PolicyTable): ReadonlyMap<string, number> {
  const chains = new Map([[FORWARD, 3]]);
  for (const [name, rules] of chainsOf(table, family)) chains.set(name, rules().length);
  return chains;
}

/** The whole table anew, whatever was there. */
export function wholePolicyTable(table: Table, family: RuleFamily, policies: PolicyTable): Change[] {
  const { saddr, daddr } = family === "ip" ? r.ip : r.ip6;
  return [
    change.addTable(table),
    change.deleteTable(table),
    change.addTable(table),
    ...DIRECTIONS.map((direction) => change.addSet(table, direction, podMap(family))),
    change.addChain(table, FORWARD, { type: "filter", at: "forward", priority: PRIORITY.filter }),
    change.addRule(table, FORWARD, [r.hasAny(r.ctState, r.CT_ESTABLISHED | r.CT_RELATED), r.accept()]),
    // What a pod may send is asked first, then what the other may receive.
    change.addRule(table, FORWARD, [r.vmap([saddr], "egress")]),
    change.addRule(table, FORWARD, [r.vmap([daddr], "ingress")]),
    ...policyDifference(table, family, { sets: new Map(), ingress: new Map(), egress: new Map() }, policies),
  ];
}

/** Sets come before the chains that look into them, and chains before the elements that lead to them; they go in the opposite order. */
export function policyDifference(table: Table, family: RuleFamily, before: PolicyTable, after: PolicyTable): Change[] {
  const old = chainsOf(before, family);
  const fresh = chainsOf(after, family);
  const newChains = Array.from(fresh).filter(([name]) => !old.has(name));
  const goneChains = Array.from(old.keys()).filter((name) => !fresh.has(name));
  return [
    ...setChanges(table, family, before, after),
    ...newChains.flatMap(([name, rules]) => [
      change.addChain(table, name),
      ...rules().map((rule) => change.addRule(table, name, rule)),
    ]),
    ...DIRECTIONS.flatMap((direction) => podChanges(table, family, direction, before, after)),
    ...goneChains.flatMap((name) => [change.flushChain(table, name)]),
    ...goneChains.map((name) => change.deleteChain(table, name)),
    ...Array.from(before.sets.keys())
      .filter((name) => !after.sets.has(name))
      .map((name) => change.deleteSet(table, name)),
  ];
}

function setChanges(table: Table, family: RuleFamily, before: PolicyTable, after: PolicyTable): Change[] {
  const changes: Change[] = [];
  for (const [name, set] of after.sets) {
    const old = before.sets.get(name);
    if (old === set) continue;
    const definition = peerSet(family, set);
    if (!old) changes.push(change.addSet(table, name, definition));
    const had = old?.elements ?? new Set<string>();
    const gone = ofFamily(had, family).filter((element) => !set.elements.has(element));
    const come = ofFamily(set.elements, family).filter((element) => !had.has(element));
    changes.push(
      ...change.deleteElements(table, name, definition, gone.map(peerElement)),
      ...change.addElements(table, name, definition, come.map(peerElement)),
    );
  }
  return changes;
}

function podChanges(
  table: Table,
  family: RuleFamily,
  direction: Direction,
  before: PolicyTable,
  after: PolicyTable,
): Change[] {
  const definition = podMap(family);
  const element = (address: string, allowed: readonly AllowedTraffic[]): Element => ({
    key: [address],
    data: { verdict: "jump", chain: chainName(direction, allowed) },
  });
  const [old, fresh] = [before[direction], after[direction]];
  const gone: Element[] = [];
  const come: Element[] = [];
  for (const [address, allowed] of old) {
    const now = fresh.get(address);
    if (familyOf(address) !== family || now === allowed) continue;
    if (now && chainName(direction, now) === chainName(direction, allowed)) continue;
    gone.push(element(address, allowed));
    if (now) come.push(element(address, now));
  }
  for (const [address, allowed] of fresh)
    if (familyOf(address) === family && !old.has(address)) come.push(element(address, allowed));
  return [
    ...change.deleteElements(table, direction, definition, gone),
    ...change.addElements(table, direction, definition, come),
  ];
}
