import { errorText, isGantryError } from "#base/errors.ts";
import type { KubeObject, Resource, Typed } from "#formats/kube-object.ts";
import type { OwnerReference } from "#formats/kube-types.generated.ts";
import type { ServedResource } from "#kube-client/discovery.ts";
import { resourceName } from "#kube-client/informer-factory.ts";
import { reconcileLoop, type ReconcileResult } from "#kube-client/reconcile-loop.ts";
import { type Controller, type ControllerContext } from "../shared/controller.ts";
import { groupOf } from "../shared/ownership.ts";
import { ownerGraph, type GraphNode, type OwnerGraph } from "./graph.ts";
import { ownerLookup, type OwnerLookup } from "./owner-lookup.ts";
import { planCollection } from "./plan.ts";

const NAME = "garbage-collector-controller";
const CRDS = "customresourcedefinitions";

interface Parts {
  readonly context: ControllerContext;
  readonly graph: OwnerGraph;
  readonly owners: OwnerLookup;
  readonly look: (uids: readonly string[]) => void;
}

/** Deletes objects whose owners are gone, whatever kinds they are of, and sees foreground and orphaning deletions through. */
export function garbageCollector(context: ControllerContext): Controller {
  const { clock, logger } = context;
  const graph = ownerGraph();
  const monitors = monitorAll(context, graph, (uids) => uids.forEach(loop.queue.add));
  const parts: Parts = {
    context,
    graph,
    owners: ownerLookup(context.client, (apiVersion, kind) => monitors.resourceOf(apiVersion, kind)),
    look: (uids) => uids.forEach(loop.queue.add),
  };
  const loop = reconcileLoop({ name: NAME, clock, logger, workers: 20, reconcile: (uid) => collect(parts, uid) });
  return {
    name: NAME,
    start() {
      loop.start();
      monitors.refresh();
    },
    async stop() {
      monitors.stop();
      await loop.stop();
    },
    get idle() {
      return loop.queue.idle && !monitors.refreshing;
    },
  };
}

interface Monitors {
  /** Watches what the API serves now. */
  refresh(): void;
  resourceOf(apiVersion: string, kind: string): ServedResource | undefined;
  stop(): void;
  readonly refreshing: boolean;
}

/** Watches every resource that can be listed, watched and deleted; custom ones come and go with their definitions. */
function monitorAll(context: ControllerContext, graph: OwnerGraph, look: (uids: readonly string[]) => void): Monitors {
  const watched = new Map<string, () => void>();
  const byKind = new Map<string, ServedResource>();
  let refreshing = false;
  let again = false;
  const watch = (served: ServedResource): void => {
    const resource: Typed<KubeObject> = served;
    const informer = context.informers.informer(resource);
    const see = (object: KubeObject): void => look(graph.put(served, object));
    const off = informer.addHandler({
      add: see,
      update: (_, after) => see(after),
      delete: ({ metadata }) => look(graph.remove(metadata.uid ?? "")),
    });
    const refreshOn = served.resource === CRDS ? informer.addHandler({ update: refresh, delete: refresh }) : undefined;
    watched.set(resourceName(served), () => {
      off();
      refreshOn?.();
    });
  };
  const refreshOnce = async (): Promise<void> => {
    const served = await context.discovery.resources();
    byKind.clear();
    for (const each of served) byKind.set(`${each.group}/${each.kind}`, each);
    const wanted = new Map(served.filter(isMonitored).map((each) => [resourceName(each), each]));
    for (const [name, stop] of watched) {
      if (wanted.has(name)) continue;
      stop();
      watched.delete(name);
    }
    for (const [name, each] of wanted) if (!watched.has(name)) watch(each);
  };
  function refresh(): void {
    again = true;
    if (refreshing) return;
    refreshing = true;
    again = false;
    refreshOnce()
      .catch((error: unknown) =>
        context.logger.warn({ error: errorText(error) }, "garbage collector: discovery failed"),
      )
      .finally(() => {
        refreshing = false;
        if (again) refresh();
      });
  }
  return {
    refresh,
    get refreshing() {
      return refreshing;
    },
    // An owner may be named in a version that is not the preferred one: the group and kind tell.
    resourceOf: (apiVersion, kind) => byKind.get(`${groupOf(apiVersion)}/${kind}`),
    stop() {
      for (const stop of watched.values()) stop();
      watched.clear();
    },
  };
}

/** Events come and go by themselves, and in numbers. */
function isMonitored({ resource, verbs }: ServedResource): boolean {
  return resource !== "events" && ["list", "watch", "delete"].every((verb) => verbs.includes(verb));
}

async function collect(parts: Parts, uid: string): Promise<ReconcileResult> {
  const node = parts.graph.get(uid);
  if (!node) return undefined;
  const states = await parts.owners.states(node, parts.graph);
  const action = planCollection(node, parts.graph.dependents(uid), (owner) => states.get(owner.uid) ?? "invalid");
  switch (action.kind) {
    case "none":
      return undefined;
    case "look-at":
      parts.look(action.uids);
      return undefined;
    case "remove-finalizer":
      return removeFinalizer(parts, node, action.finalizer);
    case "set-owners":
      return patchMetadata(parts, node, { ownerReferences: action.owners });
    case "delete":
      return remove(parts, node, action.policy);
    case "orphan":
      return orphan(parts, node, action.dependents);
  }
}

async function remove(
  { context }: Parts,
  node: GraphNode,
  propagationPolicy: "Foreground" | "Background" | "Orphan",
): Promise<void> {
  const { uid, resourceVersion, namespace, name } = node;
  // Of the very state that was judged: owners that it got since would be missed.
  const preconditions = { uid, resourceVersion };
  await ifThere(() =>
    context.client.delete(typed(node.resource), namespace, name, { propagationPolicy, preconditions }),
  );
}

async function removeFinalizer(parts: Parts, node: GraphNode, finalizer: string): Promise<void> {
  const finalizers = node.finalizers.filter((each) => each !== finalizer);
  await patchMetadata(parts, node, { finalizers });
}

/** Frees all dependents, then lets the owner go. A failure tries again: the owner waits. */
async function orphan(parts: Parts, owner: GraphNode, dependents: readonly GraphNode[]): Promise<void> {
  for (const dependent of dependents) {
    const ownerReferences = dependent.owners.filter(({ uid }) => uid !== owner.uid);
    await patchMetadata(parts, dependent, { ownerReferences });
  }
  await removeFinalizer(parts, owner, "orphan");
}

async function patchMetadata(
  { context }: Parts,
  node: GraphNode,
  changes: { readonly finalizers?: readonly string[]; readonly ownerReferences?: readonly OwnerReference[] },
): Promise<void> {
  const { uid, resourceVersion, namespace, name } = node;
  const body = { metadata: { uid, resourceVersion, ...changes } };
  await ifThere(async () => {
    await context.client.patch(typed(node.resource), namespace, name, { type: "merge", body });
  });
}

async function ifThere(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!isGantryError(error, "not-found")) throw error;
  }
}

function typed(resource: Resource): Typed<KubeObject> {
  return resource;
}
