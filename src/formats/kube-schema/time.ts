import { GantryError } from "#base/errors.ts";

type Element = [layout: string, pattern: RegExp];

const DATE: readonly Element[] = [
  ["2006", /^[0-9]{4}/],
  ["-", /^-/],
  ["01", /^[0-9]{2}/],
  ["-", /^-/],
  ["02", /^[0-9]{2}/],
  ["T", /^T/],
  ["15", /^[0-9]{2}/],
  [":", /^:/],
  ["04", /^[0-9]{2}/],
  [":", /^:/],
  ["05", /^[0-9]{2}/],
];
const ZONE: Element = ["Z07:00", /^(?:Z|[+-][0-9]{2}:[0-9]{2})/];
const LAYOUT = "2006-01-02T15:04:05Z07:00";
const MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00";
const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;

/** An RFC 3339 time in seconds and UTC, as metav1.Time writes it. Throws `invalid` with Go's words. */
export function normalTime(text: string): string {
  return `${instant(text, LAYOUT, undefined).toISOString().slice(0, 19)}Z`;
}

/** An RFC 3339 time with microseconds in UTC, as metav1.MicroTime writes it. Throws `invalid` with Go's words. */
export function normalMicroTime(text: string): string {
  const date = instant(text, MICRO_LAYOUT, [".000000", /^[.,][0-9]{6}/]);
  const micros = /[.,](\d{6})/.exec(text)?.[1] ?? "000000";
  return `${date.toISOString().slice(0, 19)}.${micros}Z`;
}

function instant(text: string, layout: string, fraction: Element | undefined): Date {
  const match = RFC3339.exec(text);
  if (!match || (fraction && !/[.,]\d{6}(?:Z|[+-])/.test(text))) throw misfit(text, layout, fraction);
  const [, year, month, day, hour, minute, second, , zone = "Z"] = match;
  const numbers = [year, month, day, hour, minute, second].map(Number);
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = numbers;
  const outside = (part: string): GantryError =>
    new GantryError("invalid", `parsing time ${JSON.stringify(text)}: ${part} out of range`);
  if (mo < 1 || mo > 12) throw outside("month");
  if (d < 1 || d > daysIn(y, mo)) throw outside("day");
  if (h > 23) throw outside("hour");
  if (mi > 59) throw outside("minute");
  if (s > 59) throw outside("second");
  const date = new Date(0);
  date.setUTCFullYear(y, mo - 1, d);
  date.setUTCHours(h, mi, s);
  const offset = zone === "Z" ? 0 : Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return new Date(date.getTime() - (zone.startsWith("-") ? -1 : 1) * offset * 60_000);
}

function daysIn(year: number, month: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 31;
}

/** Go's message: which piece of the layout the rest of the text does not fit. */
function misfit(text: string, layout: string, fraction: Element | undefined): GantryError {
  const elements = [...DATE, ...(fraction ? [fraction] : []), ZONE];
  let rest = text;
  const say = (detail: string): GantryError =>
    new GantryError("invalid", `parsing time ${JSON.stringify(text)} as ${JSON.stringify(layout)}: ${detail}`);
  for (const [element, pattern] of elements) {
    const found = pattern.exec(rest);
    if (!found) return say(`cannot parse ${JSON.stringify(rest)} as ${JSON.stringify(element)}`);
    rest = rest.slice(found[0].length);
    if (element === "05" && !fraction) rest = rest.replace(/^[.,][0-9]+/, "");
  }
  return new GantryError("invalid", `parsing time ${JSON.stringify(text)}: extra text: ${JSON.stringify(rest)}`);
}
