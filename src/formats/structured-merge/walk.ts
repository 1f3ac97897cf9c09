// The walks of server-side apply over a value and its shape (sigs.k8s.io/structured-merge-diff, package typed).
import { GantryError } from "#base/errors.ts";
import { copyTree, getOwn, isJsonObject, sameTree, setOwn } from "../tree.ts";
import { childSet, formatPath, newFieldSet, type FieldSet, type MutableFieldSet } from "./field-set.ts";
import { elementAt, type ListShape, type MapShape, type Shape } from "./shape.ts";

/** The fields that a value sets. */
export function fieldsOf(value: unknown, shape: Shape): FieldSet {
  const set = newFieldSet();
  collect(value, shape, set, undefined);
  return set;
}

/** Where a walk is: an element and what it lies in; undefined at the root. */
export interface Place {
  readonly above: Place | undefined;
  readonly element: string;
}

function pathOf(place: Place | undefined): string[] {
  const path: string[] = [];
  for (let at = place; at; at = at.above) path.push(at.element);
  return path.reverse();
}

export function elementOf(shape: ListShape, item: unknown, place: Place | undefined): string {
  return elementAt(shape, item, () => pathOf(place));
}

function collect(value: unknown, shape: Shape, set: MutableFieldSet, place: Place | undefined): void {
  if (shape.kind === "leaf") {
    set.member = true;
  } else if (shape.kind === "map") {
    if (!isJsonObject(value)) return;
    for (const key of Object.keys(value)) {
      const child = value[key];
      const element = `f:${key}`;
      const below = childSet(set, element);
      collect(child, shape.child(key) ?? LEAF, below, { above: place, element });
      const empty = child === null || (isJsonObject(child) && Object.keys(child).length === 0);
      if (empty || !shape.isField(key)) below.member = true;
    }
  } else if (Array.isArray(value)) {
    for (const item of value as unknown[]) {
      const element = elementOf(shape, item, place);
      const below = childSet(set, element);
      collect(item, shape.items, below, { above: place, element });
      below.member = true;
    }
  }
}

export const LEAF: Shape = { kind: "leaf", schema: undefined };

export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

interface Differences {
  readonly added: MutableFieldSet;
  readonly modified: MutableFieldSet;
  readonly removed: MutableFieldSet;
}

/** What changed between two values. */
export function compareValues(before: unknown, after: unknown, shape: Shape): Comparison {
  const out: Differences = { added: newFieldSet(), modified: newFieldSet(), removed: newFieldSet() };
  compare(before, after, shape, undefined, out);
  return out;
}

/** The place in a set; made when it is missing. */
function placeIn(set: MutableFieldSet, place: Place | undefined): MutableFieldSet {
  return place ? childSet(placeIn(set, place.above), place.element) : set;
}

function compare(before: unknown, after: unknown, shape: Shape, place: Place | undefined, out: Differences): void {
  if (before === after) return;
  if (before === undefined) wholeOf(after, shape, placeIn(out.added, place), place);
  else if (after === undefined) wholeOf(before, shape, placeIn(out.removed, place), place);
  else if (shape.kind === "leaf" || (isHollow(before) && isHollow(after)) || clash(before, after, shape)) {
    if (!sameTree(before, after)) placeIn(out.modified, place).member = true;
  } else if (shape.kind === "map") compareMaps(before, after, shape, place, out);
  else compareLists(before, after, shape, place, out);
}

/** A subtree that came or went as a whole: every place in it is a member. */
function wholeOf(value: unknown, shape: Shape, set: MutableFieldSet, place: Place | undefined): void {
  set.member = true;
  if (shape.kind === "leaf") return;
  if (shape.kind === "map" && isJsonObject(value)) {
    for (const key of Object.keys(value))
      wholeOf(value[key], shape.child(key) ?? LEAF, childSet(set, `f:${key}`), place);
  } else if (shape.kind === "list" && Array.isArray(value)) {
    for (const item of value as unknown[])
      wholeOf(item, shape.items, childSet(set, elementOf(shape, item, place)), place);
  }
}

export function isHollow(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isJsonObject(value) && Object.keys(value).length === 0;
}

/** A value that does not have its schema's form is compared as a whole. */
export function clash(before: unknown, after: unknown, shape: Shape): boolean {
  const fits = (value: unknown): boolean =>
    value === undefined || value === null || (shape.kind === "list" ? Array.isArray(value) : isJsonObject(value));
  return !fits(before) || !fits(after);
}

function compareMaps(
  before: unknown,
  after: unknown,
  shape: MapShape,
  place: Place | undefined,
  out: Differences,
): void {
  const left = isJsonObject(before) ? before : {};
  const right = isJsonObject(after) ? after : {};
  const both = (key: string): void => {
    const mine = getOwn(left, key);
    const theirs = getOwn(right, key);
    if (mine !== theirs) compare(mine, theirs, shape.child(key) ?? LEAF, { above: place, element: `f:${key}` }, out);
  };
  for (const key of Object.keys(left)) both(key);
  for (const key of Object.keys(right)) if (!Object.hasOwn(left, key)) both(key);
}

