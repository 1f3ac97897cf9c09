import { errorText, isGantryError } from "#base/errors.ts";
import type { KubeObject, Resource } from "#formats/kube-object.ts";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Pod, PodTemplateSpec } from "#formats/kube-types.generated.ts";
import type { KubeClient } from "#kube-client/client.ts";
import type { EventRecorder } from "#kube-client/events.ts";
import type { Expectations } from "./expectations.ts";
import { controllerReference } from "./ownership.ts";

/** Creates and deletes pods on behalf of a controller, with the events that `kubectl describe` shows of it. */
export interface PodControl {
  create(key: string, owner: KubeObject, pod: Pod): Promise<void>;
  delete(key: string, owner: KubeObject, pod: Pod): Promise<void>;
}

/** What is written is expected to show in the cache. */
export function podControl(client: KubeClient, events: EventRecorder, expected: Expectations<Pod>): PodControl {
  return {
    async create(key, owner, pod) {
      try {
        const created = await client.create(RESOURCES.pods, pod);
        expected.wrote(key, created);
        events.record(owner, "Normal", "SuccessfulCreate", `Created pod: ${created.metadata.name ?? ""}`);
      } catch (error) {
        // Its namespace is going away: every create will fail, and saying so helps nobody.
        if (!isNamespaceTerminating(error))
          events.record(owner, "Warning", "FailedCreate", `Error creating: ${errorText(error)}`);
        throw error;
      }
    },
    async delete(key, owner, pod) {
      const { namespace, name = "", uid } = pod.metadata;
      try {
        await client.delete(RESOURCES.pods, namespace, name, { preconditions: { uid } });
        expected.deleted(key, pod);
        events.record(owner, "Normal", "SuccessfulDelete", `Deleted pod: ${name}`);
      } catch (error) {
        if (isGantryError(error, "not-found") || isGantryError(error, "conflict")) {
          expected.deleted(key, pod);
          return;
        }
        events.record(owner, "Warning", "FailedDelete", `Error deleting: ${errorText(error)}`);
        throw error;
      }
    },
  };
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
