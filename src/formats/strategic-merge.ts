// Strategic merge patch (k8s.io/apimachinery/pkg/util/strategicpatch): a merge patch that knows which lists are keyed.
import { GantryError } from "#base/errors.ts";
import type { FieldSchema, Schema, StructSchema } from "./kube-schema.ts";
import { copyTree, getOwn, isJsonObject, setOwn } from "./tree.ts";
import { mergeLists, orderMerged } from "./strategic-merge/lists.ts";
import { withoutDirectives } from "./strategic-merge/directives.ts";

type Tree = Record<string, unknown>;

const PATCH = "$patch";
const RETAIN_KEYS = "$retainKeys";
const DELETE_FROM_LIST = "$deleteFromPrimitiveList/";
const SET_ORDER = "$setElementOrder/";

/**
 * The document with a strategic merge patch applied; neither argument changes. `schema` is the document's kind.
 * Directives: `$patch` (replace, delete; in lists of objects too), `$retainKeys`, `$deleteFromPrimitiveList/field`,
 * `$setElementOrder/field`. Throws `invalid` (an HTTP 422) with upstream's text.
 */
export function applyStrategicMergePatch(document: unknown, patch: unknown, schema: StructSchema): Tree {
  if (!isJsonObject(patch)) throw new GantryError("invalid", "invalid JSON document", { reason: "BadRequest" });
  return mergeObject(isJsonObject(document) ? copyTree(document) : {}, copyTree(patch), schema);
}

/** Merges `patch` into `original` (both are consumed). */
export function mergeObject(original: Tree, patch: Tree, schema: Schema): Tree {
  if (Object.hasOwn(patch, PATCH)) return replaceOrDelete(patch);
  retainKeys(original, patch);
  applyOrders(original, patch, schema);
  for (const key of Object.keys(patch)) {
    const deletion = key.startsWith(DELETE_FROM_LIST);
    mergeField(original, deletion ? key.slice(DELETE_FROM_LIST.length) : key, patch[key], schema, deletion);
  }
  return original;
}

function replaceOrDelete(patch: Tree): Tree {
  const directive = patch[PATCH];
  delete patch[PATCH];
  if (directive === "replace") return patch;
  if (directive === "delete") return {};
  throw new GantryError("invalid", `unknown patch type: ${String(directive)} in map: ${JSON.stringify(patch)}`);
}

/** `$retainKeys` lists the only keys that may stay (a union's members, mostly). */
function retainKeys(original: Tree, patch: Tree): void {
  const keep = getOwn(patch, RETAIN_KEYS);
  if (keep === undefined) return;
  delete patch[RETAIN_KEYS];
  const bad = (): GantryError =>
    new GantryError("invalid", "invalid patch format of retainKeys", { reason: "BadRequest" });
  if (!Array.isArray(keep)) throw bad();
  const kept = new Set<unknown>(keep);
  for (const key of Object.keys(patch)) {
    const plain = key.startsWith("$") ? key.slice(key.indexOf("/") + 1) : key;
    if (patch[key] !== null && !kept.has(plain)) throw bad();
  }
  for (const key of Object.keys(original)) if (!kept.has(key)) delete original[key];
}

/** Lists with a `$setElementOrder` are merged and ordered first, and taken out of the patch. */
function applyOrders(original: Tree, patch: Tree, schema: Schema): void {
  for (const directive of Object.keys(patch)) {
    if (!directive.startsWith(SET_ORDER)) continue;
    const order = patch[directive];
    delete patch[directive];
    const key = directive.slice(SET_ORDER.length);
    if (!Array.isArray(order)) {
      throw new GantryError("invalid", "invalid patch format of setElementOrder list", { reason: "BadRequest" });
    }
    const before = getOwn(original, key);
    const change = getOwn(patch, key);
    if (!Array.isArray(before) && !Array.isArray(change)) continue;
    const field = fieldOf(schema, key);
    const existing: unknown[] = Array.isArray(before) ? before : [];
    const merged = Array.isArray(change) ? mergeLists(existing, change, field, mergeObject, false) : existing;
    setOwn(original, key, orderMerged(merged, order, existing, field.mergeKey));
    delete patch[key];
  }
}

function mergeField(original: Tree, key: string, change: unknown, schema: Schema, deletion: boolean): void {
  if (change === null) {
    delete original[key];
    return;
  }
  if (!Object.hasOwn(original, key)) {
    if (!deletion) setOwn(original, key, withoutDirectives(change));
    return;
  }
  const before = original[key];
  if (isJsonObject(before) && isJsonObject(change)) setOwn(original, key, mergeStruct(before, change, schema, key));
  else if (Array.isArray(before) && Array.isArray(change)) {
    const field = fieldOf(schema, key);
    setOwn(original, key, mergesList(field) ? mergeLists(before, change, field, mergeObject, deletion) : change);
  } else if (!deletion) setOwn(original, key, withoutDirectives(change));
}

function mergeStruct(before: Tree, change: Tree, schema: Schema, key: string): Tree {
  const field = fieldOf(schema, key);
  return field.patchStrategy?.includes("replace") ? change : mergeObject(before, change, field.type);
}

function mergesList(field: FieldSchema): boolean {
  return field.patchStrategy?.includes("merge") ?? false;
}

/** What is known of a field; fields of free-form values have no strategy. */
function fieldOf(schema: Schema, key: string): FieldSchema {
  const plain = { name: key, required: false, pointer: false, alwaysEncoded: false };
  if (schema.kind === "map") return { ...plain, type: schema.values };
  if (schema.kind !== "struct") return { ...plain, type: { kind: "any", goName: "interface {}" } };
  const field = schema.fields.get(key);
  if (field) return field;
  const name = schema.goName.slice(schema.goName.indexOf(".") + 1);
  throw new GantryError(
    "invalid",
    `unable to find api field in struct ${name} for the json field ${JSON.stringify(key)}`,
  );
}
