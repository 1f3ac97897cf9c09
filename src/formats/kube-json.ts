// JSON as the Kubernetes API server reads it: Go's error texts, and duplicate fields named by their path.
import { GantryError } from "#base/errors.ts";

export interface ParsedJson {
  readonly value: unknown;
  /** `duplicate field "spec.replicas"`, in order of appearance; at most 100. */
  readonly duplicates: readonly string[];
}

/** Deeper nesting is refused in encoding/json's words (its own bound is 10,000), so that no walk over a tree runs out of stack. */
export const MAX_JSON_DEPTH = 1000;
const MAX_DUPLICATES = 100;

/** Parses a JSON document. Throws `invalid` with encoding/json's words. The last of several equal keys wins. */
export function parseJson(text: string): ParsedJson {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The scan below finds the same fault and says it in Go's words.
    scanJson(text);
    throw new GantryError("invalid", "unexpected end of JSON input");
  }
  return { value, duplicates: scanJson(text) };
}

/** Throws `invalid` for a tree that is nested deeper than parseJson would take it: for values of other parsers (YAML). */
export function checkDepth(value: unknown): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_JSON_DEPTH) throw new GantryError("invalid", "exceeded max depth");
    level = level.flatMap((item) => (typeof item === "object" && item !== null ? Object.values(item) : []));
  }
}

interface Frame {
  readonly keys: Set<string> | undefined;
  /** The key or index being read. */
  at: string | number;
}

/** Walks the text once: throws at the first syntax error, collects keys that repeat. */
function scanJson(text: string): string[] {
  const duplicates: string[] = [];
  const frames: Frame[] = [];
  let at = 0;
  const fail = (context: string): never => {
    if (at >= text.length) throw new GantryError("invalid", "unexpected end of JSON input");
    throw new GantryError("invalid", `invalid character ${quoteChar(text.charAt(at))} ${context}`);
  };
  const skip = (): void => {
    for (let code = text.charCodeAt(at); code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;)
      code = text.charCodeAt(++at);
  };
  const readKey = (frame: Frame): void => {
    skip();
    if (text.charAt(at) !== '"') fail("looking for beginning of object key string");
    const end = stringEnd(text, at, fail, (to) => (at = to));
    const key = keyOf(text.slice(at, end));
    at = end;
    skip();
    if (text.charAt(at) !== ":") fail("after object key");
    at++;
    frame.at = key;
    if (frame.keys?.has(key) && duplicates.length < MAX_DUPLICATES) {
      duplicates.push(`duplicate field ${JSON.stringify(pathOf(frames))}`);
    }
    frame.keys?.add(key);
  };
  /** After a value: commas and closing brackets, until another value starts; false at the end of the document. */
  const next = (): boolean => {
    for (;;) {
      skip();
      const frame = frames.at(-1);
      if (!frame) {
        if (at < text.length) fail("after top-level value");
        return false;
      }
      const char = text.charAt(at);
      if (char === (frame.keys ? "}" : "]")) {
        at++;
        frames.pop();
        continue;
      }
      if (char !== ",") fail(frame.keys ? "after object key:value pair" : "after array element");
      at++;
      if (frame.keys) readKey(frame);
      else frame.at = Number(frame.at) + 1;
      return true;
    }
  };
  for (;;) {
    skip();
    const char = text.charAt(at);
    if (char === "{" || char === "[") {
      at++;
      if (frames.length >= MAX_JSON_DEPTH) throw new GantryError("invalid", "exceeded max depth");
      const frame: Frame = { keys: char === "{" ? new Set() : undefined, at: 0 };
      frames.push(frame);
      skip();
      const empty = text.charAt(at) === (frame.keys ? "}" : "]");
      if (!empty && frame.keys) readKey(frame);
      if (!empty) continue;
    } else if (char === '"') at = stringEnd(text, at, fail, (to) => (at = to));
    else at = literalEnd(text, at, fail, (to) => (at = to));
    if (!next()) return duplicates;
  }
}

/** A string without escapes, which is most of them. */
const PLAIN_STRING = /"[^"\\\u0000-\u001f]*"/y;

function stringEnd(text: string, start: number, fail: (context: string) => never, move: (to: number) => void): number {
  PLAIN_STRING.lastIndex = start;
  if (PLAIN_STRING.test(text)) return PLAIN_STRING.lastIndex;
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at + 1;
    if (code < 0x20) {
      move(at);
      fail("in string literal");
    }
    if (code !== 0x5c) continue;
    at++;
    if (at < text.length && !'"\\/bfnrtu'.includes(text.charAt(at))) {
      move(at);
      fail("in string escape code");
    }
    if (text.charAt(at) !== "u") continue;
    for (let digit = 1; digit <= 4; digit++) {
      move(at + digit);
      if (!/[0-9a-fA-F]/.test(text.charAt(at + digit))) fail("in \\u hexadecimal character escape");
    }
    at += 4;
  }
  move(text.length);
  return fail("");
}

const LITERAL = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;

function literalEnd(text: string, start: number, fail: (context: string) => never, move: (to: number) => void): number {
  LITERAL.lastIndex = start;
  if (LITERAL.test(text)) return LITERAL.lastIndex;
  const word = ["true", "false", "null"].find((candidate) => candidate.charAt(0) === text.charAt(start));
  if (word) {
    let same = 1;
    while (text.charAt(start + same) === word.charAt(same)) same++;
    move(start + same);
    return fail(`in literal ${word} (expecting ${quoteChar(word.charAt(same))})`);
  }
  if (text.charAt(start) === "-") {
    move(start + 1);
    return fail("in numeric literal");
  }
  return fail("looking for beginning of value");
}

function quoteChar(char: string): string {
  if (char === "'") return `'\\''`;
  if (char === '"') return `'"'`;
  return `'${JSON.stringify(char).slice(1, -1)}'`;
}

function keyOf(quoted: string): string {
  return quoted.includes("\\") ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
}

function pathOf(frames: readonly Frame[]): string {
  let path = "";
  for (const frame of frames) {
    if (typeof frame.at === "number") path += `[${frame.at}]`;
    else path += path === "" ? frame.at : `.${frame.at}`;
  }
  return path;
}
