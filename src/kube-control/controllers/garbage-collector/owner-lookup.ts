import { isGantryError } from "#base/errors.ts";
import type { KubeObject, Typed } from "#formats/kube-object.ts";
import type { OwnerReference } from "#formats/kube-types.generated.ts";
import type { KubeClient } from "#kube-client/client.ts";
import type { ServedResource } from "#kube-client/discovery.ts";
import { isDeletingDependents, type GraphNode, type OwnerGraph } from "./graph.ts";
import type { OwnerState } from "./plan.ts";

/** Finds out whether owners are there. */
export interface OwnerLookup {
  /** The state of each of a node's owners, by uid. Throws when the API cannot tell now: nothing is deleted on a guess. */
  states(node: GraphNode, graph: OwnerGraph): Promise<Map<string, OwnerState>>;
}

/** Uids known not to exist: they never will. One more drops the oldest. */
const MAX_ABSENT = 10_000;

/** Looks in the graph first; asks the API only about owners that are not in it. */
export function ownerLookup(
  client: KubeClient,
  resourceOf: (apiVersion: string, kind: string) => ServedResource | undefined,
): OwnerLookup {
  const absent = new Set<string>();
  const isAbsent = (uid: string): void => {
    absent.add(uid);
    if (absent.size > MAX_ABSENT) for (const oldest of absent) if (absent.delete(oldest)) break;
  };
  const stateOf = async (node: GraphNode, owner: OwnerReference, graph: OwnerGraph): Promise<OwnerState> => {
    if (absent.has(owner.uid)) return "absent";
    const known = graph.get(owner.uid);
    if (known && (known.namespace === undefined || known.namespace === node.namespace)) {
      return isDeletingDependents(known) ? "deleting-dependents" : "present";
    }
    const resource = resourceOf(owner.apiVersion, owner.kind);
    // A kind that nobody serves: it may come back, and its objects with it.
    if (!resource) return "present";
    if (resource.namespaced && node.namespace === undefined) return "invalid";
    const found = await read(client, resource, node.namespace, owner.name);
    if (found?.metadata.uid === owner.uid) return "present";
    isAbsent(owner.uid);
    return "absent";
  };
  return {
    async states(node, graph) {
      if (node.deleting) return new Map();
      const states = node.owners.map(async (owner): Promise<[string, OwnerState]> => [
        owner.uid,
        await stateOf(node, owner, graph),
      ]);
      return new Map(await Promise.all(states));
    },
  };
}

async function read(
  client: KubeClient,
  resource: Typed<KubeObject>,
  namespace: string | undefined,
  name: string,
): Promise<KubeObject | undefined> {
  try {
    return await client.get(resource, resource.namespaced ? namespace : undefined, name);
  } catch (error) {
    if (isGantryError(error, "not-found")) return undefined;
    throw error;
  }
}
