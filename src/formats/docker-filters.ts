import { GantryError } from "#base/errors.ts";

/** Docker's list filters: field → the values asked for. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/** The longest value that is read as a regular expression. */
const PATTERN_LIMIT = 256;

/**
 * Reads the `filters` parameter: `{"label":["a=b"]}` or the old form `{"label":{"a=b":true}}`. Throws `invalid` for bad JSON and,
 * in Docker's words, for a field that is not among `accepted` (absent: any field).
 */
export function parseFilters(parameter: string, accepted?: readonly string[]): Filters {
  const filters = new Map<string, readonly string[]>();
  if (parameter === "") return filters;
  for (const [field, values] of Object.entries(parseObject(parameter))) {
    if (accepted && !accepted.includes(field)) throw new GantryError("invalid", `invalid filter '${field}'`, { field });
    filters.set(field, valuesOf(values));
  }
  return filters;
}

function parseObject(parameter: string): object {
  try {
    const value = JSON.parse(parameter) as unknown;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    throw new GantryError("invalid", "invalid filter", {}, error);
  }
  throw new GantryError("invalid", "invalid filter");
}

function valuesOf(values: unknown): readonly string[] {
  if (Array.isArray(values)) return values.map(String);
  if (typeof values === "object" && values !== null)
    return Object.entries(values).flatMap(([key, on]) => (on === true ? [key] : []));
  throw new GantryError("invalid", "invalid filter");
}

/** True when the field was not asked for, or one of its values is `source`. */
export function matchesExactly(filters: Filters, field: string, source: string): boolean {
  const values = filters.get(field);
  return values === undefined || values.length === 0 || values.includes(source);
}

/**
 * Like matchesExactly, with each value as a regular expression that may match anywhere (names, ids). Throws `invalid` for one that could
 * take long: Node's engine backtracks, Go's does not.
 */
export function matchesPattern(filters: Filters, field: string, source: string): boolean {
  if (matchesExactly(filters, field, source)) return true;
  return (filters.get(field) ?? []).some((value) => patternOf(value)?.test(source) ?? false);
}

/** Quantifiers that a pattern may have: each multiplies the time that a match may take by the length of the name. */
const QUANTIFIER_LIMIT = 3;

function patternOf(value: string): RegExp | undefined {
  if (
    value.length > PATTERN_LIMIT ||
    /[)][*+{?]/.test(value) ||
    (value.match(/[*+{]/g)?.length ?? 0) > QUANTIFIER_LIMIT
  ) {
    throw new GantryError("invalid", `filter pattern is too complex: ${value.slice(0, 80)}`);
  }
  try {
    return new RegExp(value);
  } catch {
    return undefined; // Docker skips a value that is no regular expression
  }
}

/** Every `key` and `key=value` that was asked for is there. */
export function matchesLabels(filters: Filters, field: string, labels: Readonly<Record<string, string>>): boolean {
  return (filters.get(field) ?? []).every((wanted) => hasLabel(labels, wanted));
}

/** The prune form: `label` all there, `label!` not all there. */
export function matchesPruneLabels(filters: Filters, labels: Readonly<Record<string, string>>): boolean {
  const unwanted = filters.get("label!") ?? [];
  if (unwanted.length > 0 && unwanted.every((each) => hasLabel(labels, each))) return false;
  return matchesLabels(filters, "label", labels);
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const at = wanted.indexOf("=");
  const key = at < 0 ? wanted : wanted.slice(0, at);
  if (!Object.hasOwn(labels, key)) return false;
  return at < 0 || labels[key] === wanted.slice(at + 1);
}

/** A filter that is true or false; `fallback` when it was not asked for. Throws `invalid` in Docker's words. */
export function booleanFilter(filters: Filters, field: string, fallback: boolean): boolean {
  const values = filters.get(field) ?? [];
  if (values.length === 0) return fallback;
  const found = new Set(
    values.map((value) =>
      value === "1" || value === "true" ? true : value === "0" || value === "false" ? false : undefined,
    ),
  );
  const [only] = found;
  if (found.size === 1 && only !== undefined) return only;
  throw new GantryError("invalid", `invalid filter '${field}=[${values.join(" ")}]'`, { field });
}
