import { isGantryError } from "#base/errors.ts";
import type { KubeObject, Typed } from "#formats/kube-object.ts";
import { matchesSelector, type Selector } from "#formats/selectors.ts";
import type { KubeClient } from "#kube-client/client.ts";
import { apiVersionOf, controllerOf, controllerReference } from "./ownership.ts";

export interface ClaimOptions<T extends KubeObject> {
  readonly client: KubeClient;
  /** The resource of the objects that are claimed. */
  readonly resource: Typed<T>;
  readonly ownerResource: Typed<KubeObject>;
  readonly owner: KubeObject;
  readonly selector: Selector;
  /** Only these may be adopted. */
  readonly adoptable?: (object: T) => boolean;
}

/**
 * Which of `objects` belong to the owner: those it controls and selects. Selected ones without a controller are adopted, controlled ones
 * that are no longer selected released (client: ControllerRefManager). Before it adopts, it reads the owner afresh, so that one that was deleted
 * and made anew, or is being deleted, adopts nothing.
 */
export async function claim<T extends KubeObject>(options: ClaimOptions<T>, objects: readonly T[]): Promise<T[]> {
  const { owner, selector } = options;
  const claimed: T[] = [];
  let mayAdopt: Promise<boolean> | undefined;
  for (const object of objects) {
    const controller = controllerOf(object);
    const selected = matchesSelector(selector, object.metadata.labels);
    if (controller) {
      if (controller.uid !== owner.metadata.uid) continue;
      if (selected) claimed.push(object);
      else if (!owner.metadata.deletionTimestamp) await release(options, object);
      continue;
    }
    if (!selected || owner.metadata.deletionTimestamp || object.metadata.deletionTimestamp) continue;
    if (options.adoptable && !options.adoptable(object)) continue;
    mayAdopt ??= isCurrent(options);
    if ((await mayAdopt) && (await adopt(options, object))) claimed.push(object);
  }
  return claimed;
}

async function isCurrent<T extends KubeObject>({ client, ownerResource, owner }: ClaimOptions<T>): Promise<boolean> {
  const { namespace, name = "", uid } = owner.metadata;
  const fresh = await client.get(ownerResource, namespace, name);
  return fresh.metadata.uid === uid && !fresh.metadata.deletionTimestamp;
}

async function adopt<T extends KubeObject>(options: ClaimOptions<T>, object: T): Promise<boolean> {
  const reference = controllerReference(options.ownerResource, options.owner);
  return patchOwners(options, object, [reference]);
}

async function release<T extends KubeObject>(options: ClaimOptions<T>, object: T): Promise<void> {
  await patchOwners(options, object, [{ $patch: "delete", uid: options.owner.metadata.uid }]);
}

/** False when the object is gone or another one now. */
async function patchOwners<T extends KubeObject>(
  { client, resource }: ClaimOptions<T>,
  object: T,
  ownerReferences: readonly object[],
): Promise<boolean> {
  const { namespace, name = "", uid } = object.metadata;
  const body = { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: { uid, ownerReferences } };
  try {
    await client.patch(resource, namespace, name, { type: "strategic", body });
    return true;
  } catch (error) {
    if (isGantryError(error, "not-found") || isGantryError(error, "conflict") || isGantryError(error, "invalid"))
      return false;
    throw error;
  }
}
