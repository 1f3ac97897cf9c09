import { posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import { compileGlob, type Glob } from "./glob.ts";

/** Tells whether a path of the build context (relative, with `/`) is left out. */
export type Ignore = (path: string) => boolean;

interface Pattern {
  readonly matches: Glob;
  readonly negative: boolean;
}

/** The longest pattern, and the most of them, that are read. */
const LIMITS = { characters: 4096, patterns: 10_000 };

/**
 * Reads a `.dockerignore` file (docs.docker.com/build/concepts/context, ".dockerignore files"): one pattern a line, `#` comments, `!` for
 * exceptions, `*`, `?`, `[a-z]` within a segment and `**` over segments. The last pattern that matches a path, or a directory above it,
 * decides. Throws `invalid` for a malformed pattern.
 */
export function parseDockerignore(text: string): Ignore {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  return ignoreOf(lines.filter((line) => !line.startsWith("#")));
}

/** The same of patterns from elsewhere (`COPY --exclude`). */
export function ignoreOf(lines: readonly string[]): Ignore {
  const patterns = lines.map(parsePattern).filter((each) => each !== undefined);
  if (patterns.length > LIMITS.patterns)
    throw new GantryError("too-large", `more than ${LIMITS.patterns} ignore patterns`);
  if (patterns.length === 0) return () => false;
  return (path) => {
    const parents = ancestors(path);
    let ignored = false;
    for (const { matches, negative } of patterns) {
      if (negative === ignored && (matches(path) || parents.some(matches))) ignored = !negative;
    }
    return ignored;
  };
}

function parsePattern(line: string): Pattern | undefined {
  let pattern = line.trim();
  if (pattern === "") return undefined;
  if (pattern.length > LIMITS.characters)
    throw new GantryError("too-large", `ignore pattern longer than ${LIMITS.characters} characters`);
  const negative = pattern.startsWith("!");
  if (negative) pattern = pattern.slice(1).trim();
  if (negative && pattern === "") throw new GantryError("invalid", 'illegal exclusion pattern: "!"');
  pattern = posix
    .normalize(pattern)
    .replace(/^\/+/, "")
    .replace(/(.)\/+$/, "$1");
  if (pattern === "." || pattern === "") return negative ? undefined : { matches: (path) => path === "", negative };
  return { matches: compileGlob(pattern), negative };
}

/** "a/b/c" → "a", "a/b". */
function ancestors(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}
