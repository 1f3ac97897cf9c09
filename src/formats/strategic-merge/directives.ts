import { isJsonObject, setOwn } from "../tree.ts";

/** A patch value that meets nothing to merge with: its directives and its nulls mean nothing and go. */
export function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => !isDeletion(item)).map(withoutDirectives);
  if (!isJsonObject(value)) return value;
  if (isDeletion(value)) return {};
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const inner = value[key];
    if (inner !== null && !isDirective(key)) setOwn(out, key, withoutDirectives(inner));
  }
  return out;
}

function isDeletion(item: unknown): boolean {
  return (
    isJsonObject(item) &&
    (item["$patch"] === "delete" || (item["$patch"] === "replace" && Object.keys(item).length === 1))
  );
}

function isDirective(key: string): boolean {
  return (
    key === "$patch" ||
    key === "$retainKeys" ||
    key.startsWith("$deleteFromPrimitiveList/") ||
    key.startsWith("$setElementOrder/")
  );
}
