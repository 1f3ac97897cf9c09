/**
 * The one table that an instance has per family, as changes for nftables. Pure. Networks and ports are elements of sets and
 * maps, so that a container's start adds a few elements and touches no rule.
 *
 * The dangerous part is publishing on localhost: a reply to 127.0.0.1 comes in over the bridge, which the kernel takes only
 * with route_localnet, which opens the host's loopback services to whoever is on that bridge (CVE-2020-8558). So nothing
 * that comes over a bridge may be addressed to 127.0.0.0/8: replies are addressed to the bridge's own address until their
 * translation is undone, after that rule.
 */
import { change, PRIORITY, type Change, type Element, type SetDefinition, type Table } from "#linux/nftables.ts";
import * as r from "#linux/nft-rules.ts";
import { familyOf, isAny, isLoopback, type BridgeRules, type PublishedPort, type RuleFamily } from "./rule-model.ts";

const LOOPBACK_RANGE = "127.0.0.0/8";

type SetName =
  | "bridges"
  | "internal"
  | "open"
  | "connected"
  | "self"
  | "sources"
  | "published"
  | "published-any"
  | "published-local";

const address = (family: RuleFamily): "ipv4_addr" | "ipv6_addr" => (family === "ip" ? "ipv4_addr" : "ipv6_addr");

function setDefinition(set: SetName, family: RuleFamily): SetDefinition {
  switch (set) {
    case "bridges":
    case "internal":
    case "open":
      return { key: ["ifname"] };
    case "connected":
      return { key: ["ifname", "ifname"] };
    case "self":
      return { key: [address(family), address(family)] };
    case "sources":
      return { key: [address(family)], data: "verdict", interval: true };
    case "published-any":
      return { key: ["inet_proto", "inet_service"], data: [address(family), "inet_service"] };
    case "published":
    case "published-local":
      return { key: [address(family), "inet_proto", "inet_service"], data: [address(family), "inet_service"] };
  }
}

const SETS: readonly SetName[] = [
  "bridges",
  "internal",
  "open",
  "connected",
  "self",
  "sources",
  "published",
  "published-any",
  "published-local",
];

/** The whole table anew, empty of networks and ports. */
export function tableChanges(table: Table, family: RuleFamily): Change[] {
  return [
    // Adding first makes the deletion of what may not be there succeed.
    change.addTable(table),
    change.deleteTable(table),
    change.addTable(table),
    ...SETS.map((set) => change.addSet(table, set, setDefinition(set, family))),
    ...(family === "ip" ? guardChanges(table) : []),
    ...translationChanges(table, family),
    ...forwardChanges(table),
  ];
}

function guardChanges(table: Table): Change[] {
  return [
    change.addChain(table, "guard", { type: "filter", at: "prerouting", priority: PRIORITY.raw }),
    change.addRule(table, "guard", [r.isIn([r.iifname], "bridges"), r.inPrefix(r.ip.daddr, LOOPBACK_RANGE), r.drop()]),
  ];
}

function translationChanges(table: Table, family: RuleFamily): Change[] {
  const { saddr, daddr } = family === "ip" ? r.ip : r.ip6;
  const toOne = [r.dnatByMap(family, [daddr, r.l4proto, r.dport], "published")];
  const toLoopback = [r.dnatByMap(family, [daddr, r.l4proto, r.dport], "published-local")];
  const local = r.is(r.fibDaddrType, r.LOCAL);
  const toAny = r.dnatByMap(family, [r.l4proto, r.dport], "published-any");
  // IPv6 has no route_localnet: what is sent from ::1 cannot leave the loopback link.
  const notLoopback = family === "ip" ? r.notInPrefix(daddr, LOOPBACK_RANGE) : r.isNot(daddr, "::1");
  return [
    change.addChain(table, "prerouting", { type: "nat", at: "prerouting", priority: PRIORITY.dstnat }),
    change.addRule(table, "prerouting", toOne),
    change.addRule(table, "prerouting", [local, notLoopback, toAny]),
    change.addChain(table, "output", { type: "nat", at: "output", priority: PRIORITY.dstnat }),
    change.addRule(table, "output", toOne),
    change.addRule(table, "output", toLoopback),
    change.addRule(table, "output", family === "ip" ? [local, toAny] : [local, notLoopback, toAny]),
    change.addChain(table, "postrouting", { type: "nat", at: "postrouting", priority: PRIORITY.srcnat }),
    ...(family === "ip"
      ? [
          change.addRule(table, "postrouting", [
            r.isIn([r.oifname], "bridges"),
            r.inPrefix(saddr, LOOPBACK_RANGE),
            r.masquerade(),
          ]),
        ]
      : []),
    // A container that connects to itself by the host's address must not meet its own address as the source.
    change.addRule(table, "postrouting", [
      r.isIn([saddr, daddr], "self"),
      r.hasAny(r.ctStatus, r.CT_DNAT),
      r.masquerade(),
    ]),
    change.addRule(table, "postrouting", [r.vmap([saddr], "sources")]),
  ];
}

