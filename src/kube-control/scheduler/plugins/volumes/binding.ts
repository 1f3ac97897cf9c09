import { GantryError } from "#base/errors.ts";
import type {
  Node,
  NodeSelectorTerm,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from "#formats/kube-types.generated.ts";
import { matchesTerm } from "#formats/node-selectors.ts";
import { bestMatch, isReachable, NO_PROVISIONER } from "../../../shared/volumes.ts";
import type { PodInfo } from "../../cluster/pod-info.ts";
import type { BindPlugin, EventInterest, FilterPlugin, ReservePlugin } from "../../framework/plugin.ts";
import { verdict, type Verdict } from "../../framework/verdict.ts";
import { hasCapacity } from "./capacity.ts";
import { claimNames, podClaims, type VolumeLookup } from "./lookup.ts";

const NAME = "VolumeBinding";
const UNREACHABLE = verdict(
  NAME,
  "UnschedulableAndUnresolvable",
  "node(s) didn't match PersistentVolume's node affinity",
);
const NOTHING_TO_BIND = verdict(
  NAME,
  "UnschedulableAndUnresolvable",
  "node(s) didn't find available persistent volumes to bind",
);
const NO_STORAGE = verdict(NAME, "UnschedulableAndUnresolvable", "node(s) did not have enough free storage");
const GONE = verdict(
  NAME,
  "UnschedulableAndUnresolvable",
  "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
);

/** What is to be bound, or made, for a pod on the node that was chosen for it. */
export interface ClaimDecision {
  readonly claim: PersistentVolumeClaim;
  /** Undefined: to be made. */
  readonly volume: PersistentVolume | undefined;
}

export interface VolumeBindingParts {
  readonly volumes: VolumeLookup;
  /** Has the decisions carried out; resolves when all claims are bound. */
  readonly bindVolumes: (
    pod: PodInfo,
    nodeName: string,
    decisions: readonly ClaimDecision[],
    timeoutMs: number,
  ) => Promise<void>;
}

/** VolumeBindingArgs. */
export interface VolumeBindingArgs {
  /** How long the volumes of a pod may take to be bound before it is scheduled anew. */
  readonly bindTimeoutSeconds?: number;
}

const BIND_TIMEOUT_SECONDS = 600;

/** Another claim than the pod's is no help. */
const isOwnClaim: NonNullable<EventInterest["helps"]> = ({ pod, namespace }, { after }) =>
  after?.metadata.namespace === namespace && claimNames(pod).includes(after.metadata.name ?? "");

const EVENTS: readonly EventInterest[] = [
  { resource: "PersistentVolume", actions: ["Add", "Update"] },
  { resource: "PersistentVolumeClaim", actions: ["Add", "Update"], helps: isOwnClaim },
  { resource: "StorageClass", actions: ["Add", "Update"] },
  { resource: "CSIDriver", actions: ["Add", "Update"] },
  { resource: "CSIStorageCapacity", actions: ["Add", "Update"] },
  { resource: "Node", actions: ["Add", "UpdateNodeLabel"] },
];

/** Pods go where their volumes are, or where volumes for their claims are or can be made; those are bound before the pod is. */
export function volumeBindingPlugin(
  { volumes, bindVolumes }: VolumeBindingParts,
  { bindTimeoutSeconds = BIND_TIMEOUT_SECONDS }: VolumeBindingArgs = {},
): FilterPlugin & ReservePlugin & BindPlugin {
  /** Decided for assumed pods, by uid; and the volumes that these decisions take. */
  const decided = new Map<string, readonly ClaimDecision[]>();
  const taken = new Set<string>();
  return {
    name: NAME,
    events: EVENTS,
    preFilter({ pod, cluster }) {
      const claims = podClaims(pod.pod, volumes);
      if (claims.kind === "missing") {
        return { kind: "reject", verdict: verdict(NAME, "UnschedulableAndUnresolvable", claims.reason) };
      }
      if (claims.bound.length + claims.toBind.length === 0) return { kind: "skip" };
      const present = claims.bound.map(({ spec }) => volumes.volume(spec?.volumeName ?? ""));
      // Reachable from everywhere.
      const free = present.every((volume) => volume && volume.spec?.nodeAffinity?.required === undefined);
      if (free && claims.toBind.length === 0) return { kind: "skip" };
      return {
        kind: "filter",
        filter(row) {
          const node = cluster.nodes[row];
          if (!node) return NOTHING_TO_BIND;
          if (present.some((volume) => volume === undefined)) return GONE;
          if (!present.every((volume) => volume && isReachable(volume, node))) return UNREACHABLE;
          const decided = decide(claims.toBind, node, volumes, taken);
          return Array.isArray(decided) ? undefined : decided;
        },
      };
    },
    reserve({ pod, cluster }, nodeName) {
      const claims = podClaims(pod.pod, volumes);
      const node = cluster.nodes[cluster.rowByName.get(nodeName) ?? -1];
      if (claims.kind === "missing" || !node) return NOTHING_TO_BIND;
      const decisions = decide(claims.toBind, node, volumes, taken);
      if (!Array.isArray(decisions)) return decisions;
      if (decisions.length > 0) decided.set(pod.uid, decisions);
      for (const { volume } of decisions) if (volume?.metadata.name) taken.add(volume.metadata.name);
      return undefined;
    },
    unreserve: (pod) => release(pod.uid),
    async preBind(pod, nodeName) {
      const decisions = decided.get(pod.uid);
      if (!decisions) return;
      try {
        await bindVolumes(pod, nodeName, decisions, bindTimeoutSeconds * 1000);
      } finally {
        release(pod.uid);
      }
    },
  };

  function release(uid: string): void {
    for (const { volume } of decided.get(uid) ?? []) taken.delete(volume?.metadata.name ?? "");
    decided.delete(uid);
  }
}

/** A volume for each claim, or that it can be made for the node; what is against it when one has neither. */
function decide(
  claims: readonly PersistentVolumeClaim[],
  node: Node,
  lookup: VolumeLookup,
  taken: ReadonlySet<string>,
): ClaimDecision[] | Verdict {
  if (claims.length === 0) return [];
  const used = new Set(taken);
  const decisions: ClaimDecision[] = [];
  for (const claim of claims) {
    const volume = bestMatch(claim, lookup.volumes(), node, used);
    const storageClass = lookup.storageClass(claim.spec?.storageClassName ?? "");
    if (!volume && !canProvision(storageClass, node)) return NOTHING_TO_BIND;
    if (!volume && storageClass && !hasCapacity(claim, storageClass, node, lookup)) return NO_STORAGE;
    if (volume?.metadata.name) used.add(volume.metadata.name);
    decisions.push({ claim, volume });
  }
  return decisions;
}

function canProvision(storageClass: StorageClass | undefined, node: Node): boolean {
  if (!storageClass || storageClass.provisioner === "" || storageClass.provisioner === NO_PROVISIONER) return false;
  const allowed = storageClass.allowedTopologies ?? [];
  return (
    allowed.length === 0 ||
    allowed.some(({ matchLabelExpressions = [] }) => {
      const term: NodeSelectorTerm = {
        matchExpressions: matchLabelExpressions.map(({ key, values }) => ({ key, operator: "In", values })),
      };
      return matchesTerm(term, node);
    })
  );
}

/** Binding took too long: the pod is scheduled anew. */
export function bindingTimedOut(): GantryError {
  return new GantryError("timeout", "binding volumes: timed out waiting for the condition");
}
