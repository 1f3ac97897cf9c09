// JSON Merge Patch (RFC 7396).
import { copyTree, getOwn, isJsonObject, sameTree, setOwn } from "./tree.ts";

/** The document with the patch merged in: null removes a key, objects merge, everything else replaces. Neither argument changes. */
export function applyMergePatch(document: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return copyTree(patch);
  const out: Record<string, unknown> = {};
  const base = isJsonObject(document) ? document : {};
  for (const key of Object.keys(base)) if (!Object.hasOwn(patch, key)) setOwn(out, key, copyTree(base[key]));
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value !== null) setOwn(out, key, applyMergePatch(getOwn(base, key), value));
  }
  return out;
}

/** The smallest merge patch that turns `from` into `to`; undefined when they are equal. `to` may hold no null inside objects: a merge patch cannot say it. */
export function createMergePatch(from: unknown, to: unknown): unknown {
  if (sameTree(from, to)) return undefined;
  if (!isJsonObject(from) || !isJsonObject(to)) return copyTree(to);
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(from)) if (!Object.hasOwn(to, key)) setOwn(patch, key, null);
  for (const key of Object.keys(to)) {
    const change = createMergePatch(getOwn(from, key), to[key]);
    if (change !== undefined) setOwn(patch, key, change);
  }
  return patch;
}
