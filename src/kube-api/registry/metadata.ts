import { nameSuffix, uuid } from "#base/ids.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { kubeTime } from "#formats/kube-time.ts";
import { sameTree } from "#formats/tree.ts";
import type { Api } from "../api.ts";
import { apiVersionOf, type ResourceDefinition } from "../resources/definition.ts";
import { badRequest, conflict, failure, invalid, type FieldFault } from "../status.ts";

const MAX_GENERATED_BASE = 58;

/** Fills the metadata of a new object (k8s.io/apiserver registry/rest BeforeCreate). */
export function prepareNewMetadata(
  api: Api,
  definition: ResourceDefinition,
  namespace: string,
  object: KubeObject,
): void {
  const { metadata } = object;
  metadata.uid = uuid(api.random);
  metadata.creationTimestamp = kubeTime(api.clock.now());
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  delete metadata.resourceVersion;
  if (definition.namespaced) metadata.namespace = namespace;
  else delete metadata.namespace;
  if (definition.generation) metadata.generation = 1;
  else delete metadata.generation;
}

/** Gives an object that has only a generateName its name; false when it names itself. */
export function generateName(api: Api, object: KubeObject): boolean {
  const { name, generateName: base } = object.metadata;
  if (name || !base) return false;
  object.metadata.name = base.slice(0, MAX_GENERATED_BASE) + nameSuffix(5, api.random);
  return true;
}

/** Checks kind, namespace and revision of a body that is to be created. */
export function checkNew(definition: ResourceDefinition, namespace: string, object: KubeObject): void {
  checkKind(definition, object);
  checkNamespace(definition, namespace, object);
  const { name, generateName: base, resourceVersion } = object.metadata;
  if (!name && !base) {
    const message = "Required value: name or generateName is required";
    throw invalid(definition.group, definition.kind, "", [
      { field: "metadata.name", message, reason: "FieldValueRequired" },
    ]);
  }
  if (resourceVersion) {
    const message = "resourceVersion should not be set on objects to be created";
    throw failure({ code: "invalid", http: 500, reason: "", message });
  }
}

/** The body's kind must be the URL's. */
export function checkKind(definition: ResourceDefinition, object: KubeObject): void {
  const expected = apiVersionOf(definition);
  if (object.kind === definition.kind && object.apiVersion === expected) return;
  if (object.kind && object.kind !== definition.kind) {
    throw badRequest(
      `${object.kind} in version ${JSON.stringify(versionOf(object.apiVersion))} cannot be handled as a ${definition.kind}: converting (${versionOf(object.apiVersion)}.${object.kind}) to (${definition.version}.${definition.kind}): unknown conversion`,
    );
  }
  if (object.apiVersion && object.apiVersion !== expected) {
    throw badRequest(
      `the API version in the data (${object.apiVersion}) does not match the expected API version (${expected})`,
    );
  }
  object.kind = definition.kind;
  object.apiVersion = expected;
}

function versionOf(apiVersion = ""): string {
  return apiVersion.slice(apiVersion.indexOf("/") + 1);
}

export function checkNamespace(definition: ResourceDefinition, namespace: string, object: KubeObject): void {
  const own = object.metadata.namespace ?? "";
  if (own === "" || own === namespace) return;
  if (!definition.namespaced) throw badRequest("namespace may not be set on cluster-scoped resources");
  throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
}

/** The body of a PUT must be of the URL's name. */
export function checkName(name: string, object: KubeObject): void {
  const own = object.metadata.name ?? "";
  if (own === "") throw badRequest("the name of the object could not be determined: resource name may not be empty");
  if (own !== name) {
    throw badRequest(`the name of the object (${own}) does not match the name on the URL (${name})`);
  }
}

/** Carries over what an update cannot change (BeforeUpdate), and checks the identity that it names. */
export function prepareChangedMetadata(definition: ResourceDefinition, object: KubeObject, old: KubeObject): void {
  const { metadata } = object;
  const before = old.metadata;
  const about = { group: definition.group, resource: definition.resource };
  const name = before.name ?? "";
  if (metadata.uid && metadata.uid !== before.uid) {
    const why = `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${before.uid ?? ""}`;
    throw conflict(about, name, why);
  }
  carry(metadata, before, "uid");
  carry(metadata, before, "creationTimestamp");
  carry(metadata, before, "deletionTimestamp");
  carry(metadata, before, "deletionGracePeriodSeconds");
  carry(metadata, before, "generation");
  carry(metadata, before, "generateName");
  carry(metadata, before, "namespace");
  delete metadata.selfLink;
  const added = (metadata.finalizers ?? []).filter((finalizer) => !before.finalizers?.includes(finalizer));
  if (before.deletionTimestamp && added.length > 0) {
    throw invalid(definition.group, definition.kind, name, [newFinalizers(added)]);
  }
}

function newFinalizers(added: readonly string[]): FieldFault {
  const list = added.map((finalizer) => JSON.stringify(finalizer)).join(", ");
  const message = `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
  return { field: "metadata.finalizers", message, reason: "FieldValueForbidden" };
}

function carry<K extends keyof KubeObject["metadata"]>(
  to: KubeObject["metadata"],
  from: KubeObject["metadata"],
  field: K,
): void {
  if (from[field] === undefined) delete to[field];
  else to[field] = from[field];
}

/** Counts a change of anything but metadata and status. */
export function countGeneration(definition: ResourceDefinition, object: KubeObject, old: KubeObject): void {
  if (!definition.generation) return;
  const generation = old.metadata.generation ?? 0;
  // A custom resource without a status subresource has no status of its own kind: all of it is wanted.
  const whole = definition.custom !== undefined && !definition.subresources.has("status");
  object.metadata.generation = sameTree(desired(object, whole), desired(old, whole)) ? generation : generation + 1;
}

function desired(object: KubeObject, whole: boolean): object {
  const { metadata: _, status, apiVersion: __, kind: ___, ...rest } = object as KubeObject & { status?: unknown };
  return whole ? { ...rest, status } : rest;
}
