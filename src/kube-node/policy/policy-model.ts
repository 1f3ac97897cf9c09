/** Keeps the table of policies of a node as pods, namespaces and policies change: each change is looked at for what it concerns. */
import { createHash } from "node:crypto";
import type { Pod } from "#formats/kube-types.generated.ts";
import type { Labels } from "#formats/selectors.ts";
import type { AllowedTraffic, PeerSet, PolicyTable, PortMatch } from "#network/policy-rules.ts";
import {
  isPeer,
  isSubject,
  namedPort,
  type CompiledPolicy,
  type PolicyPort,
  type PolicyRule,
} from "./compile-policy.ts";

/** A pod as policies see it, with the addresses that it has now. */
export interface PolicyPod {
  readonly pod: Pod;
  readonly addresses: readonly string[];
}

export interface PolicyInputs {
  readonly policiesOf: (namespace: string) => readonly CompiledPolicy[];
  /** All pods of the cluster that have addresses of their own. */
  readonly pods: () => Iterable<PolicyPod>;
  /** Those of this node among them. */
  readonly local: () => Iterable<PolicyPod>;
  readonly namespaceLabels: (name: string) => Labels | undefined;
}

export interface PolicyModel {
  /** A pod of the cluster changed, came or went; `uid` names it. */
  podChanged(uid: string, now: PolicyPod | undefined): void;
  /** Policies or namespaces changed: everything is looked at again. */
  rulesChanged(): void;
  /** The table as it is to be. What has not changed is the very object of the last time. */
  table(): PolicyTable;
}

/** The peers of one rule, by pod. */
interface Peers {
  readonly policy: CompiledPolicy;
  readonly rule: PolicyRule;
  /** Named ports are those of the peers: egress. */
  readonly ports: readonly PolicyPort[];
  readonly byPod: Map<string, readonly string[]>;
  set: PeerSet | undefined;
}

/** Sets of peers are kept for the rules that concern a pod of this node; as many elements as pods match them. */
export function policyModel(inputs: PolicyInputs): PolicyModel {
  const peers = new Map<string, Peers>();
  const allowedBefore = new Map<string, readonly AllowedTraffic[]>();
  let stale = true;

  const elementsOf = ({ policy, rule, ports }: Peers, { pod, addresses }: PolicyPod): readonly string[] => {
    if (!rule.pods.some((peer) => isPeer(peer, policy.namespace, pod, inputs.namespaceLabels))) return [];
    if (ports.length === 0) return addresses;
    return ports.flatMap(({ protocol, port }) => {
      const number = typeof port === "string" ? namedPort(pod, port, protocol) : undefined;
      return number === undefined ? [] : addresses.map((address) => `${address} ${protocol} ${number}`);
    });
  };
  const fill = (entry: Peers): void => {
    entry.byPod.clear();
    for (const each of inputs.pods()) {
      const elements = elementsOf(entry, each);
      if (elements.length > 0) entry.byPod.set(each.pod.metadata.uid ?? "", elements);
    }
    entry.set = undefined;
  };
  const peersOf = (policy: CompiledPolicy, rule: PolicyRule, ports: readonly PolicyPort[]): string => {
    const name = setName(rule.id, ports.length > 0);
    const known = peers.get(name);
    if (known?.rule !== rule) {
      const entry: Peers = { policy, rule, ports, byPod: new Map(), set: undefined };
      peers.set(name, entry);
      fill(entry);
    }
    return name;
  };
  const parts: Parts = {
    set: peersOf,
    /** The same content is the same object, so that nobody looks at it twice. */
    same(allowed) {
      const text = JSON.stringify(allowed);
      const known = allowedBefore.get(text) ?? allowed;
      allowedBefore.set(text, known);
      return known;
    },
  };
  return {
    podChanged(uid, now) {
      for (const entry of peers.values()) {
        const before = entry.byPod.get(uid);
        const after = now ? elementsOf(entry, now) : [];
        if (sameElements(before ?? [], after)) continue;
        if (after.length > 0) entry.byPod.set(uid, after);
        else entry.byPod.delete(uid);
        entry.set = undefined;
      }
    },
    rulesChanged: () => void (stale = true),
    table() {
      if (stale) for (const entry of peers.values()) fill(entry);
      stale = false;
      const ingress = new Map<string, readonly AllowedTraffic[]>();
      const egress = new Map<string, readonly AllowedTraffic[]>();
      for (const { pod, addresses } of inputs.local()) {
        const own = inputs.policiesOf(pod.metadata.namespace ?? "").filter((policy) => isSubject(policy, pod));
        const coming = own.filter((policy) => policy.ingress);
        const leaving = own.filter((policy) => policy.egress);
        for (const address of addresses) {
          if (coming.length > 0)
            ingress.set(address, parts.same(coming.flatMap((policy) => comingIn(policy, pod, parts))));
          if (leaving.length > 0) egress.set(address, parts.same(leaving.flatMap((policy) => goingOut(policy, parts))));
        }
      }
      const sets = usedSets(peers, [...ingress.values(), ...egress.values()]);
      const used = new Set([...ingress.values(), ...egress.values()]);
      for (const [text, allowed] of allowedBefore) if (!used.has(allowed)) allowedBefore.delete(text);
      return { sets, ingress, egress };
    },
  };
}

