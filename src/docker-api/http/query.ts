import { GantryError } from "#base/errors.ts";

/** Query parameters, read as Docker reads them. */
export interface Query {
  /** The first value, or "". */
  text(name: string): string;
  all(name: string): readonly string[];
  has(name: string): boolean;
  /** Docker's truth: absent, "", "0", "no", "false" and "none" are false, everything else is true. */
  flag(name: string, fallback?: boolean): boolean;
  /** A whole number; undefined when absent or empty. Throws `internal`, as Docker does. */
  integer(name: string): number | undefined;
}

const FALSE_WORDS = new Set(["", "0", "no", "false", "none"]);

export function queryOf(parameters: URLSearchParams): Query {
  const text = (name: string): string => parameters.get(name) ?? "";
  return {
    text,
    all: (name) => parameters.getAll(name),
    has: (name) => parameters.has(name),
    flag: (name, fallback = false) =>
      parameters.has(name) ? !FALSE_WORDS.has(text(name).trim().toLowerCase()) : fallback,
    integer(name) {
      const value = text(name);
      if (value === "") return undefined;
      if (!/^[+-]?\d{1,15}$/.test(value)) {
        // 500 with Docker too.
        throw new GantryError("internal", `strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`, {
          parameter: name,
        });
      }
      return Number(value);
    },
  };
}
