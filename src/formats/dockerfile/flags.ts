import { GantryError } from "#base/errors.ts";

/** An instruction's `--flags`, by name. */
export interface Flags {
  text(name: string): string | undefined;
  all(name: string): readonly string[];
  isSet(name: string): boolean | undefined;
}

/** Reads flags of which `texts` take a value, `lists` several, and `booleans` none. Throws `invalid` in BuildKit's words. */
export function parseFlags(
  words: readonly string[],
  known: { texts?: readonly string[]; lists?: readonly string[]; booleans?: readonly string[] },
): Flags {
  const values = new Map<string, string[]>();
  for (const word of words) {
    const at = word.indexOf("=");
    const name = word.slice(2, at < 0 ? undefined : at);
    const value = at < 0 ? undefined : word.slice(at + 1);
    const isBoolean = known.booleans?.includes(name) ?? false;
    const isList = known.lists?.includes(name) ?? false;
    if (!isBoolean && !isList && !known.texts?.includes(name))
      throw new GantryError("invalid", `unknown flag: --${name}`, { flag: name });
    if (!isList && values.has(name))
      throw new GantryError("invalid", `duplicate flag specified: --${name}`, { flag: name });
    if (!isBoolean && value === undefined)
      throw new GantryError("invalid", `missing a value on flag: --${name}`, { flag: name });
    values.set(name, [...(values.get(name) ?? []), value ?? "true"]);
  }
  return {
    text: (name) => values.get(name)?.[0],
    all: (name) => values.get(name) ?? [],
    isSet: (name) => booleanOf(name, values.get(name)?.[0]),
  };
}

function booleanOf(name: string, value: string | undefined): boolean | undefined {
  if (value === undefined) return undefined;
  if (value.toLowerCase() === "true") return true;
  if (value.toLowerCase() === "false") return false;
  throw new GantryError("invalid", `expecting boolean value for flag --${name}, not: ${value}`, { flag: name });
}
