import { GantryError } from "#base/errors.ts";
import { heredocsOf, type Heredoc } from "./heredoc.ts";

/** Lines of a Dockerfile, counted from 1, both ends included. */
export interface Location {
  readonly start: number;
  readonly end: number;
}

/** An instruction before its arguments mean anything. */
export interface RawInstruction {
  /** In lower case. */
  readonly name: string;
  /** `--flag` and `--flag=value` words. */
  readonly flags: readonly string[];
  readonly rest: string;
  /** The joined line as it was written. */
  readonly original: string;
  readonly heredocs: readonly Heredoc[];
  readonly location: Location;
}

export interface RawDockerfile {
  readonly instructions: readonly RawInstruction[];
  readonly escape: string;
  /** Parser directives by lower-case name: syntax, escape, check. */
  readonly directives: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
}

/** The longest Dockerfile that is read. */
const LIMIT_CHARACTERS = 4 * 1024 * 1024;
const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const DIRECTIVES = new Set(["syntax", "escape", "check"]);
const HEREDOC_INSTRUCTIONS = new Set(["add", "copy", "run"]);

/**
 * Joins continued lines, drops comments, reads parser directives and here-documents (docs.docker.com/reference/dockerfile,
 * "Format", "Parser directives", "Here-Documents"). Throws `invalid` with the line.
 */
export function readLines(text: string): RawDockerfile {
  if (text.length > LIMIT_CHARACTERS)
    throw new GantryError("too-large", `Dockerfile is larger than ${LIMIT_CHARACTERS} characters`);
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const { directives, escape } = readDirectives(lines);
  const instructions: RawInstruction[] = [];
  const warnings: string[] = [];
  for (let index = 0; index < lines.length;) {
    const joined = joinLine(lines, index, escape);
    const start = index + 1;
    index = joined.next;
    if (joined.text.trim() === "") continue;
    if (joined.emptyContinuation) warnings.push(`Empty continuation line found in: ${joined.text.trim()}`);
    const command = splitCommand(joined.text.trim(), start);
    const heredocs = HEREDOC_INSTRUCTIONS.has(command.name) ? heredocsOf(command.rest) : [];
    const documents = heredocs.map((heredoc) => {
      const read = readHeredoc(lines, index, heredoc, start);
      index = read.next;
      return { ...heredoc, content: read.content };
    });
    instructions.push({
      ...command,
      original: joined.text.trim(),
      heredocs: documents,
      location: { start, end: index },
    });
  }
  if (instructions.length === 0) throw new GantryError("invalid", "file with no instructions");
  return { instructions, escape, directives, warnings };
}

function readDirectives(lines: readonly string[]): { directives: Record<string, string>; escape: string } {
  const directives = Object.create(null) as Record<string, string>;
  for (const line of lines) {
    const [, name = "", value = ""] = DIRECTIVE.exec(line.trim()) ?? [];
    const key = name.toLowerCase();
    if (!DIRECTIVES.has(key)) break;
    if (directives[key] !== undefined) throw new GantryError("invalid", `only one ${key} parser directive can be used`);
    directives[key] = value;
  }
  const escape = directives["escape"] ?? "\\";
  if (escape !== "\\" && escape !== "`")
    throw new GantryError("invalid", `invalid escape token '${escape}' does not match \` or \\`);
  return { directives, escape };
}

interface Joined {
  readonly text: string;
  readonly next: number;
  readonly emptyContinuation: boolean;
}

/** One logical line: comments inside a continuation are dropped, blank lines inside one too (with a warning). */
function joinLine(lines: readonly string[], from: number, escape: string): Joined {
  let text = "";
  let emptyContinuation = false;
  let index = from;
  for (let first = true; index < lines.length; first = false) {
    const line = lines[index++] ?? "";
    if (/^\s*#/.test(line)) {
      if (first) return { text: "", next: index, emptyContinuation: false };
      continue;
    }
    if (!first && line.trim() === "") {
      emptyContinuation = true;
      continue;
    }
    const trimmed = line.replace(/[ \t]+$/, "");
    if (!trimmed.endsWith(escape)) return { text: text + line, next: index, emptyContinuation };
    text += trimmed.slice(0, -1);
  }
  return { text, next: index, emptyContinuation };
}

/** `INSTRUCTION --flag=x rest`. */
function splitCommand(line: string, lineNumber: number): { name: string; flags: string[]; rest: string } {
  const match = /^(\S+)(?:\s+([\s\S]*))?$/.exec(line);
  if (!match) throw parseError(lineNumber, "empty instruction");
  const name = (match[1] ?? "").toLowerCase();
  let rest = (match[2] ?? "").trim();
  const flags: string[] = [];
  for (;;) {
    const flag = /^--(?=\S)(?:"(?:\\.|[^"\\])*"|'[^']*'|\\[\s\S]|[^\s"'\\])+/.exec(rest)?.[0];
    if (flag === undefined) break;
    flags.push(
      flag.replace(
        /"((?:\\.|[^"\\])*)"|'([^']*)'|\\([\s\S])/g,
        (_, double?: string, single?: string, escaped?: string) => double ?? single ?? escaped ?? "",
      ),
    );
    rest = rest.slice(flag.length).trimStart();
  }
  if (rest.startsWith("-- ")) rest = rest.slice(3).trimStart();
  return { name, flags, rest };
}

function readHeredoc(
  lines: readonly string[],
  from: number,
  heredoc: Heredoc,
  startLine: number,
): { content: string; next: number } {
  const content: string[] = [];
  for (let index = from; index < lines.length; index++) {
    const line = lines[index] ?? "";
    const compared = heredoc.chomp ? line.replace(/^\t+/, "") : line;
    if (compared === heredoc.name) return { content: content.map((each) => `${each}\n`).join(""), next: index + 1 };
    content.push(compared);
  }
  throw parseError(startLine, `unterminated heredoc`);
}

/** Docker's form of an error in a Dockerfile. */
export function parseError(line: number, reason: string): GantryError {
  return new GantryError("invalid", `dockerfile parse error on line ${line}: ${reason}`, { line });
}
