// Server-side apply: who owns which field of an object, and how an applied configuration is merged in.
// After k8s.io/apimachinery/pkg/util/managedfields and sigs.k8s.io/structured-merge-diff.
import { GantryError } from "#base/errors.ts";
import { decodeStruct } from "./kube-decode.ts";
import type { KubeObject } from "./kube-object.ts";
import type { StructSchema } from "./kube-schema.ts";
import { zeroValue } from "./kube-schema/decode.ts";
import { kubeTime } from "./kube-time.ts";
import type { ManagedFieldsEntry } from "./kube-types.generated.ts";
import { addedFields } from "./structured-merge/added.ts";
import { checkConfiguration } from "./structured-merge/check.ts";
import { conflictError, type Conflict } from "./structured-merge/conflicts.ts";
import {
  cutSets,
  EMPTY_SET,
  intersectSets,
  isEmptySet,
  sameSets,
  setOfFields,
  setPaths,
  subtractSets,
  unionSets,
  type FieldSet,
} from "./structured-merge/field-set.ts";
import {
  encodeManagers,
  managerEntry,
  managerKey,
  readManagers,
  type Manager,
  type Managers,
} from "./structured-merge/managers.ts";
import { shapeOf, type Shape } from "./structured-merge/shape.ts";
import { sameTree } from "./tree.ts";
import {
  compareValues,
  fieldsOf,
  mergeValues,
  withNamedFields,
  withoutFields,
  type Comparison,
} from "./structured-merge/walk.ts";

/** What the caller knows about a change. */
export interface FieldManagement {
  /** The object's kind. */
  readonly schema: StructSchema;
  /** `apps/v1` */
  readonly apiVersion: string;
  /** The client's `fieldManager`, or its user agent up to the first slash. */
  readonly manager: string;
  /** The subresource written through: `status`, `scale`; empty for the object itself. */
  readonly subresource?: string;
  /** Fields that this way of writing does not touch, as dotted paths: `status` on the object itself. */
  readonly resetFields?: readonly string[];
  /** Epoch milliseconds. */
  readonly now: number;
}

/** Fields that belong to the system and to nobody's set. */
const SYSTEM_FIELDS = setOfFields(
  "apiVersion",
  "kind",
  "metadata.name",
  "metadata.namespace",
  "metadata.creationTimestamp",
  "metadata.selfLink",
  "metadata.uid",
  "metadata.clusterName",
  "metadata.generation",
  "metadata.managedFields",
  "metadata.resourceVersion",
);
const BEFORE_FIRST_APPLY = "before-first-apply";

/**
 * The managedFields after an object was created (`before` undefined), updated or patched: the manager owns what it
 * changed, others lose it, what vanished is nobody's. An object that nobody tracks stays untracked.
 */
export function trackUpdate(
  before: KubeObject | undefined,
  after: KubeObject,
  how: FieldManagement,
): ManagedFieldsEntry[] {
  const sent = how.subresource ? undefined : after.metadata.managedFields;
  // A client that sends an empty list starts over; one that sends none keeps what there was.
  if (before && sent && sent.length === 0) return [];
  const managers = readable(sent) ?? readManagers(before?.metadata.managedFields ?? [], true);
  if (before && managers.size === 0) return [];
  if (!before && managers.size === 0) return created(after, how);
  recordUpdate(managers, before ?? emptyObject(how), after, how, how.manager);
  return encodeManagers(managers);
}

/** A new object of which the client does not say who owns what: all that it has is its creator's. */
function created(object: KubeObject, how: FieldManagement): ManagedFieldsEntry[] {
  const { resetFields = [] } = how;
  const except = resetFields.length === 0 ? SYSTEM_FIELDS : unionSets(SYSTEM_FIELDS, setOfFields(...resetFields));
  const fieldsV1 = addedFields(emptyObject(how), withoutManagedFields(object), shapeOf(how.schema), except);
  return fieldsV1 ? [managerEntry(updater(how, how.manager, EMPTY_SET), fieldsV1)] : [];
}

function updater({ apiVersion, subresource = "", now }: FieldManagement, name: string, set: FieldSet): Manager {
  return { name, operation: "Update", apiVersion, subresource, time: kubeTime(now), set };
}

/** What a client sent, unless it is empty or malformed: then what the live object has counts, as upstream. */
function readable(sent: readonly ManagedFieldsEntry[] | undefined): Managers | undefined {
  if (!sent || sent.length === 0) return undefined;
  try {
    return readManagers(sent, false);
  } catch (error) {
    if (error instanceof GantryError) return undefined;
    throw error;
  }
}

function recordUpdate(managers: Managers, before: unknown, after: unknown, how: FieldManagement, name: string): void {
  const shape = shapeOf(how.schema);
  const changes = compareValues(withoutManagedFields(before), withoutManagedFields(after), shape);
  settle(managers, changes, how, undefined, true);
  const taken = subtractSets(unionSets(changes.modified, changes.added), changes.removed);
  const set = stripped(taken, how);
  if (isEmptySet(set)) return;
  const own = updater(how, name, set);
  const key = managerKey(own);
  const previous = managers.get(key);
  managers.set(key, previous ? { ...own, set: unionSets(set, previous.set) } : own);
}

