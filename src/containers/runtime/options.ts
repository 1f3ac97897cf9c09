import { GantryError } from "#base/errors.ts";

/** What a flag takes: nothing, a text, or a text each time it is given. */
export type FlagKind = "flag" | "text" | "list";
export type FlagTable = Readonly<Record<string, FlagKind>>;

/** Flags as they were given, by long name. */
export interface Flags {
  has(name: string): boolean;
  text(name: string): string | undefined;
  list(name: string): readonly string[];
  /** Throws `invalid` when it is not a whole number. */
  number(name: string): number | undefined;
}

export interface Parsed {
  readonly flags: Flags;
  readonly rest: readonly string[];
}

/**
 * Reads flags as runc takes them: one dash or two, a value behind `=` or as the next argument, short names by `aliases`. With `stop` all
 * behind the first word that is no flag stays as it is. Throws `invalid` for an unknown flag.
 */
export function parseFlags(
  argv: readonly string[],
  table: FlagTable,
  options: { readonly aliases?: Readonly<Record<string, string>>; readonly stop: boolean },
): Parsed {
  const values = new Map<string, string[]>();
  const rest: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (word === "--") {
      rest.push(...argv.slice(at + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      rest.push(word);
      if (!options.stop) continue;
      rest.push(...argv.slice(at + 1));
      break;
    }
    const [given = "", value] = split(word.replace(/^--?/, ""));
    const name = options.aliases?.[given] ?? given;
    const kind = Object.hasOwn(table, name) ? table[name] : undefined;
    if (kind === undefined)
      throw new GantryError("invalid", `flag provided but not defined: -${given}`, { flag: given });
    if (kind !== "flag" && value === undefined && ++at >= argv.length)
      throw new GantryError("invalid", `flag needs an argument: -${given}`, { flag: given });
    const taken = kind === "flag" ? (value ?? "true") : (value ?? argv[at] ?? "");
    values.set(name, kind === "list" ? [...(values.get(name) ?? []), taken] : [taken]);
  }
  return { flags: flagsOf(values), rest };
}

function split(word: string): [string, string | undefined] {
  const at = word.indexOf("=");
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

function flagsOf(values: ReadonlyMap<string, readonly string[]>): Flags {
  const text = (name: string): string | undefined => values.get(name)?.at(-1);
  return {
    has: (name) => (text(name) ?? "false") !== "false",
    text,
    list: (name) => values.get(name) ?? [],
    number(name) {
      const value = text(name);
      if (value === undefined) return undefined;
      const number = Number(value);
      if (value.trim() === "" || !Number.isInteger(number))
        throw new GantryError("invalid", `invalid value "${value}" for flag -${name}`, { flag: name });
      return number;
    },
  };
}
