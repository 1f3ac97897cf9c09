import { GantryError } from "#base/errors.ts";
import { isSyscallError, lgetxattr } from "#linux/syscalls.ts";
import type { Change } from "../image-store.ts";
import type { JobContext, RequestOf, ResultOf } from "./jobs.ts";
import {
  isOpaque,
  isWhiteoutBig,
  join,
  layerChildren,
  mergedChildren,
  openLayers,
  rootFolder,
  sorted,
  withFolder,
  type Child,
  type Folder,
  type Layers,
} from "./merged-tree.ts";
import { handlePath } from "./root-tree.ts";

const UPPER = 0;

/** `docker diff`: compares what an upper directory has with what the layers below show, by the rules of moby's pkg/archive. */
export function changesJob(request: RequestOf<"changes">, context: JobContext): ResultOf<"changes"> {
  const layers = openLayers([request.upper, ...request.lowers]);
  try {
    return { changes: compareLayers(layers, request, context) };
  } finally {
    layers.close();
  }
}

/** Compares the first of the layers with the others. */
export function compareLayers(
  layers: Layers,
  { full, most }: { readonly full: boolean; readonly most: number },
  context: JobContext,
): Change[] {
  const changes: Change[] = [];
  const add = (change: Change): void => {
    if (changes.length >= most) throw new GantryError("too-large", `more than ${most} changes`);
    changes.push(change);
  };
  compareFolder({ layers, add, changes, full, context }, rootFolder(layers, 1));
  return changes;
}

interface Comparison {
  readonly layers: Layers;
  readonly changes: Change[];
  readonly add: (change: Change) => void;
  readonly full: boolean;
  readonly context: JobContext;
}

/** `below` is what the layers below the upper one make of the directory. */
function compareFolder(comparison: Comparison, below: Folder): void {
  const { layers, context, add, full } = comparison;
  context.check();
  const mine = layerChildren(layers, below.path, UPPER);
  const theirs = below.layers.length === 0 ? new Map<string, Child>() : mergedChildren(layers, below);
  const opaque = theirs.size > 0 && (full || isOpaque(layers, below.path, UPPER));
  for (const [name] of sorted(opaque ? new Map([...theirs, ...mine]) : mine)) {
    const path = join(below.path, name);
    const after = mine.get(name);
    const before = theirs.get(name);
    if (!after || isWhiteoutBig(after.stats)) {
      if (before) add({ path: `/${path}`, kind: "deleted" });
    } else {
      compareFile(comparison, path, before, after);
    }
  }
}

function compareFile(comparison: Comparison, path: string, before: Child | undefined, after: Child): void {
  const { layers, changes, add } = comparison;
  const place = changes.length;
  if (!before) add({ path: `/${path}`, kind: "added" });
  else if (differs(layers, path, before, after)) add({ path: `/${path}`, kind: "modified" });
  const listed = changes.length > place;
  if (!after.stats.isDirectory()) return;
  compareFolder(comparison, { path, layers: before?.layers ?? [] });
  // A directory is listed for what happened in it, too.
  if (!listed && changes.length > place) changes.splice(place, 0, { path: `/${path}`, kind: "modified" });
}

function differs(layers: Layers, path: string, before: Child, after: Child): boolean {
  const [a, b] = [before.stats, after.stats];
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.rdev !== b.rdev) return true;
  if (a.isDirectory()) return false;
  if (a.size !== b.size || !sameTime(a.mtimeNs, b.mtimeNs)) return true;
  return !capability(layers, path, before.layer).equals(capability(layers, path, after.layer));
}

/** Archives keep whole seconds: a time without a fraction equals any within its second. */
function sameTime(a: bigint, b: bigint): boolean {
  const second = 1_000_000_000n;
  return a === b || (a / second === b / second && (a % second === 0n || b % second === 0n));
}

function capability(layers: Layers, path: string, layer: number): Buffer {
  const slash = path.lastIndexOf("/");
  const value = withFolder(layers, slash < 0 ? "" : path.slice(0, slash), layer, (handle) => {
    try {
      return lgetxattr(handlePath(handle, path.slice(slash + 1)), "security.capability");
    } catch (error) {
      if (isSyscallError(error, "ENODATA", "EOPNOTSUPP", "ENOENT")) return undefined;
      throw error;
    }
  });
  return value ?? Buffer.alloc(0);
}