interface Parts {
  set(policy: CompiledPolicy, rule: PolicyRule, ports: readonly PolicyPort[]): string;
  same(allowed: readonly AllowedTraffic[]): readonly AllowedTraffic[];
}

/** Sets that nobody looks into any more are forgotten. */
function usedSets(peers: Map<string, Peers>, used: readonly (readonly AllowedTraffic[])[]): Map<string, PeerSet> {
  const names = new Set<string>();
  for (const allowed of new Set(used))
    for (const { peers: whom } of allowed) if (typeof whom === "object" && "set" in whom) names.add(whom.set);
  const sets = new Map<string, PeerSet>();
  for (const [name, entry] of peers) {
    if (!names.has(name)) {
      peers.delete(name);
      continue;
    }
    entry.set ??= { withPorts: entry.ports.length > 0, elements: new Set(Array.from(entry.byPod.values()).flat()) };
    sets.set(name, entry.set);
  }
  return sets;
}

/** Named ports are the pod's own. A rule that names ports of which it has none allows nothing. */
function comingIn(policy: CompiledPolicy, pod: Pod, parts: Parts): AllowedTraffic[] {
  return (policy.ingress ?? []).flatMap((rule) => {
    const ports = rule.ports.flatMap((port) => {
      const found = typeof port.port === "string" ? namedPort(pod, port.port, port.protocol) : port.port;
      if (found === undefined && port.port !== undefined) return [];
      return [portMatch(port, found)];
    });
    if (rule.ports.length > 0 && ports.length === 0) return [];
    return traffic(policy, rule, ports, parts);
  });
}

/** Named ports are each peer's own: the set of peers has them. */
function goingOut(policy: CompiledPolicy, parts: Parts): AllowedTraffic[] {
  return (policy.egress ?? []).flatMap((rule) => {
    const named = rule.ports.filter(({ port }) => typeof port === "string");
    const ports = rule.ports.flatMap((port) => (typeof port.port === "string" ? [] : [portMatch(port, port.port)]));
    const plain = rule.ports.length > 0 && ports.length === 0 ? [] : traffic(policy, rule, ports, parts);
    if (named.length === 0 || (rule.pods.length === 0 && !rule.everybody)) return plain;
    const byName: PolicyRule = rule.everybody ? everyPod(rule) : rule;
    return [...plain, { peers: { set: parts.set(policy, byName, named) }, ports: [] }];
  });
}

/** A named port of everybody is that of every pod: others have no names for theirs. */
const everyPodOf = new WeakMap<PolicyRule, PolicyRule>();
function everyPod(rule: PolicyRule): PolicyRule {
  const found = everyPodOf.get(rule) ?? {
    ...rule,
    pods: [{ namespaces: { requirements: [] }, pods: { requirements: [] } }],
  };
  everyPodOf.set(rule, found);
  return found;
}

function traffic(
  policy: CompiledPolicy,
  rule: PolicyRule,
  ports: readonly PortMatch[],
  parts: Parts,
): AllowedTraffic[] {
  if (rule.everybody) return [{ peers: "everybody", ports }];
  return [
    ...rule.blocks.map((block) => ({ peers: { block }, ports })),
    ...(rule.pods.length > 0 ? [{ peers: { set: parts.set(policy, rule, []) }, ports }] : []),
  ];
}

function portMatch({ protocol, endPort }: PolicyPort, port: number | undefined): PortMatch {
  return { protocol, ports: port === undefined ? undefined : { from: port, to: endPort ?? port } };
}

function setName(id: string, withPorts: boolean): string {
  return `p-${createHash("sha256").update(id).digest("hex").slice(0, 20)}${withPorts ? "-p" : ""}`;
}

function sameElements(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((element, index) => element === b[index]);
}
