import type { ManagedFieldsEntry } from "../kube-types.generated.ts";
import { decodeFieldsV1, encodeFieldsV1, isEmptySet, unionSets, type FieldSet } from "./field-set.ts";

/** One owner of fields. */
export interface Manager {
  readonly name: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
  /** RFC 3339 */
  readonly time: string | undefined;
  readonly set: FieldSet;
  /** The document that `set` was read from, as long as it is the same set. */
  readonly fieldsV1?: ManagedFieldsEntry["fieldsV1"];
}

/** By identity (managerKey). */
export type Managers = Map<string, Manager>;

/** More updaters than this are folded, the oldest first, into one (managedfields capmanagers.go). */
export const MAX_UPDATE_MANAGERS = 10;
const ANCIENT_CHANGES = "ancient-changes";

/** An applier is the same whatever version it applies; an updater is one for each version. */
export function managerKey({ name, operation, apiVersion, subresource }: Manager): string {
  return JSON.stringify([name, operation, subresource, operation === "Apply" ? "" : apiVersion]);
}

/** Reads an object's managedFields. Throws `invalid` for malformed ones. `stored`: they are in canonical form. */
export function readManagers(entries: readonly ManagedFieldsEntry[], stored: boolean): Managers {
  const managers: Managers = new Map();
  for (const entry of entries) {
    const manager: Manager = {
      name: entry.manager ?? "",
      operation: entry.operation === "Apply" ? "Apply" : "Update",
      apiVersion: entry.apiVersion ?? "",
      subresource: entry.subresource ?? "",
      time: entry.time,
      set: decodeFieldsV1(entry.fieldsV1 ?? {}),
      fieldsV1: stored ? entry.fieldsV1 : undefined,
    };
    managers.set(managerKey(manager), manager);
  }
  return managers;
}

/** The managedFields of an object, in their canonical order. */
export function encodeManagers(managers: Managers): ManagedFieldsEntry[] {
  return capped([...managers.values()].filter(({ set }) => !isEmptySet(set)))
    .sort(byAge)
    .map((manager) => managerEntry(manager, manager.fieldsV1 ?? encodeFieldsV1(manager.set)));
}

/** An owner's entry, with the document of its fields. */
export function managerEntry(
  { name, operation, apiVersion, subresource, time }: Manager,
  fieldsV1: NonNullable<ManagedFieldsEntry["fieldsV1"]>,
): ManagedFieldsEntry {
  return {
    manager: name,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: "FieldsV1",
    fieldsV1,
    ...(subresource === "" ? {} : { subresource }),
  };
}

function byAge(a: Manager, b: Manager): number {
  return (
    compareText(a.operation, b.operation) ||
    compareText(a.time ?? "", b.time ?? "") ||
    compareText(a.name, b.name) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function capped(managers: Manager[]): Manager[] {
  const updaters = managers.filter(({ operation }) => operation === "Update").sort(byAge);
  let excess = updaters.length - MAX_UPDATE_MANAGERS;
  if (excess <= 0) return managers;
  const ancient = new Map<string, Manager>();
  const folded = new Set<Manager>();
  for (const updater of updaters) {
    if (excess <= 0) break;
    const bucket = `${updater.apiVersion} ${updater.subresource}`;
    const previous = ancient.get(bucket);
    ancient.set(bucket, {
      ...updater,
      name: ANCIENT_CHANGES,
      fieldsV1: undefined,
      set: previous ? unionSets(previous.set, updater.set) : updater.set,
    });
    folded.add(updater);
    // The first of a bucket becomes the bucket; only the ones after it save an entry.
    if (previous) excess--;
  }
  return [...managers.filter((manager) => !folded.has(manager)), ...ancient.values()];
}
