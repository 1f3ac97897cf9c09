/**
 * The table of service rules: what every service shares. Services are elements of maps that lead to a chain each; the
 * chain picks an endpoint. Pure.
 */
import { change, PRIORITY, type Change, type SetDefinition, type Table } from "#linux/nftables.ts";
import * as r from "#linux/nft-rules.ts";
import type { RuleFamily } from "../bridge/rule-model.ts";

export type SharedSet =
  | PickMap
  | "members"
  | "services"
  | "nodeports"
  | "no-endpoints"
  | "no-endpoint-nodeports"
  | "cluster-ips"
  | "masquerade"
  | "masquerade-nodeports"
  | "hairpin"
  | "pods";

/** Of so many endpoints at most, a service is an element of a map for their number and has no chain: see `pickMap`. */
export const MOST_PICKED = 16;

/** Cluster addresses whose services have this many endpoints: an element for each, of which a packet gets any. */
export type PickMap = `pick-${number}`;

export function pickMap(count: number): PickMap {
  return `pick-${count}`;
}

const PICK_MAPS: readonly PickMap[] = Array.from({ length: MOST_PICKED }, (_, index) => pickMap(index + 1));

export const SHARED_SETS: readonly SharedSet[] = [
  ...PICK_MAPS,
  "members",
  "services",
  "nodeports",
  "no-endpoints",
  "no-endpoint-nodeports",
  "cluster-ips",
  "masquerade",
  "masquerade-nodeports",
  "hairpin",
  "pods",
];

export function addressType(family: RuleFamily): "ipv4_addr" | "ipv6_addr" {
  return family === "ip" ? "ipv4_addr" : "ipv6_addr";
}

export function sharedSetDefinition(set: SharedSet, family: RuleFamily): SetDefinition {
  const address = addressType(family);
  switch (set) {
    case "services":
    case "no-endpoints":
      return { key: [address, "inet_proto", "inet_service"], data: "verdict" };
    case "nodeports":
    case "no-endpoint-nodeports":
      return { key: ["inet_proto", "inet_service"], data: "verdict" };
    case "masquerade":
      return { key: [address, "inet_proto", "inet_service"] };
    case "masquerade-nodeports":
      return { key: ["inet_proto", "inet_service"] };
    case "hairpin":
      return { key: [address, address] };
    case "cluster-ips":
    case "pods":
      return { key: [address], interval: true };
    case "members":
      return { key: ["mark", "mark"], data: [address, "inet_service"] };
    case "pick-1":
      return { key: [address, "inet_proto", "inet_service"], data: [address, "inet_service"] };
    default:
      return { key: [address, "inet_proto", "inet_service", "mark"], data: [address, "inet_service"] };
  }
}

/** Where a packet for a service without endpoints goes. */
export const REJECT_CHAIN = "reject";

/** The whole table anew, without services. `ranges`: of the pods and of the services, in this family. */
export function serviceTableChanges(
  table: Table,
  family: RuleFamily,
  ranges: { readonly pods: readonly string[]; readonly "cluster-ips": readonly string[] },
): Change[] {
  return [
    change.addTable(table),
    change.deleteTable(table),
    change.addTable(table),
    ...SHARED_SETS.map((set) => change.addSet(table, set, sharedSetDefinition(set, family))),
    ...(["pods", "cluster-ips"] as const).flatMap((set) =>
      change.addElements(
        table,
        set,
        sharedSetDefinition(set, family),
        ranges[set].map((range) => ({ key: [range] })),
      ),
    ),
    ...dispatchChanges(table, family),
    ...sourceChanges(table, family),
    ...refusalChanges(table, family),
  ];
}

/** Chains of the table without services, with how many rules each has. */
export function baseChains(family: RuleFamily): ReadonlyMap<string, number> {
  return new Map([
    ["pick", MOST_PICKED],
    ["prerouting", 3],
    ["output", 3],
    ["postrouting", family === "ip" ? 5 : 4],
    [REJECT_CHAIN, 2],
    ["input", 3],
    ["forward", 2],
    ["filter-output", 3],
  ]);
}

function addresses(family: RuleFamily): r.AddressFields {
  return family === "ip" ? r.ip : r.ip6;
}

