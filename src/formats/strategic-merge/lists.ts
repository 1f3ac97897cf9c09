import { GantryError } from "#base/errors.ts";
import type { FieldSchema, Schema } from "../kube-schema.ts";
import { getOwn, isJsonObject, sameTree } from "../tree.ts";
import { withoutDirectives } from "./directives.ts";

type Tree = Record<string, unknown>;
type MergeObject = (original: Tree, patch: Tree, schema: Schema) => Tree;

/** Merges a patch's list into the original one: by merge key for objects, as a set for scalars; patch items in their order. */
export function mergeLists(
  original: unknown[],
  patch: readonly unknown[],
  field: FieldSchema,
  mergeObject: MergeObject,
  deletion: boolean,
): unknown[] {
  if (original.length === 0 && patch.length === 0) return original;
  const objects = isJsonObject(original[0] ?? patch[0]);
  if ([...original, ...patch].some((item) => isJsonObject(item) !== objects || Array.isArray(item))) {
    throw new GantryError("invalid", "mergepatch: list element types are not identical");
  }
  if (deletion) {
    const gone = placesOf(patch, undefined);
    return original.filter((item) => !gone.has(identityOf(item, undefined)));
  }
  if (!objects) return orderMerged([...new Set([...original, ...patch])], patch, original, undefined);
  const { mergeKey } = field;
  if (mergeKey === undefined) {
    throw new GantryError("invalid", `cannot merge lists without merge key for type ${field.type.goName}`);
  }
  const items = field.type.kind === "list" ? field.type.items : field.type;
  const special = applyDirectives(original as Tree[], patch as readonly Tree[], mergeKey);
  const merged = mergeByKey([...special.original], special.patch, mergeKey, items, mergeObject);
  return orderMerged(merged, special.patch, special.original, mergeKey);
}

/** Carries out `$patch: delete` and `$patch: replace` items. */
function applyDirectives(
  original: Tree[],
  patch: readonly Tree[],
  mergeKey: string,
): { original: Tree[]; patch: Tree[] } {
  const plain: Tree[] = [];
  let replace = false;
  for (const item of patch) {
    const directive = getOwn(item, "$patch");
    if (directive === undefined) plain.push(item);
    else if (directive === "replace") replace = true;
    else if (directive === "delete") {
      const key = keyOf(item, mergeKey);
      original = original.filter((other) => !sameTree(getOwn(other, mergeKey), key));
    } else if (directive === "merge") {
      throw new GantryError("invalid", "merging lists cannot yet be specified in the patch");
    } else
      throw new GantryError(
        "invalid",
        `unknown patch type: ${typeof directive === "string" ? directive : JSON.stringify(directive)} in map: ${JSON.stringify(item)}`,
      );
  }
  return replace
    ? { original: plain.map((item) => withoutDirectives(item) as Tree), patch: [] }
    : { original, patch: plain };
}

function mergeByKey(
  original: Tree[],
  patch: readonly Tree[],
  mergeKey: string,
  items: Schema,
  mergeObject: MergeObject,
): Tree[] {
  const places = placesOf(original, mergeKey);
  for (const item of patch) {
    const identity = JSON.stringify(keyOf(item, mergeKey));
    const at = places.get(identity);
    const existing = at === undefined ? undefined : original[at];
    if (at !== undefined && existing) original[at] = mergeObject(existing, item, items);
    else places.set(identity, original.push(withoutDirectives(item) as Tree) - 1);
  }
  return original;
}

function keyOf(item: Tree, mergeKey: string): unknown {
  const key = getOwn(item, mergeKey);
  if (key !== undefined) return key;
  throw new GantryError("invalid", `map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
}

/**
 * Puts a merged list in order: items that `order` names come in its order, the others where the original had them, before
 * the first named one that stood behind them there (strategicpatch normalizeElementOrder).
 */
export function orderMerged(
  merged: readonly unknown[],
  order: readonly unknown[],
  original: readonly unknown[],
  mergeKey: string | undefined,
): unknown[] {
  const wanted = placesOf(order, mergeKey);
  const before = placesOf(original, mergeKey);
  const named: Placed[] = [];
  const others: Placed[] = [];
  for (const item of merged) {
    const identity = identityOf(item, mergeKey);
    const rank = wanted.get(identity);
    const was = before.get(identity) ?? -1;
    if (rank === undefined) others.push({ item, rank: was, was });
    else named.push({ item, rank, was });
  }
  // Items that the original did not have keep their place among the others: the sort is stable.
  const byRank = (a: Placed, b: Placed): number => (a.rank < 0 || b.rank < 0 ? 0 : a.rank - b.rank);
  return interleave(others.sort(byRank), named.sort(byRank));
}

interface Placed {
  readonly item: unknown;
  readonly rank: number;
  /** Index in the original list; -1 when it is new. */
  readonly was: number;
}

function interleave(others: readonly Placed[], named: readonly Placed[]): unknown[] {
  const out: unknown[] = [];
  let next = 0;
  for (const { item, was } of named) {
    for (let other = others[next]; other && other.was >= 0 && was >= 0 && other.was < was; other = others[++next]) {
      out.push(other.item);
    }
    out.push(item);
  }
  return [...out, ...others.slice(next).map(({ item }) => item)];
}

function placesOf(list: readonly unknown[], mergeKey: string | undefined): Map<string, number> {
  const places = new Map<string, number>();
  for (const [index, item] of list.entries()) {
    const identity = identityOf(item, mergeKey);
    if (!places.has(identity)) places.set(identity, index);
  }
  return places;
}

function identityOf(item: unknown, mergeKey: string | undefined): string {
  const identity = mergeKey !== undefined && isJsonObject(item) ? getOwn(item, mergeKey) : item;
  return JSON.stringify(identity) ?? "";
}
