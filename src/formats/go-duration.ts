import { GantryError } from "#base/errors.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const TERM = /([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)/y;

/** Milliseconds of a Go duration: `1h30m`, `-1.5s`, `0`. Throws `invalid` with Go's words. */
export function parseGoDuration(text: string): number {
  const bad = (): GantryError => new GantryError("invalid", `time: invalid duration ${JSON.stringify(text)}`);
  const body = text.replace(/^[+-]/, "");
  if (body === "0") return 0;
  if (body === "") throw bad();
  let ms = 0;
  TERM.lastIndex = 0;
  while (TERM.lastIndex < body.length) {
    const at = TERM.lastIndex;
    const match = TERM.exec(body);
    if (!match) {
      const missing = /^([0-9]+(\.[0-9]*)?|\.[0-9]+)$/.test(body.slice(at));
      throw missing ? new GantryError("invalid", `time: missing unit in duration ${JSON.stringify(text)}`) : bad();
    }
    ms += Number(match[1]) * (UNIT_MS[match[2] ?? ""] ?? 0);
  }
  return text.startsWith("-") ? -ms : ms;
}