function compareLists(
  before: unknown,
  after: unknown,
  shape: ListShape,
  place: Place | undefined,
  out: Differences,
): void {
  const left = indexItems(before, shape, place);
  const right = indexItems(after, shape, place);
  for (const element of new Set([...left.keys(), ...right.keys()])) {
    const mine = left.get(element);
    const theirs = right.get(element);
    // Items that share a key are compared together, as one leaf.
    const single = (mine?.length ?? 1) === 1 && (theirs?.length ?? 1) === 1;
    const below: Place = { above: place, element };
    if (single) compare(mine?.[0], theirs?.[0], shape.items, below, out);
    else compare(mine, theirs, LEAF, below, out);
  }
}

/** A list's items by their path element; several where they share a key. */
export function indexItems(list: unknown, shape: ListShape, place: Place | undefined): Map<string, unknown[]> {
  const index = new Map<string, unknown[]>();
  for (const item of Array.isArray(list) ? (list as unknown[]) : []) {
    const element = elementOf(shape, item, place);
    const same = index.get(element);
    if (same) same.push(item);
    else index.set(element, [item]);
  }
  return index;
}

/** `live` with `config` laid over it. Throws `invalid` when the configuration does not fit its schema. */
export function mergeValues(live: unknown, config: unknown, shape: Shape, path: readonly string[] = []): unknown {
  if (config === undefined) return copyTree(live);
  if (shape.kind === "leaf" || config === null || clash(live, config, shape)) return copyTree(config);
  if (shape.kind === "list") return mergeLists(Array.isArray(live) ? live : [], config as unknown[], shape, path);
  const base = isJsonObject(live) ? live : {};
  const laid = config as Record<string, unknown>;
  const out: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(base), ...Object.keys(laid)])) {
    setOwn(
      out,
      key,
      mergeValues(getOwn(base, key), getOwn(laid, key), shape.child(key) ?? LEAF, [...path, `f:${key}`]),
    );
  }
  return out;
}

/** Live items keep their order where the configuration does not say otherwise (typed/merge.go, visitListItems). */
function mergeLists(
  live: readonly unknown[],
  config: readonly unknown[],
  shape: ListShape,
  path: readonly string[],
): unknown[] {
  const left = live.map((item) => elementAt(shape, item, () => path));
  const right = config.map((item) => elementAt(shape, item, () => path));
  const wanted = new Map(right.map((element, index) => [element, config[index]]));
  if (wanted.size < right.length) {
    const twice = right.find((element, index) => right.indexOf(element) !== index) ?? "";
    throw new GantryError("invalid", `${formatPath(path)}: duplicate entries for key ${formatPath([twice])}`);
  }
  const existing = new Map(left.map((element, index) => [element, live[index]]));
  const shared = right.filter((element) => existing.has(element));
  const merged = new Set<string>();
  const out: unknown[] = [];
  let nextShared = 0;
  const takeConfig = (element: string): void => {
    merged.add(element);
    out.push(mergeValues(existing.get(element), wanted.get(element), shape.items, [...path, element]));
    if (shared[nextShared] === element) nextShared++;
  };
  let l = 0;
  let r = 0;
  while (l < left.length || r < right.length) {
    const mine = left[l];
    const theirs = right[r];
    if (mine !== undefined && mine === theirs) {
      takeConfig(mine);
      l++;
      r++;
    } else if (mine !== undefined && !wanted.has(mine)) {
      out.push(copyTree(live[l]));
      l++;
    } else if (mine !== undefined && (merged.has(mine) || (theirs !== undefined && shared[nextShared] !== mine))) {
      l++;
    } else if (theirs !== undefined) {
      takeConfig(theirs);
      r++;
    } else l++;
  }
  return out;
}

/** The value without the fields of `gone`; undefined when nothing is left of it. */
export function withoutFields(value: unknown, gone: FieldSet, shape: Shape): unknown {
  if (shape.kind === "leaf") return shape.schema?.kind === "scalar" ? value : undefined;
  if (shape.kind === "list") {
    if (!Array.isArray(value) || value.length === 0) return undefined;
    const items = (value as unknown[]).flatMap((item) => {
      const below = gone.children.get(shape.element(item));
      if (!below) return [item];
      const kept = below.member ? undefined : withoutFields(item, below, shape.items);
      return kept === undefined ? [] : [kept];
    });
    return items.length > 0 ? items : undefined;
  }
  if (!isJsonObject(value) || Object.keys(value).length === 0) return undefined;
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const below = gone.children.get(`f:${key}`);
    if (below?.member) continue;
    const kept = below ? withoutFields(value[key], below, shape.child(key) ?? LEAF) : value[key];
    if (kept !== undefined) setOwn(out, key, kept);
  }
  return Object.keys(out).length > 0 ? out : undefined;
}

/** The set with every struct field that has something below it as a member too. */
export function withNamedFields(set: FieldSet, shape: Shape | undefined): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [element, child] of set.children) {
    const key = element.slice(2);
    const named = element.startsWith("f:") && shape?.kind === "map";
    const below = named ? shape.child(key) : shape?.kind === "list" ? shape.items : undefined;
    const inner = withNamedFields(child, below);
    const joins = named && shape.isField(key) && child.children.size > 0;
    children.set(element, joins ? { member: true, children: inner.children } : inner);
  }
  return { member: set.member, children };
}
