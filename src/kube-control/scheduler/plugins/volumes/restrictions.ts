import type { Pod, Volume } from "#formats/kube-types.generated.ts";
import { listen, podsOn, type ClusterState } from "../../cluster/cluster-state.ts";
import type { PodInfo } from "../../cluster/pod-info.ts";
import type { FilterPlugin } from "../../framework/plugin.ts";
import { verdict } from "../../framework/verdict.ts";
import { claimNames, type VolumeLookup } from "./lookup.ts";

const NAME = "VolumeRestrictions";
const IN_USE = verdict(
  NAME,
  "Unschedulable",
  "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode",
);
const DISK_CONFLICT = verdict(NAME, "Unschedulable", "node(s) had no available disk");

/** A claim of access mode ReadWriteOncePod serves one pod of the whole cluster; a disk named in the pod itself one pod of the node, unless all only read. */
export function volumeRestrictionsPlugin(cluster: ClusterState, volumes: VolumeLookup): FilterPlugin {
  const users = claimUsers(cluster);
  return {
    name: NAME,
    events: [
      {
        resource: "AssignedPod",
        actions: ["Delete"],
        helps: (info, { before }) => sharesVolume(info, before as Pod),
      },
      { resource: "PersistentVolumeClaim", actions: ["Add", "Update"] },
      { resource: "Node", actions: ["Add"] },
    ],
    preFilter({ pod }) {
      const names = claimNames(pod.pod).filter((name) =>
        volumes.claim(pod.namespace, name)?.spec?.accessModes?.includes("ReadWriteOncePod"),
      );
      // Whichever node: the one that has it would have to give it up first.
      if (names.some((name) => users.has(`${pod.namespace}/${name}`))) {
        return { kind: "filter", filter: () => IN_USE };
      }
      const disks = disksOf(pod.pod);
      if (disks.length === 0) return { kind: "skip" };
      return {
        kind: "filter",
        filter(row) {
          for (const other of podsOn(cluster, row)) if (conflict(disks, disksOf(other.pod))) return DISK_CONFLICT;
          return undefined;
        },
      };
    },
  };
}

function sharesVolume({ pod, namespace }: PodInfo, other: Pod): boolean {
  if (conflict(disksOf(pod), disksOf(other))) return true;
  const theirs = new Set(other.metadata.namespace === namespace ? claimNames(other) : []);
  return claimNames(pod).some((name) => theirs.has(name));
}

/** Claims that placed pods use, with how many do. */
function claimUsers(cluster: ClusterState): ReadonlyMap<string, number> {
  const users = new Map<string, number>();
  const change = ({ pod, namespace }: PodInfo, by: 1 | -1): void => {
    if (!pod.spec?.volumes) return;
    for (const name of claimNames(pod)) {
      const key = `${namespace}/${name}`;
      const count = (users.get(key) ?? 0) + by;
      if (count > 0) users.set(key, count);
      else users.delete(key);
    }
  };
  listen(cluster, {
    placed: (pod) => change(pod, 1),
    removed: (pod) => change(pod, -1),
    nodeChanged: () => undefined,
  });
  return users;
}

/** A disk that a pod names itself. `keys`: two disks with one in common are the same. */
interface Disk {
  readonly keys: readonly string[];
  readonly readOnly: boolean;
}

function disksOf({ spec }: Pod): Disk[] {
  return (spec?.volumes ?? []).flatMap(diskOf);
}

function diskOf({ gcePersistentDisk, awsElasticBlockStore, iscsi, rbd }: Volume): Disk[] {
  if (gcePersistentDisk) {
    return [{ keys: [`gce/${gcePersistentDisk.pdName}`], readOnly: gcePersistentDisk.readOnly ?? false }];
  }
  // Elastic Block Store: one user at a time, reading or not.
  if (awsElasticBlockStore) return [{ keys: [`aws/${awsElasticBlockStore.volumeID}`], readOnly: false }];
  if (iscsi) return [{ keys: [`iscsi/${iscsi.iqn}`], readOnly: iscsi.readOnly ?? false }];
  if (rbd) {
    const image = `${rbd.pool ?? "rbd"}/${rbd.image}`;
    return [{ keys: rbd.monitors.map((monitor) => `rbd/${monitor}/${image}`), readOnly: rbd.readOnly ?? false }];
  }
  return [];
}

function conflict(ours: readonly Disk[], theirs: readonly Disk[]): boolean {
  return ours.some((disk) =>
    theirs.some((other) => !(disk.readOnly && other.readOnly) && disk.keys.some((key) => other.keys.includes(key))),
  );
}
