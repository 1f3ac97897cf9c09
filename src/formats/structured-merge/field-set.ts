import { GantryError } from "#base/errors.ts";
import { isJsonObject } from "../tree.ts";

/**
 * A set of field paths, as a tree. `member` says that the path to here is in the set itself. Keys are path elements in
 * their FieldsV1 spelling: `f:name`, `k:{"name":"web"}`, `v:"value"`, `i:3`.
 */
export interface FieldSet {
  readonly member: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
}

/** A set under construction. */
export interface MutableFieldSet extends FieldSet {
  member: boolean;
  readonly children: Map<string, MutableFieldSet>;
}

const NO_CHILDREN: ReadonlyMap<string, FieldSet> = new Map();
export const EMPTY_SET: FieldSet = { member: false, children: NO_CHILDREN };
export const WHOLE_SET: FieldSet = { member: true, children: NO_CHILDREN };
/** Deeper sets are refused. */
const MAX_DEPTH = 1000;

export function newFieldSet(): MutableFieldSet {
  return { member: false, children: new Map() };
}

/** The child to build on; made when it is missing. */
export function childSet(set: MutableFieldSet, element: string): MutableFieldSet {
  const known = set.children.get(element);
  if (known) return known;
  const made = newFieldSet();
  set.children.set(element, made);
  return made;
}

function hasNothing(set: FieldSet): boolean {
  return !set.member && set.children.size === 0;
}

export function isEmptySet(set: FieldSet): boolean {
  if (set.member) return false;
  for (const child of set.children.values()) if (!isEmptySet(child)) return false;
  return true;
}

function build(member: boolean, entries: Iterable<[string, FieldSet]>): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [element, child] of entries) if (child.member || child.children.size > 0) children.set(element, child);
  return { member, children };
}

export function unionSets(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b || hasNothing(b)) return a;
  if (hasNothing(a)) return b;
  const children = new Map(a.children);
  for (const [element, child] of b.children) {
    const mine = children.get(element);
    children.set(element, mine ? unionSets(mine, child) : child);
  }
  return { member: a.member || b.member, children };
}

export function intersectSets(a: FieldSet, b: FieldSet): FieldSet {
  if (hasNothing(a) || hasNothing(b)) return EMPTY_SET;
  const entries: [string, FieldSet][] = [];
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    if (other) entries.push([element, intersectSets(child, other)]);
  }
  return build(a.member && b.member, entries);
}

/** What is in `a` and not in `b`, path by path: the children of a path in `b` stay. */
export function subtractSets(a: FieldSet, b: FieldSet): FieldSet {
  if (hasNothing(b)) return a;
  const entries: [string, FieldSet][] = [];
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    entries.push([element, other ? subtractSets(child, other) : child]);
  }
  return build(a.member && !b.member, entries);
}

/** As subtractSets, but a path in `b` takes everything below it away too. */
export function cutSets(a: FieldSet, b: FieldSet): FieldSet {
  if (b.member) return EMPTY_SET;
  if (b.children.size === 0) return a;
  const entries: [string, FieldSet][] = [];
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    entries.push([element, other ? cutSets(child, other) : child]);
  }
  return build(a.member, entries);
}

export function sameSets(a: FieldSet, b: FieldSet): boolean {
  return isEmptySet(subtractSets(a, b)) && isEmptySet(subtractSets(b, a));
}

/** Every path in the set, in order. */
export function* setPaths(set: FieldSet, prefix: readonly string[] = []): Generator<readonly string[]> {
  if (set.member) yield prefix;
  for (const element of sortedElements(set)) {
    const child = set.children.get(element);
    if (child) yield* setPaths(child, [...prefix, element]);
  }
}

function sortedElements(set: FieldSet): string[] {
  return [...set.children.keys()].sort();
}

/** `.spec.containers[name="web"].image`, as conflicts are shown. */
export function formatPath(path: readonly string[]): string {
  return path.map(formatElement).join("");
}

function formatElement(element: string): string {
  const rest = element.slice(2);
  switch (element.charAt(0)) {
    case "f":
      return `.${rest}`;
    case "k": {
      const key = JSON.parse(rest) as Record<string, unknown>;
      return `[${Object.keys(key)
        .map((name) => `${name}=${JSON.stringify(key[name])}`)
        .join(",")}]`;
    }
    case "v":
      return `[=${rest}]`;
    default:
      return `[${rest}]`;
  }
}

/** A set of plain field names from dotted paths: `status`, `metadata.name`. */
export function setOfFields(...paths: readonly string[]): FieldSet {
  const set = newFieldSet();
  for (const path of paths) {
    let at = set;
    for (const name of path.split(".")) at = childSet(at, `f:${name}`);
    at.member = true;
  }
  return set;
}

/** The set as a FieldsV1 document. */
export function encodeFieldsV1(set: FieldSet): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  if (set.member && set.children.size > 0) out["."] = {};
  for (const element of sortedElements(set)) {
    const child = set.children.get(element);
    if (child && !isEmptySet(child)) out[element] = encodeFieldsV1(child);
  }
  return out;
}

/** Reads a FieldsV1 document. Throws `invalid` for elements that are no path elements. */
export function decodeFieldsV1(fields: unknown): FieldSet {
  const root = decodeNode(fields, 0);
  return { member: false, children: root.children };
}

function decodeNode(fields: unknown, depth: number): FieldSet {
  if (!isJsonObject(fields) || depth > MAX_DEPTH) throw new GantryError("invalid", "invalid managed fields");
  const keys = Object.keys(fields);
  const children = new Map<string, FieldSet>();
  for (const key of keys) {
    if (key === ".") continue;
    const child = decodeNode(fields[key], depth + 1);
    children.set(checkElement(key), child);
  }
  return { member: keys.length === 0 || Object.hasOwn(fields, "."), children };
}

/** Elements in canonical form that were read before: most objects of a kind have the same ones. At the brim all are forgotten. */
const canonical = new Set<string>();
const MAX_REMEMBERED = 4096;
const MAX_REMEMBERED_LENGTH = 256;

function remembered(element: string): string {
  if (element.length > MAX_REMEMBERED_LENGTH) return element;
  if (canonical.size >= MAX_REMEMBERED) canonical.clear();
  canonical.add(element);
  return element;
}

function checkElement(element: string): string {
  const rest = element.slice(2);
  const bad = (): GantryError =>
    new GantryError("invalid", `invalid path element ${JSON.stringify(element)} in managed fields`);
  switch (element.slice(0, 2)) {
    case "f:":
      return element;
    case "i:":
      if (!/^-?[0-9]+$/.test(rest)) throw bad();
      return element;
    case "k:":
    case "v:": {
      if (canonical.has(element)) return element;
      let value: unknown;
      try {
        value = JSON.parse(rest);
      } catch {
        throw bad();
      }
      if (element.startsWith("v:")) return remembered(valueElement(value));
      if (!isJsonObject(value)) throw bad();
      return remembered(keyElement(value));
    }
    default:
      throw bad();
  }
}

/** The path element of a keyed list's item. */
export function keyElement(key: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(key).sort();
  return `k:{${names.map((name) => `${JSON.stringify(name)}:${JSON.stringify(key[name])}`).join(",")}}`;
}

/** The path element of a set's value. */
export function valueElement(value: unknown): string {
  return `v:${JSON.stringify(value)}`;
}
