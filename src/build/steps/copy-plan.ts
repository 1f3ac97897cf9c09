import { posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { PathStat, RootFiles } from "#containers/container-files.ts";
import { compileGlob } from "#formats/glob.ts";

/** One thing to copy: from where, into which directory, under which name. */
export interface CopyItem {
  readonly source: string;
  readonly kind: "file" | "directory";
  readonly directory: string;
  /** Name of the root of what is copied; "." when the contents go into the directory itself. */
  readonly as: string;
}

export interface CopyRequest {
  readonly sources: readonly string[];
  /** Absolute, or with the working directory in front. */
  readonly target: string;
  readonly instruction: "COPY" | "ADD";
  /** Keep the directories of each source below the target (`--parents`). */
  readonly parents: boolean;
}

/** Docker follows no more links than the kernel. */
const MOST_LINKS = 40;
/** Files that one wildcard may match. */
const MOST_MATCHES = 100_000;

/**
 * What a COPY copies where: a directory's contents go into the target, a file becomes the target unless that is a directory. Throws `invalid`
 * in Docker's words when a source is not there.
 */
export function planCopy(
  from: RootFiles,
  to: RootFiles,
  request: CopyRequest,
  ignored: (path: string) => boolean,
): CopyItem[] {
  const sources = request.sources.flatMap((pattern) => matchSources(from, pattern, request.instruction, ignored));
  const intoDirectory = request.target.endsWith("/") || sources.length > 1 || request.parents;
  return sources.map((source) => {
    const stat = statFollowing(from, source);
    if (!stat || (source !== "" && ignored(source))) throw notFound(request.instruction, source);
    const kind = stat.kind === "directory" ? "directory" : "file";
    return { source: stat.path, kind, ...place(to, request, source, kind, intoDirectory) };
  });
}

function place(
  to: RootFiles,
  request: CopyRequest,
  source: string,
  kind: "file" | "directory",
  intoDirectory: boolean,
): { directory: string; as: string } {
  const target = request.target.replace(/(.)\/+$/, "$1");
  if (request.parents) {
    const path = posix.join(target, source);
    return kind === "directory"
      ? { directory: path, as: "." }
      : { directory: posix.dirname(path), as: posix.basename(path) };
  }
  const exists = to.stat(`${target}/`)?.kind === "directory";
  // A directory that is new takes the source's mode and owner; one that is there keeps its own.
  if (kind === "directory")
    return exists || target === "/"
      ? { directory: target, as: "." }
      : { directory: posix.dirname(target), as: posix.basename(target) };
  if (intoDirectory || exists) return { directory: target, as: posix.basename(source) };
  return { directory: posix.dirname(target), as: posix.basename(target) };
}

/** What a path leads to, links at its end followed inside the root. */
export function statFollowing(files: RootFiles, path: string): (PathStat & { readonly path: string }) | undefined {
  let current = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    const stat = files.stat(current === "" ? "/" : `/${current}`);
    if (!stat) return undefined;
    if (stat.kind !== "symlink") return { ...stat, path: current };
    current = stat.linkTarget.slice(1);
  }
  return undefined;
}

function matchSources(
  from: RootFiles,
  pattern: string,
  instruction: string,
  ignored: (path: string) => boolean,
): string[] {
  const clean = posix
    .normalize(pattern.replaceAll("\\", "/"))
    .replace(/^\/+/, "")
    .replace(/\/+$/, "")
    .replace(/^(\.\.\/)+/, "");
  const path = clean === "." || clean === ".." ? "" : clean;
  if (!/[*?[]/.test(path)) return [path];
  const found: string[] = [];
  walk(from, "", path.split("/"), (match) => {
    if (!ignored(match)) found.push(match);
    if (found.length > MOST_MATCHES)
      throw new GantryError("too-large", `${instruction} ${pattern} matches more than ${MOST_MATCHES} files`);
  });
  if (found.length === 0) throw new GantryError("invalid", `${instruction} failed: no source files were specified`);
  return found.toSorted();
}

/** Go's filepath.Match, a segment at a time. */
function walk(from: RootFiles, directory: string, segments: readonly string[], match: (path: string) => void): void {
  const [segment = "", ...rest] = segments;
  const matches = compileGlob(segment);
  for (const name of from.list(directory === "" ? "/" : `/${directory}`) ?? []) {
    if (!matches(name)) continue;
    const path = directory === "" ? name : `${directory}/${name}`;
    if (rest.length === 0) match(path);
    else walk(from, path, rest, match);
  }
}

function notFound(instruction: string, source: string): GantryError {
  return new GantryError(
    "invalid",
    `${instruction} failed: file not found in build context or excluded by .dockerignore: stat ${source}: file does not exist`,
    { source },
  );
}
