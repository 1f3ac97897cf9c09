import { errorText, isGantryError } from "#base/errors.ts";
import { nameSuffix } from "#base/ids.ts";
import type { Random } from "#base/random.ts";
import type { KubeObject, Resource } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Pod, PodTemplateSpec } from "#formats/kube-types.generated.ts";
import type { KubeClient } from "#kube-client/client.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { Informer } from "#kube-client/informer.ts";
import type { Expectations } from "./expectations.ts";
import { controllerOf, controllerReference } from "./ownership.ts";
import { isRefusal } from "./refusals.ts";

/** Creates and deletes pods on behalf of a controller, with the events that `kubectl describe` shows of it. */
export interface PodControl {
  /** To be called when the owner's pods are read from the cache, before anything is awaited: what it shows is counted from now on. */
  observed(key: string): void;
  /** `slot`: which of the owner's pods it is (a node, an index), where they are not all alike. */
  create(key: string, owner: KubeObject, pod: Pod, slot?: string): Promise<void>;
  delete(key: string, owner: KubeObject, pod: Pod): Promise<void>;
  /** True when the pod was asked to be deleted and no answer came: when one must go, it is this one. */
  isDoomed(pod: Pod): boolean;
  /** The owner is gone. */
  forget(key: string): void;
}

export interface PodControlOptions {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly random: Random;
  /** What is written is expected to show in the cache. */
  readonly expected: Expectations<Pod>;
  readonly pods: Informer<Pod>;
}

/** Longest base of a generated name (apimachinery names.SimpleNameGenerator). */
const MAX_BASE = 58;
/** Pods asked to be deleted without an answer, remembered at most; one more drops the oldest. */
const MAX_DOOMED = 10_000;

/** Names of creates without an answer, remembered at most; one more drops the oldest. */
const MAX_DOUBTFUL = 10_000;

/**
 * Names pods itself, so that a create whose answer was lost can be tried again under the same name: it finds the pod that is there already instead
 * of making a second one. A name is given up only by `observed`: what was planned before a pod showed in the cache did not count it.
 */
export function podControl(options: PodControlOptions): PodControl {
  const { client, events, expected, random } = options;
  const doubtful = doubtfulNames(options.pods);
  const doomed = new Set<string>();
  return {
    observed: doubtful.dropSeen,
    async create(key, owner, pod, slot = "") {
      const { generateName = "" } = pod.metadata;
      const fresh = (): string => `${generateName.slice(0, MAX_BASE)}${nameSuffix(5, random)}`;
      const name = pod.metadata.name ?? doubtful.take(key, slot) ?? fresh();
      try {
        expected.wrote(key, await createOrFind(client, { ...pod, metadata: { ...pod.metadata, name } }));
        events.record(owner, "Normal", "SuccessfulCreate", `Created pod: ${name}`);
      } catch (error) {
        if (!isRefusal(error)) doubtful.keep(key, slot, `${pod.metadata.namespace ?? ""}/${name}`);
        // Its namespace is going away: every create will fail, and saying so helps nobody.
        if (!isNamespaceTerminating(error))
          events.record(owner, "Warning", "FailedCreate", `Error creating: ${errorText(error)}`);
        throw error;
      }
    },
    async delete(key, owner, pod) {
      const { namespace, name = "", uid = "" } = pod.metadata;
      try {
        await client.delete(RESOURCES.pods, namespace, name, { preconditions: { uid } });
        events.record(owner, "Normal", "SuccessfulDelete", `Deleted pod: ${name}`);
      } catch (error) {
        if (!isGantryError(error, "not-found") && !isGantryError(error, "conflict")) {
          if (!isRefusal(error)) doomed.add(uid);
          if (doomed.size > MAX_DOOMED) for (const oldest of doomed) if (doomed.delete(oldest)) break;
          events.record(owner, "Warning", "FailedDelete", `Error deleting: ${errorText(error)}`);
          throw error;
        }
      }
      doomed.delete(uid);
      expected.deleted(key, pod);
    },
    isDoomed: ({ metadata }) => doomed.has(metadata.uid ?? ""),
    forget: doubtful.forget,
  };
}

/** Pods that may have been made, by owner: `namespace/name` with the slot each was for, oldest first. */
function doubtfulNames(pods: Informer<Pod>) {
  const byOwner = new Map<string, Map<string, string>>();
  let count = 0;
  const drop = (key: string, podKey: string): void => {
    const names = byOwner.get(key);
    if (!names?.delete(podKey)) return;
    count--;
    if (names.size === 0) byOwner.delete(key);
  };
  const dropOldest = (): void => {
    for (const [key, names] of byOwner) for (const podKey of names.keys()) return drop(key, podKey);
  };
  return {
    keep(key: string, slot: string, podKey: string): void {
      const names = byOwner.get(key) ?? new Map<string, string>();
      byOwner.set(key, names);
      if (!names.has(podKey)) count++;
      names.set(podKey, slot);
      if (count > MAX_DOUBTFUL) dropOldest();
    },
    /** The name of one, not to be had again. */
    take(key: string, slot: string): string | undefined {
      for (const [podKey, its] of byOwner.get(key) ?? []) {
        if (its !== slot) continue;
        drop(key, podKey);
        return podKey.slice(podKey.indexOf("/") + 1);
      }
      return undefined;
    },
    dropSeen(key: string): void {
      for (const podKey of Array.from(byOwner.get(key)?.keys() ?? [])) if (pods.cache.get(podKey)) drop(key, podKey);
    },
    forget(key: string): void {
      count -= byOwner.get(key)?.size ?? 0;
      byOwner.delete(key);
    },
  };
}

/** The pod of that name that the same owner made before counts as made now. */
async function createOrFind(client: KubeClient, pod: Pod): Promise<Pod> {
  try {
    return await client.create(RESOURCES.pods, pod);
  } catch (error) {
    if (!isGantryError(error, "already-exists")) throw error;
    const { namespace, name = "" } = pod.metadata;
    const found = await client.get(RESOURCES.pods, namespace, name);
    if (controllerOf(found)?.uid === controllerOf(pod)?.uid) return found;
    throw error;
  }
}

/** A pod from a template, controlled by `owner`; named by `generateName` unless `name` is given. */
export function podFromTemplate(
  template: PodTemplateSpec,
  ownerResource: Resource,
  owner: KubeObject,
  name?: string,
): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      namespace: owner.metadata.namespace,
      ...(name === undefined ? { generateName: `${owner.metadata.name ?? ""}-` } : { name }),
      ...(labels && { labels: { ...labels } }),
      ...(annotations && { annotations: { ...annotations } }),
      ...(finalizers && { finalizers: [...finalizers] }),
      ownerReferences: [controllerReference(ownerResource, owner)],
    },
    spec: structuredClone(template.spec),
  };
}

/** The API's answer to creating something in a namespace that is being deleted. */
export function isNamespaceTerminating(error: unknown): boolean {
  if (!isGantryError(error, "forbidden")) return false;
  const status = error.details["status"] as { details?: { causes?: { reason?: string }[] } } | undefined;
  return status?.details?.causes?.some((cause) => cause.reason === "NamespaceTerminating") ?? false;
}
