import type { CSINode, Node, PersistentVolume, Pod, StorageClass } from "#formats/kube-types.generated.ts";
import { listen, podsOn, type ClusterState } from "../../cluster/cluster-state.ts";
import type { PodInfo } from "../../cluster/pod-info.ts";
import type { FilterPlugin } from "../../framework/plugin.ts";
import { verdict } from "../../framework/verdict.ts";
import { claimNames, type VolumeLookup } from "./lookup.ts";

const NAME = "NodeVolumeLimits";
const EXCEEDED = verdict(NAME, "Unschedulable", "node(s) exceed max volume count");

/** A volume of a CSI driver: the same key is the same attachment, however many pods of a node use it. */
interface Attachment {
  readonly driver: string;
  readonly key: string;
}

/** A node takes no more volumes of a CSI driver than its CSINode says (spec.drivers[].allocatable.count). */
export function nodeVolumeLimitsPlugin(cluster: ClusterState, volumes: VolumeLookup): FilterPlugin {
  const users = volumeUsers(cluster);
  const smallest = smallestLimits(cluster, volumes);
  return {
    name: NAME,
    events: [
      { resource: "CSINode", actions: ["Add", "Update"] },
      { resource: "AssignedPod", actions: ["Delete"], helps: (_, { before }) => usesClaims(before as Pod) },
      { resource: "PersistentVolumeClaim", actions: ["Add", "Update"] },
      { resource: "VolumeAttachment", actions: ["Delete"] },
    ],
    preFilter({ pod }) {
      if (!usesClaims(pod.pod)) return { kind: "skip" };
      const wanted = attachments(pod, volumes);
      if (wanted.length === 0) return { kind: "skip" };
      return {
        kind: "filter",
        filter(row) {
          // As many claims as pods there have, all of one driver, is the most that can be in use.
          if ((users[row] ?? 0) + wanted.length <= smallest(row)) return undefined;
          const limits = volumes.csiNode(cluster.nodes[row]?.metadata.name ?? "")?.spec.drivers ?? [];
          return exceeds(wanted, cluster, row, limits, volumes) ? EXCEEDED : undefined;
        },
      };
    },
  };
}

/** By row: the smallest limit that a driver of the node has; read again only after a node or a CSINode changed. */
function smallestLimits(cluster: ClusterState, volumes: VolumeLookup): (row: number) => number {
  const limits: number[] = [];
  const nodes: (Node | undefined)[] = [];
  let revision = -1;
  return (row) => {
    if (revision !== volumes.csiNodesRevision()) {
      revision = volumes.csiNodesRevision();
      nodes.length = 0;
    }
    const node = cluster.nodes[row];
    if (nodes[row] !== node || node === undefined) {
      nodes[row] = node;
      const drivers = volumes.csiNode(node?.metadata.name ?? "")?.spec.drivers ?? [];
      const counts = drivers.map(({ allocatable }) => allocatable?.count ?? Number.POSITIVE_INFINITY);
      limits[row] = Math.min(Number.POSITIVE_INFINITY, ...counts);
    }
    return limits[row] ?? Number.POSITIVE_INFINITY;
  };
}

/** By row: how many volumes from claims the pods there have, each pod's counted apart. */
function volumeUsers(cluster: ClusterState): Record<number, number> {
  const counts: Record<number, number> = {};
  const change = ({ pod }: PodInfo, row: number, sign: 1 | -1): void => {
    if (pod.spec?.volumes) counts[row] = (counts[row] ?? 0) + sign * claimNames(pod).length;
  };
  listen(cluster, {
    placed: (pod, row) => change(pod, row, 1),
    removed: (pod, row) => change(pod, row, -1),
    nodeChanged: () => undefined,
  });
  return counts;
}

function exceeds(
  wanted: readonly Attachment[],
  cluster: ClusterState,
  row: number,
  limits: CSINode["spec"]["drivers"],
  volumes: VolumeLookup,
): boolean {
  const present = new Map<string, Set<string>>();
  const add = ({ driver, key }: Attachment): void => {
    const keys = present.get(driver);
    if (keys) keys.add(key);
    else present.set(driver, new Set([key]));
  };
  for (const other of podsOn(cluster, row)) attachments(other, volumes).forEach(add);
  const before = new Map(Array.from(present, ([driver, keys]) => [driver, keys.size]));
  wanted.forEach(add);
  return limits.some(({ name, allocatable }) => {
    const count = present.get(name)?.size ?? 0;
    // A pod whose volumes are there already makes nothing worse.
    return allocatable?.count !== undefined && count > allocatable.count && count > (before.get(name) ?? 0);
  });
}

function usesClaims(pod: Pod): boolean {
  return claimNames(pod).length > 0;
}

/** The CSI volumes that a pod's claims stand for: those bound by their handle, others by the claim, for the driver that is to make them. */
function attachments({ pod, namespace }: PodInfo, volumes: VolumeLookup): Attachment[] {
  return claimNames(pod).flatMap((name): Attachment[] => {
    const claim = volumes.claim(namespace, name);
    if (!claim) return [];
    const volume = volumes.volume(claim.spec?.volumeName ?? "");
    if (volume) return ofVolume(volume);
    const driver = driverOf(volumes.storageClass(claim.spec?.storageClassName ?? ""));
    return driver === undefined ? [] : [{ driver, key: `${namespace}/${name}` }];
  });
}

function ofVolume({ spec }: PersistentVolume): Attachment[] {
  return spec?.csi ? [{ driver: spec.csi.driver, key: spec.csi.volumeHandle }] : [];
}

function driverOf(storageClass: StorageClass | undefined): string | undefined {
  const provisioner = storageClass?.provisioner;
  return provisioner && !provisioner.startsWith("kubernetes.io/") ? provisioner : undefined;
}
