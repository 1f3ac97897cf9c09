import { GantryError } from "#base/errors.ts";

/** A variable's value; undefined when it is not set. */
export type Lookup = (name: string) => string | undefined;

interface Scan {
  readonly text: string;
  readonly escape: string;
  readonly lookup: Lookup;
  at: number;
}

/**
 * A word with variables put in and quotes and escapes taken off, as BuildKit's shell lexer does it: `$name`, `${name}`, `${name:-word}`,
 * `${name-word}`, `:+`, `+`, `:?`, `?`, `#`, `##`, `%`, `%%`, `/pattern/replacement`, `//pattern/replacement`.
 * Throws `invalid` in its words.
 */
export function expandWord(text: string, lookup: Lookup, escape = "\\"): string {
  const scan: Scan = { text, escape, lookup, at: 0 };
  const result = readUntil(scan, undefined);
  return result;
}

/** Reads up to an unquoted `stop` (not taken), or the end. */
function readUntil(scan: Scan, stop: string | undefined): string {
  let result = "";
  while (scan.at < scan.text.length) {
    const character = scan.text.charAt(scan.at);
    if (character === stop) break;
    if (character === "'") result += readSingleQuoted(scan);
    else if (character === '"') result += readDoubleQuoted(scan);
    else if (character === "$") result += readDollar(scan);
    else if (character === scan.escape) {
      scan.at++;
      // A trailing escape stands for itself.
      result += scan.at < scan.text.length ? take(scan) : scan.escape;
    } else result += take(scan);
  }
  return result;
}

function take(scan: Scan): string {
  return scan.text.charAt(scan.at++);
}

function readSingleQuoted(scan: Scan): string {
  const end = scan.text.indexOf("'", scan.at + 1);
  if (end < 0) throw new GantryError("invalid", "unexpected end of statement while looking for matching single-quote");
  const inner = scan.text.slice(scan.at + 1, end);
  scan.at = end + 1;
  return inner;
}

function readDoubleQuoted(scan: Scan): string {
  scan.at++;
  let result = "";
  for (;;) {
    if (scan.at >= scan.text.length)
      throw new GantryError("invalid", "unexpected end of statement while looking for matching double-quote");
    const character = scan.text.charAt(scan.at);
    if (character === '"') {
      scan.at++;
      return result;
    }
    if (character === "$") result += readDollar(scan);
    else if (character === scan.escape) result += readEscapeInQuotes(scan);
    else result += take(scan);
  }
}

/** Within double quotes only a quote, a dollar and the escape itself can be escaped. */
function readEscapeInQuotes(scan: Scan): string {
  scan.at++;
  if (scan.at >= scan.text.length)
    throw new GantryError("invalid", "unexpected end of statement while looking for matching double-quote");
  const next = take(scan);
  return next === '"' || next === "$" || next === scan.escape ? next : scan.escape + next;
}

function readDollar(scan: Scan): string {
  scan.at++;
  if (scan.text.charAt(scan.at) === "{") return readBraces(scan);
  const name = readName(scan);
  return name === "" ? "$" : (scan.lookup(name) ?? "");
}

/** A name, or one of the shell's special parameters. */
function readName(scan: Scan): string {
  const match = /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*#])/.exec(scan.text.slice(scan.at))?.[0] ?? "";
  scan.at += match.length;
  return match;
}

function readBraces(scan: Scan): string {
  scan.at++;
  const name = readName(scan);
  if (name === "")
    throw new GantryError(
      "invalid",
      scan.text.charAt(scan.at) === "}"
        ? "bad substitution"
        : `unsupported modifier (${scan.text.charAt(scan.at)}) in substitution`,
    );
  const value = scan.lookup(name);
  const next = scan.text.charAt(scan.at);
  if (next === "}") {
    scan.at++;
    return value ?? "";
  }
  if (next === "") throw new GantryError("invalid", `syntax error: missing '}' in ${JSON.stringify(scan.text)}`);
  return readModifier(scan, name, value);
}

function readModifier(scan: Scan, name: string, value: string | undefined): string {
  const rest = scan.text.slice(scan.at);
  const operator = /^(?::[-+?]|[-+?]|##|#|%%|%|\/\/|\/)/.exec(rest)?.[0];
  if (operator === undefined)
    throw new GantryError("invalid", `unsupported modifier (${rest.slice(0, 2)}) in substitution`);
  scan.at += operator.length;
  if (operator.startsWith("/")) return readReplacement(scan, value ?? "", operator === "//");
  const word = readWord(scan);
  const isSet = operator.startsWith(":") ? value !== undefined && value !== "" : value !== undefined;
  switch (operator.at(-1)) {
    case "-":
      return isSet ? (value ?? "") : word;
    case "+":
      return isSet ? word : "";
    case "?":
      if (isSet) return value ?? "";
      throw new GantryError(
        "invalid",
        `${name}: ${word === "" ? (operator === "?" ? "is not allowed to be unset" : "is not allowed to be empty") : word}`,
      );
    case "#":
      return trimPrefix(value ?? "", word, operator === "##");
    default:
      return trimSuffix(value ?? "", word, operator === "%%");
  }
}

function readWord(scan: Scan): string {
  const word = readUntil(scan, "}");
  closeBrace(scan);
  return word;
}

function closeBrace(scan: Scan): void {
  if (take(scan) !== "}") throw new GantryError("invalid", `syntax error: missing '}' in ${JSON.stringify(scan.text)}`);
}

function readReplacement(scan: Scan, value: string, all: boolean): string {
  const pattern = readUntil(scan, "/");
  if (take(scan) !== "/") throw new GantryError("invalid", `syntax error: missing '/' in ${JSON.stringify(scan.text)}`);
  const replacement = readWord(scan);
  return value.replace(new RegExp(globSource(pattern, true), all ? "gs" : "s"), () => replacement);
}

function trimPrefix(value: string, pattern: string, longest: boolean): string {
  return value.replace(new RegExp(`^${globSource(pattern, longest)}`, "s"), "");
}

/** The shortest suffix is looked for from the end, since a regular expression would find the first start. */
function trimSuffix(value: string, pattern: string, longest: boolean): string {
  const expression = new RegExp(`^${globSource(pattern, true)}$`, "s");
  const starts = Array.from({ length: value.length + 1 }, (_, index) => (longest ? index : value.length - index));
  const found = starts.find((start) => expression.test(value.slice(start)));
  return found === undefined ? value : value.slice(0, found);
}

/** Stars that a pattern may have: each multiplies the time that a match may take by the length of the value. */
const STAR_LIMIT = 4;

/** A shell pattern of `*` and `?` as a regular expression. */
function globSource(given: string, greedy: boolean): string {
  const pattern = given.replace(/\*+/g, "*");
  if (pattern.split("*").length - 1 > STAR_LIMIT) throw new GantryError("invalid", `pattern is too complex: ${given}`);
  return [...pattern]
    .map((character) =>
      character === "*"
        ? greedy
          ? ".*"
          : ".*?"
        : character === "?"
          ? "."
          : character.replace(/[\\^$.|+()[\]{}/]/g, "\\$&"),
    )
    .join("");
}
