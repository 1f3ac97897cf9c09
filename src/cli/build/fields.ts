import { GantryError } from "#base/errors.ts";

/** `key=value,key=value`. */
export function fieldsOf(flag: string, text: string): Map<string, string> {
  return new Map(
    text.split(",").map((part) => {
      const at = part.indexOf("=");
      if (at < 1) throw new GantryError("invalid", `${flag} ${text}: wanted key=value,...`);
      return [part.slice(0, at).toLowerCase(), part.slice(at + 1)] as const;
    }),
  );
}
