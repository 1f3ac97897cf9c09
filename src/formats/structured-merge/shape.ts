import { GantryError } from "#base/errors.ts";
import type { FieldSchema, Schema } from "../kube-schema.ts";
import { getOwn, isJsonObject } from "../tree.ts";
import { formatPath, keyElement, valueElement } from "./field-set.ts";

/** How server-side apply sees a value: as one thing, as a map of things, or as a list whose items have identity. */
export type Shape = LeafShape | MapShape | ListShape;

export interface LeafShape {
  readonly kind: "leaf";
  readonly schema: Schema | undefined;
}

export interface MapShape {
  readonly kind: "map";
  /** The shape below a key; undefined when the schema does not know the key. */
  child(key: string): Shape | undefined;
  /** True for a struct's fields, false for a map's keys. */
  isField(key: string): boolean;
}

export interface ListShape {
  readonly kind: "list";
  readonly items: Shape;
  /** Path element of an item. Throws `invalid` for an item without its key. */
  element(item: unknown): string;
}

const LEAF: LeafShape = { kind: "leaf", schema: undefined };
const shapes = new WeakMap<Schema, Shape>();

/** The shape of a value of `schema`; `field` tells how the place it stands in treats it. */
export function shapeOf(schema: Schema, field?: FieldSchema): Shape {
  switch (schema.kind) {
    case "list":
      return listShape(schema.items, field);
    case "map":
      return field?.atomicMap ? { kind: "leaf", schema } : mapShape(schema.values);
    case "struct": {
      if (schema.atomic || field?.atomicStruct) return { kind: "leaf", schema };
      const known = shapes.get(schema);
      if (known) return known;
      const shape = structShape(schema.fields);
      shapes.set(schema, shape);
      return shape;
    }
    case "scalar":
      return { kind: "leaf", schema };
    default:
      return LEAF;
  }
}

function structShape(fields: ReadonlyMap<string, FieldSchema>): MapShape {
  const children = new Map<string, Shape>();
  return {
    kind: "map",
    isField: (key) => fields.has(key),
    child(key) {
      const known = children.get(key);
      if (known) return known;
      const field = fields.get(key);
      if (!field) return undefined;
      const shape = shapeOf(field.type, field);
      children.set(key, shape);
      return shape;
    },
  };
}

function mapShape(values: Schema): MapShape {
  const child = shapeOf(values);
  return { kind: "map", isField: () => false, child: () => child };
}

/** Lists are atomic unless the API says otherwise; older types say it only by patch strategy and merge key. */
function listShape(items: Schema, field: FieldSchema | undefined): Shape {
  const merges = field?.patchStrategy?.includes("merge") ?? false;
  const listType = field?.listType ?? (merges ? (field?.mergeKey ? "map" : "set") : "atomic");
  if (listType === "atomic") return { kind: "leaf", schema: { kind: "list", items, goName: `[]${items.goName}` } };
  if (listType === "set") return { kind: "list", items: LEAF, element: valueElement };
  const keys = field?.listMapKeys ?? (field?.mergeKey ? [field.mergeKey] : []);
  return { kind: "list", items: shapeOf(items), element: (item) => keyOf(item, keys, items) };
}

function keyOf(item: unknown, keys: readonly string[], items: Schema): string {
  if (!isJsonObject(item)) throw new GantryError("invalid", "associative list with keys may not have non-map elements");
  const key: Record<string, unknown> = {};
  for (const name of keys) {
    const value = getOwn(item, name) ?? (items.kind === "struct" ? items.fields.get(name)?.default : undefined);
    if (value !== undefined && value !== null) key[name] = value;
  }
  if (Object.keys(key).length === 0) {
    const names = `[${keys.map((name) => JSON.stringify(name)).join(" ")}]`;
    const message = `associative list with keys has an element that omits all key fields ${names}`;
    throw new GantryError("invalid", `${message} (and doesn't have default values for any key fields)`);
  }
  return keyElement(key);
}

/** An item's path element with what failed named by its place. */
export function elementAt(shape: ListShape, item: unknown, path: () => readonly string[]): string {
  try {
    return shape.element(item);
  } catch (error) {
    if (error instanceof GantryError)
      throw new GantryError("invalid", `${formatPath(path())}: element 0: ${error.message}`);
    throw error;
  }
}
