// The fields of a new object as a FieldsV1 document, in one walk: creations are too frequent to compare trees and to build
// sets. Says the same as compareValues, cutSets and encodeFieldsV1 one after the other.
import { getOwn, isJsonObject, sameTree } from "../tree.ts";
import type { FieldSet } from "./field-set.ts";
import type { ListShape, MapShape, Shape } from "./shape.ts";
import { clash, indexItems, isHollow, LEAF, type Place } from "./walk.ts";

type FieldsDocument = Record<string, unknown>;

/** What `after` has beyond `before`, apart from the fields of `except`; undefined when that is nothing. */
export function addedFields(
  before: unknown,
  after: unknown,
  shape: Shape,
  except: FieldSet | undefined,
  place?: Place,
): FieldsDocument | undefined {
  if (after === undefined || before === after || except?.member) return undefined;
  if (before === undefined) return wholeFields(after, shape, except, place);
  if (shape.kind === "leaf" || (isHollow(before) && isHollow(after)) || clash(before, after, shape))
    return sameTree(before, after) ? undefined : {};
  const out =
    shape.kind === "map"
      ? addedKeys(before ?? {}, after ?? {}, shape, except, place, {})
      : addedItems(before ?? [], after ?? [], shape, place, {});
  return Object.keys(out).length > 0 ? out : undefined;
}

/** A value that is new as a whole: every place in it is a member, which a dot says where there is more below it. */
function wholeFields(
  value: unknown,
  shape: Shape,
  except: FieldSet | undefined,
  place: Place | undefined,
): FieldsDocument {
  if (isHollow(value)) return {};
  if (shape.kind === "map" && isJsonObject(value))
    return dotted(addedKeys({}, value, shape, except, place, { ".": {} }));
  if (shape.kind === "list" && Array.isArray(value)) return dotted(wholeItems(value, shape, place));
  return {};
}

/** Alone, the dot goes without saying. */
function dotted(out: FieldsDocument): FieldsDocument {
  for (const key in out) if (key !== ".") return out;
  return {};
}

function addedKeys(
  before: unknown,
  after: unknown,
  shape: MapShape,
  except: FieldSet | undefined,
  above: Place | undefined,
  out: FieldsDocument,
): FieldsDocument {
  const left = before as Record<string, unknown>;
  const right = after as Record<string, unknown>;
  for (const key of Object.keys(right).sort()) {
    const element = `f:${key}`;
    const below = except?.children.get(element);
    const fields = addedFields(getOwn(left, key), right[key], shape.child(key) ?? LEAF, below, { above, element });
    if (fields) out[element] = fields;
  }
  return out;
}

function wholeItems(value: unknown, shape: ListShape, above: Place | undefined): FieldsDocument {
  const out: FieldsDocument = { ".": {} };
  const items = indexItems(value, shape, above);
  for (const element of [...items.keys()].sort()) {
    const documents = (items.get(element) ?? []).map((item) =>
      wholeFields(item, shape.items, undefined, { above, element }),
    );
    out[element] = documents.reduce(joined);
  }
  return out;
}

/** What items that share a key have, together. */
function joined(one: FieldsDocument, other: FieldsDocument): FieldsDocument {
  const members = [one, other].map((fields) => (Object.keys(fields).length > 0 ? fields : { ".": {} }));
  const out: FieldsDocument = {};
  for (const key of [...new Set(members.flatMap(Object.keys))].sort()) {
    const [mine, theirs] = members.map((fields) => fields[key] as FieldsDocument | undefined);
    out[key] = key !== "." && mine && theirs ? joined(mine, theirs) : (mine ?? theirs);
  }
  return dotted(out);
}

function addedItems(
  before: unknown,
  after: unknown,
  shape: ListShape,
  above: Place | undefined,
  out: FieldsDocument,
): FieldsDocument {
  const left = indexItems(before, shape, above);
  const right = indexItems(after, shape, above);
  for (const element of [...right.keys()].sort()) {
    const mine = left.get(element);
    const theirs = right.get(element) ?? [];
    // Items that share a key are compared together, as one leaf.
    const single = (mine?.length ?? 1) === 1 && theirs.length === 1;
    const fields = single
      ? addedFields(mine?.[0], theirs[0], shape.items, undefined, { above, element })
      : addedFields(mine, theirs, LEAF, undefined);
    if (fields) out[element] = fields;
  }
  return out;
}
