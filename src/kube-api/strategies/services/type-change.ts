import type { ServicePort, ServiceSpec } from "#formats/kube-types.generated.ts";
import { sameTree } from "#formats/tree.ts";

type Need = (spec: ServiceSpec) => boolean;

const needsClusterIP: Need = ({ type }) => type !== "ExternalName";
const needsNodePorts: Need = ({ type }) => type === "NodePort" || type === "LoadBalancer";
const isLoadBalancer: Need = ({ type }) => type === "LoadBalancer";
const isExternal: Need = (spec) =>
  needsNodePorts(spec) || (needsClusterIP(spec) && (spec.externalIPs?.length ?? 0) > 0);
const needsHealthPort: Need = (spec) => isLoadBalancer(spec) && spec.externalTrafficPolicy === "Local";

/** Fields of types: which types have them. */
const FIELDS: readonly (readonly [field: keyof ServiceSpec, need: Need])[] = [
  ["clusterIPs", needsClusterIP],
  ["clusterIP", needsClusterIP],
  ["ipFamilies", needsClusterIP],
  ["ipFamilyPolicy", needsClusterIP],
  ["internalTrafficPolicy", needsClusterIP],
  ["healthCheckNodePort", needsHealthPort],
  ["allocateLoadBalancerNodePorts", isLoadBalancer],
  ["loadBalancerClass", isLoadBalancer],
  ["externalTrafficPolicy", isExternal],
];

/**
 * A service that becomes of another type leaves what its old type had and the new one has not, unless its writer changed
 * that (k8s.io/kubernetes pkg/registry/core/service strategy.go, dropTypeDependentFields).
 */
export function dropTypeDependentFields(spec: ServiceSpec, before: ServiceSpec): void {
  // What is needed is asked of the specs as they were sent.
  const gone = FIELDS.filter(([field, need]) => need(before) && !need(spec) && sameTree(spec[field], before[field]));
  if (needsNodePorts(before) && !needsNodePorts(spec) && sameTree(nodePorts(spec.ports), nodePorts(before.ports)))
    for (const port of spec.ports ?? []) delete port.nodePort;
  for (const [field] of gone) delete spec[field];
}

/** Upstream compares the ports as a set. */
function nodePorts(ports: readonly ServicePort[] = []): readonly number[] {
  return Array.from(new Set(ports.map(({ nodePort }) => nodePort ?? 0))).sort((a, b) => a - b);
}
