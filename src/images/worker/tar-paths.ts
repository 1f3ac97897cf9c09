import { GantryError } from "#base/errors.ts";

/**
 * The components of an archive's path below its root: `/a/./b/../c` is a, c. Nothing on disk is looked at.
 * Undefined when the path leaves the root, which no symbolic link can bring about later: those are resolved by the kernel
 * with the layer's directory as their root.
 */
export function components(path: string): string[] | undefined {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined && !path.startsWith("/")) return undefined;
  }
  return parts;
}

/** The components of an entry's own path. Throws `invalid` in Docker's words when it leaves the root. */
export function entryComponents(path: string): string[] {
  const parts = components(path);
  if (!parts) throw new GantryError("invalid", `${JSON.stringify(path)} is outside of "/"`);
  return parts;
}

/** The components of a hard link's target. Throws `invalid` in Docker's words when it leaves the root. */
export function linkComponents(path: string, target: string): string[] {
  const parts = components(target);
  if (!parts || parts.length === 0) {
    throw new GantryError("invalid", `invalid hardlink ${JSON.stringify(path)} -> ${JSON.stringify(target)}`);
  }
  return parts;
}