function dispatchChanges(table: Table, family: RuleFamily): Change[] {
  const { daddr } = addresses(family);
  const toService = [r.vmap([daddr, r.l4proto, r.dport], "services")];
  const toNodePort = r.vmap([r.l4proto, r.dport], "nodeports");
  const local = r.is(r.fibDaddrType, r.LOCAL);
  const pick = [r.jump("pick")];
  const notLoopback = family === "ip" ? r.notInPrefix(daddr, "127.0.0.0/8") : r.isNot(daddr, "::1");
  return [
    change.addChain(table, "pick"),
    ...PICK_MAPS.map((map, index) => change.addRule(table, "pick", [pickRule(family, map, index + 1)])),
    change.addChain(table, "prerouting", { type: "nat", at: "prerouting", priority: PRIORITY.dstnat }),
    change.addRule(table, "prerouting", pick),
    change.addRule(table, "prerouting", toService),
    change.addRule(table, "prerouting", [local, notLoopback, toNodePort]),
    change.addChain(table, "output", { type: "nat", at: "output", priority: PRIORITY.dstnat }),
    change.addRule(table, "output", pick),
    change.addRule(table, "output", toService),
    change.addRule(table, "output", family === "ip" ? [local, toNodePort] : [local, notLoopback, toNodePort]),
  ];
}

/** The lookups of a packet do not become more with the services. */
function pickRule(family: RuleFamily, map: PickMap, count: number): r.Statement {
  const fields = [addresses(family).daddr, r.l4proto, r.dport];
  return count === 1 ? r.dnatByMap(family, fields, map) : r.dnatByMapRandomly(family, fields, count, map);
}

/** Replies must come back through this node: whoever is no pod, and a pod that reaches itself, gets the node's address. */
function sourceChanges(table: Table, family: RuleFamily): Change[] {
  const { saddr, daddr, ctOriginalDaddr } = addresses(family);
  const translated = r.hasAny(r.ctStatus, r.CT_DNAT);
  const stranger = r.isNotIn([saddr], "pods");
  const leaves = r.isNot(r.oifname, "lo");
  const original = [ctOriginalDaddr, r.l4proto, r.ctOriginalDport];
  const rules = [
    [translated, r.isIn([saddr, daddr], "hairpin"), r.masquerade()],
    ...(family === "ip" ? [[translated, leaves, r.inPrefix(saddr, "127.0.0.0/8"), r.masquerade()]] : []),
    [translated, leaves, stranger, r.isIn([ctOriginalDaddr], "cluster-ips"), r.masquerade()],
    [translated, leaves, stranger, r.isIn(original, "masquerade"), r.masquerade()],
    // A node port is reached by any address, but not by a service's, whose port may be the same number.
    [
      translated,
      leaves,
      stranger,
      r.isNotIn([ctOriginalDaddr], "cluster-ips"),
      r.isIn([r.l4proto, r.ctOriginalDport], "masquerade-nodeports"),
      r.masquerade(),
    ],
  ];
  return [
    change.addChain(table, "postrouting", { type: "nat", at: "postrouting", priority: PRIORITY.srcnat }),
    ...rules.map((rule) => change.addRule(table, "postrouting", rule)),
  ];
}

/** What was not translated because there is no endpoint, or no such port, is answered: nobody waits for a timeout. */
function refusalChanges(table: Table, family: RuleFamily): Change[] {
  const { daddr } = addresses(family);
  const fresh = r.hasAny(r.ctState, r.CT_NEW);
  const untranslated = r.hasNone(r.ctStatus, r.CT_DNAT);
  const service = [fresh, r.vmap([daddr, r.l4proto, r.dport], "no-endpoints")];
  const nodePort = [fresh, r.is(r.fibDaddrType, r.LOCAL), r.vmap([r.l4proto, r.dport], "no-endpoint-nodeports")];
  const unknownPort = [fresh, untranslated, r.isIn([daddr], "cluster-ips"), r.goto(REJECT_CHAIN)];
  const hook = (name: string, at: "input" | "forward" | "output", rules: (readonly r.Statement[])[]): Change[] => [
    change.addChain(table, name, { type: "filter", at, priority: PRIORITY.dstnat - 10 }),
    ...rules.map((rule) => change.addRule(table, name, rule)),
  ];
  return [
    change.addChain(table, REJECT_CHAIN),
    // A reset is not held back as the kernel holds ICMP back (icmp_ratelimit).
    change.addRule(table, REJECT_CHAIN, [r.is(r.l4proto, "tcp"), r.reject(family, "tcp-reset")]),
    change.addRule(table, REJECT_CHAIN, [r.reject(family)]),
    ...hook("input", "input", [service, nodePort, unknownPort]),
    ...hook("forward", "forward", [service, unknownPort]),
    // After the translation of what this host itself sends, unlike its namesakes.
    change.addChain(table, "filter-output", { type: "filter", at: "output", priority: PRIORITY.filter }),
    ...[service, nodePort, unknownPort].map((rule) => change.addRule(table, "filter-output", rule)),
  ];
}
