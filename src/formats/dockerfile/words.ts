import { GantryError } from "#base/errors.ts";

export interface Pair {
  readonly name: string;
  readonly value: string;
}

/**
 * Words separated by spaces, quotes and escapes left in place (they are taken off when variables are put in), so that `a="b c"`
 * is one word.
 */
export function splitWords(text: string, escape: string): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  let inWord = false;
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (quote === "" && /\s/.test(character)) {
      if (inWord) words.push(word);
      word = "";
      inWord = false;
      continue;
    }
    inWord = true;
    word += character;
    if (character === escape && quote !== "'") {
      word += text.charAt(++index);
    } else if (quote === "" && (character === '"' || character === "'")) {
      quote = character;
    } else if (character === quote) {
      quote = "";
    }
  }
  if (inWord) words.push(word);
  return words;
}

/** `ENV a=1 b="2 3"` or, in the old form, `ENV name the rest of the line`. Throws `invalid` in BuildKit's words. */
export function parsePairs(rest: string, escape: string, instruction: string): Pair[] {
  const words = splitWords(rest, escape);
  if (words.length === 0) throw new GantryError("invalid", `${instruction} requires at least one argument`);
  if (!words[0]?.includes("=")) return [oldPair(rest, instruction)];
  return words.map((word) => {
    const at = word.indexOf("=");
    if (at < 0)
      throw new GantryError(
        "invalid",
        `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`,
      );
    if (at === 0) throw new GantryError("invalid", `${instruction} names can not be blank`);
    return { name: word.slice(0, at), value: word.slice(at + 1) };
  });
}

function oldPair(rest: string, instruction: string): Pair {
  const match = /^(\S+)\s+([\s\S]+)$/.exec(rest);
  if (!match) throw new GantryError("invalid", `${instruction} must have two arguments`);
  return { name: match[1] ?? "", value: match[2] ?? "" };
}

/**
 * A JSON array of strings when that is what the text is, else undefined (the shell form). Throws `invalid` for an array with
 * anything else in it, in BuildKit's words.
 */
export function parseJsonForm(rest: string): string[] | undefined {
  const text = rest.trim();
  if (!text.startsWith("[")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text) as unknown;
  } catch {
    return undefined; // not JSON: Docker takes it for the shell form
  }
  if (!Array.isArray(value)) return undefined;
  if (!value.every((item) => typeof item === "string")) {
    throw new GantryError("invalid", "when using JSON array syntax, arrays must be comprised of strings only");
  }
  return value;
}
