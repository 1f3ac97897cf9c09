import type { Node, PersistentVolume } from "#formats/kube-types.generated.ts";
import type { FilterPlugin } from "../../framework/plugin.ts";
import { verdict } from "../../framework/verdict.ts";
import { claimNames, type VolumeLookup } from "./lookup.ts";

const NO_ZONE = verdict("VolumeZone", "UnschedulableAndUnresolvable", "node(s) had no available volume zone");
const ZONE_LABELS = [
  "topology.kubernetes.io/zone",
  "topology.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
  "failure-domain.beta.kubernetes.io/region",
];

/** Volumes with zone labels are reachable from nodes of these zones only. */
export function volumeZonePlugin(volumes: VolumeLookup): FilterPlugin {
  return {
    name: "VolumeZone",
    events: [
      { resource: "PersistentVolume", actions: ["Add", "Update"] },
      { resource: "PersistentVolumeClaim", actions: ["Add", "Update"] },
      { resource: "StorageClass", actions: ["Add"] },
      { resource: "Node", actions: ["Add", "UpdateNodeLabel"] },
    ],
    preFilter({ pod, cluster }) {
      const zoned = claimNames(pod.pod)
        .flatMap((name) => volumes.volume(volumes.claim(pod.namespace, name)?.spec?.volumeName ?? "") ?? [])
        .flatMap(zones);
      if (zoned.length === 0) return { kind: "skip" };
      return { kind: "filter", filter: (row) => (isInZones(cluster.nodes[row], zoned) ? undefined : NO_ZONE) };
    },
  };
}

interface Zone {
  readonly key: string;
  readonly values: ReadonlySet<string>;
}

function zones({ metadata }: PersistentVolume): Zone[] {
  return ZONE_LABELS.flatMap((key) => {
    const value = metadata.labels?.[key];
    return value === undefined ? [] : [{ key, values: new Set(value.split("__")) }];
  });
}

function isInZones(node: Node | undefined, wanted: readonly Zone[]): boolean {
  const labels = node?.metadata.labels ?? {};
  const zonal = ZONE_LABELS.some((key) => key in labels);
  // A node without any zone is not told apart from others.
  return !zonal || wanted.every(({ key, values }) => values.has(labels[key] ?? ""));
}