/** Nothing but replies, neighbours and published ports gets to a container; what others route is none of ours. */
function forwardChanges(table: Table): Change[] {
  return [
    change.addChain(table, "forward", { type: "filter", at: "forward", priority: PRIORITY.filter }),
    change.addRule(table, "forward", [r.hasAny(r.ctState, r.CT_ESTABLISHED | r.CT_RELATED), r.accept()]),
    change.addRule(table, "forward", [r.isIn([r.iifname, r.oifname], "connected"), r.accept()]),
    change.addRule(table, "forward", [r.isIn([r.iifname], "internal"), r.drop()]),
    change.addRule(table, "forward", [r.isIn([r.oifname], "internal"), r.drop()]),
    change.addRule(table, "forward", [r.isIn([r.oifname], "open"), r.accept()]),
    change.addRule(table, "forward", [r.isIn([r.oifname], "bridges"), r.hasAny(r.ctStatus, r.CT_DNAT), r.accept()]),
    change.addRule(table, "forward", [r.isIn([r.oifname], "bridges"), r.drop()]),
  ];
}

/** How many rules each chain of the table must have, to notice that somebody flushed it. */
export function expectedChains(family: RuleFamily, networks: Iterable<BridgeRules>): ReadonlyMap<string, number> {
  const chains = new Map([
    ["prerouting", 2],
    ["output", 3],
    ["postrouting", family === "ip" ? 3 : 2],
    ["forward", 7],
  ]);
  if (family === "ip") chains.set("guard", 1);
  for (const network of networks) {
    if (network.subnets[family] !== undefined) chains.set(sourceChain(network), sourceRules(network, family).length);
  }
  return chains;
}

function sourceChain({ id }: BridgeRules): string {
  return `from-${id.slice(0, 12)}`;
}

/** What happens to the source address of packets from a network. */
function sourceRules(network: BridgeRules, family: RuleFamily): (readonly r.Statement[])[] {
  const { bridge, masquerade, noMasquerade } = network;
  const { daddr } = family === "ip" ? r.ip : r.ip6;
  const withinBridge = network.open
    ? [r.is(r.oifname, bridge), r.accept()]
    : // A neighbour reached by the host's address would answer directly, past the translation.
      [r.is(r.oifname, bridge), r.hasAny(r.ctStatus, r.CT_DNAT), r.masquerade()];
  const rules: (readonly r.Statement[])[] = [withinBridge];
  for (const range of noMasquerade) if (familyOf(range) === family) rules.push([r.inPrefix(daddr, range), r.accept()]);
  if (masquerade !== "none" && !network.internal) {
    const how = typeof masquerade === "object" && family === "ip" ? r.snat("ip", masquerade.ip) : r.masquerade();
    rules.push([r.isNot(r.oifname, bridge), how]);
  }
  return rules;
}

export function addNetworkChanges(table: Table, family: RuleFamily, network: BridgeRules): Change[] {
  const changes = elementChanges("add", table, family, networkElements(network));
  const subnet = network.subnets[family];
  if (subnet === undefined) return changes;
  const chain = sourceChain(network);
  return [
    ...changes,
    change.addChain(table, chain),
    ...sourceRules(network, family).map((rule) => change.addRule(table, chain, rule)),
    ...elementChanges("add", table, family, [["sources", { key: [subnet], data: { verdict: "goto", chain } }]]),
  ];
}

export function removeNetworkChanges(table: Table, family: RuleFamily, network: BridgeRules): Change[] {
  const changes = elementChanges("delete", table, family, networkElements(network));
  const subnet = network.subnets[family];
  if (subnet === undefined) return changes;
  const chain = sourceChain(network);
  const source = elementChanges("delete", table, family, [
    ["sources", { key: [subnet], data: { verdict: "goto", chain } }],
  ]);
  return [...changes, ...source, change.flushChain(table, chain), change.deleteChain(table, chain)];
}

type NamedElement = readonly [SetName, Element];

function networkElements({ bridge, internal, icc, open }: BridgeRules): NamedElement[] {
  const elements: NamedElement[] = [["bridges", { key: [bridge] }]];
  if (internal) elements.push(["internal", { key: [bridge] }]);
  if (open) elements.push(["open", { key: [bridge] }]);
  if (icc) elements.push(["connected", { key: [bridge, bridge] }]);
  return elements;
}

/** The changes that publish or withdraw ports, of both families together: nothing for those of the other one. */
export function portChanges(
  what: "add" | "delete",
  table: Table,
  family: RuleFamily,
  ports: readonly PublishedPort[],
): Change[] {
  const own = ports.filter((port) => familyOf(port.hostAddress) === family);
  const self = new Set(own.map((port) => port.address));
  return elementChanges(what, table, family, [
    ...own.map(portElement),
    ...Array.from(self, (ip): NamedElement => ["self", { key: [ip, ip] }]),
  ]);
}

function portElement({ protocol, hostAddress, hostPort, address: ip, containerPort }: PublishedPort): NamedElement {
  const data = [ip, containerPort];
  if (isAny(hostAddress)) return ["published-any", { key: [protocol, hostPort], data }];
  return [isLoopback(hostAddress) ? "published-local" : "published", { key: [hostAddress, protocol, hostPort], data }];
}

function elementChanges(
  what: "add" | "delete",
  table: Table,
  family: RuleFamily,
  elements: readonly NamedElement[],
): Change[] {
  return SETS.flatMap((set) => {
    const own = elements.filter(([name]) => name === set).map(([, element]) => element);
    if (own.length === 0) return [];
    const definition = setDefinition(set, family);
    return what === "add"
      ? change.addElements(table, set, definition, own)
      : change.deleteElements(table, set, definition, own);
  });
}
