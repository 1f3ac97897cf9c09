import { GantryError } from "#base/errors.ts";
import { getOwn, isJsonObject, sameTree } from "../tree.ts";
import type { FilterOperator, Operand, Step, TemplateNode } from "./parse.ts";

export interface EvaluateOptions {
  readonly allowMissing: boolean;
}

/** What one piece of a template gave: literal text, or the values of an expression. */
export interface Piece {
  readonly literal?: string;
  readonly values: readonly unknown[];
}

/** `..` visits at most this many values; a cyclic path cannot grow beyond it. */
const MAX_VALUES = 1_000_000;

export function evaluate(
  nodes: readonly TemplateNode[],
  root: unknown,
  options: EvaluateOptions,
  current: unknown = root,
): Piece[] {
  const pieces: Piece[] = [];
  for (const node of nodes) {
    if (node.kind === "text") pieces.push({ literal: node.text, values: [] });
    else if (node.kind === "path") pieces.push({ values: walk(node.steps, root, current, options) });
    else
      for (const item of walk(node.steps, root, current, options))
        pieces.push(...evaluate(node.body, root, options, item));
  }
  return pieces;
}

function walk(steps: readonly Step[], root: unknown, current: unknown, options: EvaluateOptions): unknown[] {
  let values: unknown[] = [current];
  for (const step of steps) {
    values = step.kind === "root" ? [root] : values.flatMap((value) => take(step, value, root, options));
    if (values.length > MAX_VALUES)
      throw new GantryError("too-large", "the JSONPath expression selects too many values");
  }
  return values;
}

function take(step: Step, value: unknown, root: unknown, options: EvaluateOptions): unknown[] {
  switch (step.kind) {
    case "root":
      return [root];
    case "field":
      return field(value, step.name, options);
    case "wildcard":
      return childrenOf(value);
    case "recursive":
      return descendants(value);
    case "slice":
      return slice(value, step, options);
    case "union":
      return step.steps.flatMap((part) => take(part, value, root, options));
    case "filter":
      return Array.isArray(value)
        ? value.filter((item: unknown) => passes(item, step.left, step.operator, step.right, root))
        : [];
  }
}

function field(value: unknown, name: string, { allowMissing }: EvaluateOptions): unknown[] {
  if (isJsonObject(value) && Object.hasOwn(value, name)) return [getOwn(value, name)];
  // A field of a list is that field of each item: `.items.metadata` finds nothing, but `..name` must pass lists by.
  if (allowMissing || Array.isArray(value)) return [];
  throw new GantryError("not-found", `${name} is not found`);
}

function childrenOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isJsonObject(value) ? Object.keys(value).map((key) => value[key]) : [];
}

function descendants(value: unknown): unknown[] {
  const found: unknown[] = [];
  const visit = (item: unknown): void => {
    if (typeof item !== "object" || item === null) return;
    found.push(item);
    if (found.length > MAX_VALUES)
      throw new GantryError("too-large", "the JSONPath expression selects too many values");
    for (const child of childrenOf(item)) visit(child);
  };
  visit(value);
  return found;
}

function slice(value: unknown, step: Step & { kind: "slice" }, { allowMissing }: EvaluateOptions): unknown[] {
  if (!Array.isArray(value)) return [];
  const size = value.length;
  const place = (index: number): number => (index < 0 ? index + size : index);
  const from = place(step.from ?? 0);
  if (step.single) {
    if (from >= 0 && from < size) return [value[from]];
    if (allowMissing) return [];
    throw new GantryError("not-found", `array index out of bounds: index ${step.from ?? 0}, length ${size}`);
  }
  const out: unknown[] = [];
  const to = Math.min(place(step.to ?? size), size);
  for (let index = Math.max(from, 0); index < to; index += step.step) out.push(value[index]);
  return out;
}

function passes(
  item: unknown,
  left: Operand,
  operator: FilterOperator,
  right: Operand | undefined,
  root: unknown,
): boolean {
  const a = operand(left, item, root);
  if (operator === "exists") return a.length > 0;
  const b = right ? operand(right, item, root) : [];
  if (a.length !== 1 || b.length !== 1) return false;
  return compare(a[0], operator, b[0]);
}

function operand(side: Operand, item: unknown, root: unknown): unknown[] {
  return "literal" in side ? [side.literal] : walk(side.path, root, item, { allowMissing: true });
}

function compare(a: unknown, operator: FilterOperator, b: unknown): boolean {
  if (operator === "==") return sameTree(a, b);
  if (operator === "!=") return !sameTree(a, b);
  const comparable =
    (typeof a === "number" && typeof b === "number") || (typeof a === "string" && typeof b === "string");
  if (!comparable) return false;
  switch (operator) {
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    default:
      return a >= b;
  }
}
