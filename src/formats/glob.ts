import { GantryError } from "#base/errors.ts";

/**
 * Shell patterns without regular expressions, so that no pattern takes more than its length times the text's: `*` and `?` within a
 * path segment, `**` over segments, `[a-z]`, `[^a-z]`, `\` before a character that stands for itself.
 */
export type Glob = (text: string) => boolean;

type Token =
  | { readonly kind: "char"; readonly char: string }
  | { readonly kind: "any" }
  | { readonly kind: "set"; readonly negative: boolean; readonly ranges: readonly (readonly [string, string])[] }
  | { readonly kind: "star"; readonly slashes: boolean }
  /** `**` + `/`: nothing, or anything up to a slash. Two tokens: the way in, which may pass both, and what goes on until a slash. */
  | { readonly kind: "enter" }
  | { readonly kind: "segments" };

/** Throws `invalid` for a class without its end. */
export function compileGlob(pattern: string): Glob {
  const tokens = tokenize(pattern);
  return (text) => {
    let states = closure(tokens, new Set([0]));
    for (const char of text) {
      const next = new Set<number>();
      for (const at of states) step(tokens, at, char, next);
      states = closure(tokens, next);
      if (states.size === 0) return false;
    }
    return states.has(tokens.length);
  };
}

function tokenize(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern.charAt(at);
    if (char === "*") {
      let stars = 1;
      while (pattern.charAt(at + 1) === "*") {
        at++;
        stars++;
      }
      if (stars > 1 && pattern.charAt(at + 1) === "/" && at + 2 < pattern.length) {
        at++;
        tokens.push({ kind: "enter" }, { kind: "segments" });
      } else tokens.push({ kind: "star", slashes: stars > 1 });
    } else if (char === "?") tokens.push({ kind: "any" });
    else if (char === "[") {
      const end = pattern.indexOf("]", at + 2);
      if (end < 0) throw new GantryError("invalid", `syntax error in pattern: ${pattern}`, { pattern });
      tokens.push(setOf(pattern.slice(at + 1, end)));
      at = end;
    } else if (char === "\\" && at + 1 < pattern.length) tokens.push({ kind: "char", char: pattern.charAt(++at) });
    else tokens.push({ kind: "char", char });
  }
  return tokens;
}

function setOf(text: string): Token {
  const negative = text.startsWith("^") || text.startsWith("!");
  const body = negative ? text.slice(1) : text;
  const ranges = [...body.matchAll(/(.)-(.)|(.)/gs)].map(([, from, to, single]): readonly [string, string] => [
    from ?? single ?? "",
    to ?? single ?? "",
  ]);
  return { kind: "set", negative, ranges };
}

/** Where a token leads with one character. */
function step(tokens: readonly Token[], at: number, char: string, next: Set<number>): void {
  const token = tokens[at];
  if (!token) return;
  switch (token.kind) {
    case "char":
      if (token.char === char) next.add(at + 1);
      return;
    case "any":
      if (char !== "/") next.add(at + 1);
      return;
    case "set":
      if (char !== "/" && token.ranges.some(([from, to]) => from <= char && char <= to) !== token.negative)
        next.add(at + 1);
      return;
    case "star":
      if (token.slashes || char !== "/") next.add(at);
      return;
    case "segments":
      next.add(at);
      if (char === "/") next.add(at + 1);
  }
}

/** What can be passed without a character: stars, and the way into segments. */
function closure(tokens: readonly Token[], states: Set<number>): Set<number> {
  // A set that is added to while it is walked is walked to its new end.
  for (const at of states) {
    const kind = tokens[at]?.kind;
    if (kind === "star") states.add(at + 1);
    if (kind === "enter") states.add(at + 1).add(at + 2);
  }
  return states;
}
