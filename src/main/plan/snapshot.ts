import type { KubeObject, Typed } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Node, Pod, ReplicaSet, Service } from "#formats/kube-types.generated.ts";
import type { KubeClient } from "#kube-client/client.ts";
import type { SimulatedNode } from "#kube-control/simulated-nodes.ts";

/** What of a cluster decides where pods go. */
export interface Snapshot {
  readonly nodes: readonly SimulatedNode[];
  /** Placed and not ended. */
  readonly pods: readonly Pod[];
  readonly replicaSets: readonly ReplicaSet[];
  /** Namespaces, classes, volumes and claims, services, limit ranges: in the order to be made in. */
  readonly others: readonly (readonly [Typed<KubeObject>, readonly KubeObject[]])[];
}

const OTHERS = [
  RESOURCES.namespaces,
  RESOURCES.priorityclasses,
  RESOURCES.storageclasses,
  RESOURCES.limitranges,
  RESOURCES.persistentvolumes,
  RESOURCES.persistentvolumeclaims,
  RESOURCES.csinodes,
  RESOURCES.services,
] as unknown as readonly Typed<KubeObject>[];

/** Reads a cluster, changing nothing. */
export async function readSnapshot(client: KubeClient): Promise<Snapshot> {
  const [nodes, pods, replicaSets, ...others] = await Promise.all([
    client.list(RESOURCES.nodes),
    client.list(RESOURCES.pods),
    client.list(RESOURCES.replicasets),
    ...OTHERS.map((resource) => client.list(resource)),
  ]);
  return {
    nodes: nodes.items.map(simulated),
    pods: pods.items.filter(({ spec, status }) => spec?.nodeName && !ENDED.has(status?.phase ?? "")),
    replicaSets: replicaSets.items,
    others: OTHERS.map((resource, index) => [resource, (others[index]?.items ?? []).map(withoutAddresses)]),
  };
}

/** A service counts by its selector; its addresses are of another cluster's ranges. */
function withoutAddresses(object: KubeObject): KubeObject {
  if (object.kind !== "Service") return object;
  const { spec } = object as Service;
  const ports = spec?.ports?.map((port) => ({ ...port, nodePort: undefined }));
  return { ...object, spec: { selector: spec?.selector, ports, clusterIP: "None" } } as KubeObject;
}

const ENDED = new Set(["Succeeded", "Failed"]);

function simulated({ metadata, spec, status }: Node): SimulatedNode {
  return {
    name: metadata.name ?? "",
    labels: metadata.labels,
    taints: spec?.taints,
    unschedulable: spec?.unschedulable,
    capacity: status?.allocatable ?? status?.capacity,
    images: status?.images,
  };
}