/** Takes changed fields from their owners, or throws `conflict` when the change is not forced. */
function settle(
  managers: Managers,
  changes: Comparison,
  how: FieldManagement,
  self: string | undefined,
  force: boolean,
): void {
  const changed = unionSets(changes.modified, changes.added);
  const conflicts: Conflict[] = [];
  for (const [key, manager] of managers) {
    if (key === self || manager.apiVersion !== how.apiVersion) continue;
    const lost = intersectSets(manager.set, changed);
    if (isEmptySet(lost) && isEmptySet(intersectSets(manager.set, changes.removed))) continue;
    for (const path of setPaths(lost)) conflicts.push({ manager, path });
    const set = subtractSets(subtractSets(manager.set, lost), changes.removed);
    if (!force) continue;
    if (isEmptySet(set)) managers.delete(key);
    else managers.set(key, { ...manager, set, fieldsV1: undefined });
  }
  if (force) return;
  if (conflicts.length > 0) throw conflictError(conflicts);
  settle(managers, changes, how, self, true);
}

export interface Applied {
  /** The merged object, to be decoded, defaulted and validated; its managedFields are current. */
  readonly object: KubeObject;
  /** False when the object did not change; then keep the live one as it is. */
  readonly changed: boolean;
}

/**
 * Applies a configuration: its fields are set and owned by the manager, fields that it applied before and no longer
 * mentions are removed unless someone else owns them. `live` undefined creates. Neither argument changes.
 * Throws `conflict` (HTTP 409) with the conflicts in `details.causes` unless `force`, `invalid` when the configuration
 * does not fit the schema.
 */
export function applyConfiguration(
  live: KubeObject | undefined,
  config: KubeObject,
  how: FieldManagement,
  force: boolean,
): Applied {
  if (config.metadata.managedFields?.length) {
    throw new GantryError("invalid", "metadata.managedFields must be nil", { reason: "BadRequest" });
  }
  const shape = shapeOf(how.schema);
  const wanted = checkConfiguration(config, how);
  const base = withoutManagedFields(live ?? emptyObject(how));
  const managers = readManagers(live?.metadata.managedFields ?? [], true);
  if (live && managers.size === 0) recordUpdate(managers, emptyObject(how), live, how, BEFORE_FIRST_APPLY);
  const self: Manager = {
    name: how.manager,
    operation: "Apply",
    apiVersion: how.apiVersion,
    subresource: how.subresource ?? "",
    time: kubeTime(how.now),
    set: withoutResetFields(fieldsOf(wanted, shape), how),
  };
  const key = managerKey(self);
  const last = managers.get(key);
  managers.set(key, self);
  const merged = mergeValues(base, wanted, shape);
  const object = prune(merged, managers, last, shape) as Record<string, unknown>;
  settle(managers, compareValues(base, object, shape), how, key, force);
  const owned = cutSets(self.set, SYSTEM_FIELDS);
  managers.set(key, { ...self, set: owned });
  // The live object is in encoded form; the merged one may still have empty values that encoding drops.
  const unchanged = live !== undefined && sameTree(decodeStruct(how.schema, object), base);
  // The time of an entry is that of its last change.
  if (unchanged && last && sameSets(last.set, owned)) managers.set(key, last);
  const managedFields = encodeManagers(managers);
  const same = unchanged && sameTree(managedFields, live.metadata.managedFields ?? []);
  const metadata = { ...(object["metadata"] as object | undefined), managedFields };
  return { object: { ...object, metadata } as KubeObject, changed: !same };
}

/** Removes what the manager applied last time, does not apply now, and nobody else owns. */
function prune(merged: unknown, managers: Managers, last: Manager | undefined, shape: Shape): unknown {
  if (!last || isEmptySet(last.set)) return merged;
  const named = (set: FieldSet): FieldSet => withNamedFields(set, shape);
  const lastSet = named(last.set);
  const mergedSet = named(fieldsOf(merged, shape));
  let pruned = withoutFields(merged, lastSet, shape);
  let owned: FieldSet = EMPTY_SET;
  for (const manager of managers.values()) owned = unionSets(owned, manager.set);
  const kept = unionSets(named(fieldsOf(pruned, shape)), named(owned));
  pruned = withoutFields(merged, subtractSets(mergedSet, kept), shape);
  const lost = intersectSets(subtractSets(mergedSet, named(fieldsOf(pruned, shape))), lastSet);
  return withoutFields(merged, lost, shape) ?? {};
}

function withoutResetFields(set: FieldSet, { resetFields = [] }: FieldManagement): FieldSet {
  return resetFields.length === 0 ? set : cutSets(set, setOfFields(...resetFields));
}

function stripped(set: FieldSet, how: FieldManagement): FieldSet {
  return cutSets(withoutResetFields(set, how), SYSTEM_FIELDS);
}

function withoutManagedFields(object: unknown): Record<string, unknown> {
  const { metadata, ...rest } = object as KubeObject & Record<string, unknown>;
  const { managedFields: _, ...meta } = metadata ?? {};
  return { ...rest, metadata: meta };
}

function emptyObject(how: FieldManagement): KubeObject {
  return zeroValue(how.schema) as KubeObject;
}
