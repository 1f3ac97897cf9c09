import { errorText, isGantryError } from "#base/errors.ts";
import type { KubeObject, Typed } from "#formats/kube-object.ts";
import type { KubeClient } from "#kube-client/client.ts";
import type { ServedResource } from "#kube-client/discovery.ts";
import type { Emptying } from "./status.ts";

/** Deletions under way at once. */
const PARALLEL = 16;

/** Deletes everything in a namespace that is not being deleted yet, pods before all else, and counts what is still there. */
export async function emptyNamespace(
  client: KubeClient,
  resources: readonly ServedResource[],
  namespace: string,
): Promise<Emptying> {
  const found = {
    remaining: new Map<string, number>(),
    finalizers: new Map<string, number>(),
    discoveryError: undefined,
    contentErrors: [] as string[],
  };
  const deletable = resources.filter(isDeletable);
  const pods = deletable.filter(({ group, resource }) => group === "" && resource === "pods");
  await Promise.all(pods.map((resource) => emptyOf(client, resource, namespace, found)));
  // What pods run on (their secrets, policies, services) outlives them.
  if (found.remaining.size > 0 || found.contentErrors.length > 0) return found;
  await Promise.all(
    deletable
      .filter((resource) => !pods.includes(resource))
      .map((resource) => emptyOf(client, resource, namespace, found)),
  );
  return found;
}

function isDeletable({ namespaced, verbs }: ServedResource): boolean {
  return namespaced && ["delete", "list"].every((verb) => verbs.includes(verb));
}

interface Found {
  readonly remaining: Map<string, number>;
  readonly finalizers: Map<string, number>;
  readonly contentErrors: string[];
}

async function emptyOf(client: KubeClient, served: ServedResource, namespace: string, found: Found): Promise<void> {
  const resource: Typed<KubeObject> = served;
  try {
    const { items } = await client.list(resource, { namespace });
    await inParallel(
      items.filter((item) => !item.metadata.deletionTimestamp),
      (item) => remove(client, resource, item),
    );
    const left = items.length === 0 ? items : (await client.list(resource, { namespace })).items;
    if (left.length > 0) found.remaining.set(`${resource.resource}.${resource.group}`, left.length);
    for (const finalizer of left.flatMap((item) => item.metadata.finalizers ?? [])) {
      found.finalizers.set(finalizer, (found.finalizers.get(finalizer) ?? 0) + 1);
    }
  } catch (error) {
    // A custom resource whose definition has just gone is gone, too.
    if (isGantryError(error, "not-found")) return;
    found.contentErrors.push(`${resource.resource}.${resource.group}: ${errorText(error)}`);
  }
}

async function remove(client: KubeClient, resource: Typed<KubeObject>, { metadata }: KubeObject): Promise<void> {
  const { namespace, name = "", uid } = metadata;
  try {
    await client.delete(resource, namespace, name, { propagationPolicy: "Background", preconditions: { uid } });
  } catch (error) {
    if (!isGantryError(error, "not-found") && !isGantryError(error, "conflict")) throw error;
  }
}

async function inParallel<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) await run(items[index] as T);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, worker));
}
