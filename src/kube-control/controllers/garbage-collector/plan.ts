import type { OwnerReference } from "#formats/kube-types.generated.ts";
import { blocks, isDeletingDependents, isOrphaning, type GraphNode } from "./graph.ts";

/** Whether an owner is there: `unknown` when only the API can tell. */
export type OwnerState = "present" | "deleting-dependents" | "absent" | "invalid";

export type CollectorAction =
  | { readonly kind: "none" }
  /** Look at these first: they hold up this one. */
  | { readonly kind: "look-at"; readonly uids: readonly string[] }
  | { readonly kind: "remove-finalizer"; readonly finalizer: string }
  /** Take references away, or only let them no longer hold up their owner. */
  | { readonly kind: "set-owners"; readonly owners: readonly OwnerReference[] }
  | { readonly kind: "delete"; readonly policy: "Foreground" | "Background" | "Orphan" }
  | { readonly kind: "orphan"; readonly dependents: readonly GraphNode[] };

/**
 * What to do about an object (pkg/controller/garbagecollector, attemptToDeleteItem): while it has an owner, references to owners that are gone are
 * taken away; when all are gone, or only wait for it, it is deleted, as its own finalizers say.
 */
export function planCollection(
  node: GraphNode,
  dependents: readonly GraphNode[],
  ownerState: (owner: OwnerReference) => OwnerState,
): CollectorAction {
  if (isOrphaning(node)) return { kind: "orphan", dependents };
  if (isDeletingDependents(node)) return planWaiting(node, dependents);
  if (node.deleting || node.owners.length === 0) return { kind: "none" };
  const states = new Map(node.owners.map((owner) => [owner, ownerState(owner)]));
  const of = (state: OwnerState): OwnerReference[] => node.owners.filter((owner) => states.get(owner) === state);
  // A namespaced owner of a cluster-scoped object cannot be: nothing is deleted on the strength of it.
  if (of("invalid").length > 0) return { kind: "none" };
  const present = of("present");
  if (present.length > 0) {
    return present.length === node.owners.length ? { kind: "none" } : { kind: "set-owners", owners: present };
  }
  const waiting = of("deleting-dependents");
  if (waiting.length > 0 && dependents.length > 0) return planForeground(node, dependents);
  return { kind: "delete", policy: policyOf(node) };
}

/** An owner that waits goes when nothing holds it up any more. */
function planWaiting(node: GraphNode, dependents: readonly GraphNode[]): CollectorAction {
  const blocking = dependents.filter((dependent) => blocks(dependent, node.uid));
  if (blocking.length === 0) return { kind: "remove-finalizer", finalizer: "foregroundDeletion" };
  return { kind: "look-at", uids: blocking.filter((each) => !isDeletingDependents(each)).map(({ uid }) => uid) };
}

/** Deleted with its dependents first; in a circle of owners the references stop holding each other up. */
function planForeground(node: GraphNode, dependents: readonly GraphNode[]): CollectorAction {
  const circle = dependents.some(isDeletingDependents) && node.owners.some((owner) => owner.blockOwnerDeletion);
  if (!circle) return { kind: "delete", policy: "Foreground" };
  return { kind: "set-owners", owners: node.owners.map((owner) => ({ ...owner, blockOwnerDeletion: false })) };
}

function policyOf(node: GraphNode): "Foreground" | "Background" | "Orphan" {
  if (node.finalizers.includes("orphan")) return "Orphan";
  return node.finalizers.includes("foregroundDeletion") ? "Foreground" : "Background";
}
