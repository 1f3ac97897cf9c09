import type { KubeObject, Resource } from "#formats/kube-object.ts";
import type { OwnerReference } from "#formats/kube-types.generated.ts";

export const FOREGROUND_FINALIZER = "foregroundDeletion";
export const ORPHAN_FINALIZER = "orphan";

/** An object as the garbage collector knows it. */
export interface GraphNode {
  readonly uid: string;
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly name: string;
  resourceVersion: string;
  owners: readonly OwnerReference[];
  deleting: boolean;
  finalizers: readonly string[];
  readonly dependents: Set<GraphNode>;
}

/** Who owns whom. */
export interface OwnerGraph {
  get(uid: string): GraphNode | undefined;
  /** Takes in an object's present state; returns the uids of objects to look at. */
  put(resource: Resource, object: KubeObject): string[];
  /** Takes an object out; returns the uids of objects to look at. */
  remove(uid: string): string[];
  /** Objects that name this uid as an owner, whether the owner is known or not. */
  dependents(uid: string): readonly GraphNode[];
  readonly size: number;
}

/** Waits for its dependents to be deleted before it goes. */
export function isDeletingDependents(node: GraphNode): boolean {
  return node.deleting && node.finalizers.includes(FOREGROUND_FINALIZER);
}

/** Waits for its dependents to be set free before it goes. */
export function isOrphaning(node: GraphNode): boolean {
  return node.deleting && node.finalizers.includes(ORPHAN_FINALIZER);
}

/** Holds up the deletion of an owner that waits for it. */
export function blocks(node: GraphNode, ownerUid: string): boolean {
  return node.owners.some((owner) => owner.uid === ownerUid && owner.blockOwnerDeletion === true);
}

/** An empty graph. It holds a small node for each object of the cluster. */
export function ownerGraph(): OwnerGraph {
  const nodes = new Map<string, GraphNode>();
  /** Dependents of owners that are not known: they are gone, or have not been seen yet. */
  const unowned = new Map<string, Set<GraphNode>>();
  const attach = (node: GraphNode, ownerUid: string): void => {
    const dependents = nodes.get(ownerUid)?.dependents ?? unowned.get(ownerUid);
    if (dependents) dependents.add(node);
    else unowned.set(ownerUid, new Set([node]));
  };
  const detach = (node: GraphNode, ownerUid: string): void => {
    nodes.get(ownerUid)?.dependents.delete(node);
    const strays = unowned.get(ownerUid);
    strays?.delete(node);
    if (strays?.size === 0) unowned.delete(ownerUid);
  };
  const add = (node: GraphNode): string[] => {
    nodes.set(node.uid, node);
    for (const dependent of unowned.get(node.uid) ?? []) node.dependents.add(dependent);
    unowned.delete(node.uid);
    for (const { uid } of node.owners) attach(node, uid);
    // An owner that is not there may be gone, or be one that was never there.
    const doubtful = node.owners.some(({ uid }) => !nodes.has(uid) || isDeletingDependentsOf(nodes.get(uid)));
    return [...(doubtful ? [node.uid] : []), ...begun(node, false, false)];
  };
  /** What has to be looked at when a node begins to wait for its dependents. */
  const begun = (node: GraphNode, deletedBefore: boolean, orphanedBefore: boolean): string[] => {
    if (isOrphaning(node) && !orphanedBefore) return [node.uid];
    if (!isDeletingDependents(node) || deletedBefore) return [];
    return [node.uid, ...Array.from(node.dependents, ({ uid }) => uid)];
  };
  return {
    get size() {
      return nodes.size;
    },
    get: (uid) => nodes.get(uid),
    dependents: (uid) => Array.from(nodes.get(uid)?.dependents ?? unowned.get(uid) ?? []),
    put(resource, object) {
      const made = nodeOf(resource, object);
      const node = nodes.get(made.uid);
      if (!node) return add(made);
      const gone = node.owners.filter(({ uid }) => !made.owners.some((owner) => owner.uid === uid));
      const come = made.owners.filter(({ uid }) => !node.owners.some((owner) => owner.uid === uid));
      for (const { uid } of gone) detach(node, uid);
      for (const { uid } of come) attach(node, uid);
      const unblocked = node.owners.filter(
        ({ uid }) => blocks(node, uid) && !blocks(made, uid) && isDeletingDependentsOf(nodes.get(uid)),
      );
      const before = [isDeletingDependents(node), isOrphaning(node)] as const;
      const { resourceVersion, owners, deleting, finalizers } = made;
      Object.assign(node, { resourceVersion, owners, deleting, finalizers });
      const look = come.some(({ uid }) => !nodes.has(uid) || isDeletingDependentsOf(nodes.get(uid))) || gone.length > 0;
      return [...(look ? [node.uid] : []), ...unblocked.map(({ uid }) => uid), ...begun(node, ...before)];
    },
    remove(uid) {
      const node = nodes.get(uid);
      if (!node) return [];
      nodes.delete(uid);
      for (const owner of node.owners) detach(node, owner.uid);
      if (node.dependents.size > 0) unowned.set(uid, node.dependents);
      const waiting = node.owners.filter((owner) => isDeletingDependentsOf(nodes.get(owner.uid)));
      return [...Array.from(node.dependents, (dependent) => dependent.uid), ...waiting.map((owner) => owner.uid)];
    },
  };
}

function isDeletingDependentsOf(node: GraphNode | undefined): boolean {
  return node !== undefined && isDeletingDependents(node);
}

function nodeOf(resource: Resource, { metadata }: KubeObject): GraphNode {
  return {
    uid: metadata.uid ?? "",
    resource,
    namespace: metadata.namespace,
    name: metadata.name ?? "",
    resourceVersion: metadata.resourceVersion ?? "",
    owners: metadata.ownerReferences ?? [],
    deleting: metadata.deletionTimestamp !== undefined,
    finalizers: metadata.finalizers ?? [],
    dependents: new Set(),
  };
}
