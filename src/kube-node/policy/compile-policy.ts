/** What a NetworkPolicy says, taken apart once for each version of it. Pure. */
import type {
  LabelSelector,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  Pod,
} from "#formats/kube-types.generated.ts";
import { matchesSelector, selectorOf, type Labels, type Selector } from "#formats/selectors.ts";
import type { AddressBlock, PortMatch } from "#network/policy-rules.ts";

/** Pods that a peer means. */
export interface PodPeer {
  /** Undefined: those of the policy's own namespace. */
  readonly namespaces: Selector | undefined;
  readonly pods: Selector;
}

export interface PolicyPort {
  readonly protocol: PortMatch["protocol"];
  readonly port: number | string | undefined;
  readonly endPort: number | undefined;
}

export interface PolicyRule {
  /** Names the rule's set of peers: the same for every version of the policy. */
  readonly id: string;
  /** Everybody, when there are neither. */
  readonly everybody: boolean;
  readonly pods: readonly PodPeer[];
  readonly blocks: readonly AddressBlock[];
  readonly ports: readonly PolicyPort[];
}

export interface CompiledPolicy {
  readonly key: string;
  readonly namespace: string;
  readonly subject: Selector;
  /** Undefined: this direction is not isolated by it. */
  readonly ingress: readonly PolicyRule[] | undefined;
  readonly egress: readonly PolicyRule[] | undefined;
}

export function compilePolicy({ metadata, spec }: NetworkPolicy): CompiledPolicy {
  const { namespace = "", name = "", uid = "" } = metadata;
  // The API server writes policyTypes; without them, as it would decide.
  const types = spec?.policyTypes ?? (spec?.egress ? ["Ingress", "Egress"] : ["Ingress"]);
  const rule = (
    direction: string,
    index: number,
    peers?: NetworkPolicyPeer[],
    ports?: NetworkPolicyPort[],
  ): PolicyRule => ({
    id: `${uid} ${direction} ${index}`,
    everybody: (peers?.length ?? 0) === 0,
    pods: (peers ?? []).flatMap(podPeer),
    blocks: (peers ?? []).flatMap(({ ipBlock }) =>
      ipBlock ? [{ cidr: ipBlock.cidr, except: ipBlock.except ?? [] }] : [],
    ),
    ports: (ports ?? []).flatMap(policyPort),
  });
  return {
    key: `${namespace}/${name}`,
    namespace,
    subject: selectorOf(spec?.podSelector ?? {}),
    ingress: types.includes("Ingress")
      ? (spec?.ingress ?? []).map(({ from, ports }, index) => rule("ingress", index, from, ports))
      : undefined,
    egress: types.includes("Egress")
      ? (spec?.egress ?? []).map(({ to, ports }, index) => rule("egress", index, to, ports))
      : undefined,
  };
}

function podPeer({ podSelector, namespaceSelector }: NetworkPolicyPeer): PodPeer[] {
  if (!podSelector && !namespaceSelector) return [];
  return [
    { namespaces: namespaceSelector && selectorOf(namespaceSelector), pods: selectorOf(podSelector ?? EVERY_POD) },
  ];
}

const EVERY_POD: LabelSelector = {};

function policyPort({ protocol = "TCP", port, endPort }: NetworkPolicyPort): PolicyPort[] {
  const known = ({ TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const)[protocol];
  return known ? [{ protocol: known, port, endPort }] : [];
}

/** Whether a policy is about this pod. Pods on the network of their node are not isolated. */
export function isSubject(policy: CompiledPolicy, pod: Pod): boolean {
  return pod.metadata.namespace === policy.namespace && matchesSelector(policy.subject, pod.metadata.labels);
}

export function isPeer(
  peer: PodPeer,
  policyNamespace: string,
  pod: Pod,
  namespaceLabels: (name: string) => Labels | undefined,
): boolean {
  const { namespace = "", labels } = pod.metadata;
  if (!peer.namespaces) return namespace === policyNamespace && matchesSelector(peer.pods, labels);
  const ofNamespace = namespaceLabels(namespace);
  return (
    ofNamespace !== undefined && matchesSelector(peer.namespaces, ofNamespace) && matchesSelector(peer.pods, labels)
  );
}

/** The number that a pod gives a named port; undefined: it has none of that name and protocol. */
export function namedPort(pod: Pod, name: string, protocol: PolicyPort["protocol"]): number | undefined {
  const all = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  for (const { ports = [] } of all)
    for (const port of ports)
      if (port.name === name && (port.protocol ?? "TCP").toLowerCase() === protocol) return port.containerPort;
  return undefined;
}
