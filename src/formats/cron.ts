// Cron schedules as CronJobs write them (github.com/robfig/cron v3, ParseStandard).
import { GantryError } from "#base/errors.ts";
import { parseGoDuration } from "./go-duration.ts";
import { epochOf, isTimeZone, wallTime, type WallTime } from "./cron/zones.ts";

/** A parsed schedule. */
export interface CronSchedule {
  /** The first time after `after` (both epoch milliseconds); undefined when there is none in five years. */
  next(after: number): number | undefined;
}

interface Field {
  readonly matches: ReadonlySet<number>;
  /** `*` or `?`: then days of month and of week must both match instead of either. */
  readonly star: boolean;
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const BOUNDS: readonly Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: ["", ...MONTHS] },
  { min: 0, max: 6, names: DAYS },
];
const DESCRIPTORS: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const YEARS_AHEAD = 5;

/** Parses minute, hour, day of month, month, day of week, or a descriptor (`@daily`, `@every 1h30m`). `timeZone` is an IANA name. Throws `invalid`. */
export function parseCron(text: string, timeZone = "UTC"): CronSchedule {
  if (text === "") fail("empty spec string");
  if (!isTimeZone(timeZone)) fail(`unknown time zone ${timeZone}`);
  if (text.startsWith("@every ")) return every(text);
  const standard = Object.hasOwn(DESCRIPTORS, text) ? (DESCRIPTORS[text] ?? "") : text;
  if (standard.startsWith("@")) fail(`unrecognized descriptor: ${text}`);
  const parts = standard.split(/\s+/).filter((part) => part !== "");
  if (parts.length !== 5) fail(`expected exactly 5 fields, found ${parts.length}: [${parts.join(" ")}]`);
  const fields = parts.map((part, index) => parseField(part, BOUNDS[index] ?? { min: 0, max: 0 }));
  const [minute, hour, dayOfMonth, month, dayOfWeek] = fields as [Field, Field, Field, Field, Field];
  return { next: (after) => search({ minute, hour, dayOfMonth, month, dayOfWeek }, after, timeZone) };
}

function fail(message: string): never {
  throw new GantryError("invalid", message);
}

function every(text: string): CronSchedule {
  let ms: number;
  try {
    ms = parseGoDuration(text.slice("@every ".length));
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    return fail(`failed to parse duration ${text}: ${error.message}`);
  }
  const periodMs = Math.max(1000, Math.floor(ms / 1000) * 1000);
  return { next: (after) => Math.floor(after / 1000) * 1000 + periodMs };
}

function parseField(text: string, bounds: Bounds): Field {
  const matches = new Set<number>();
  let star = false;
  for (const range of text.split(",").filter((part) => part !== "")) {
    const { from, to, step, any } = parseRange(range, bounds);
    for (let value = from; value <= to; value += step) matches.add(value);
    star ||= any;
  }
  return { matches, star };
}

function parseRange(
  text: string,
  { min, max, names }: Bounds,
): { from: number; to: number; step: number; any: boolean } {
  const [span = "", stepText, ...slashes] = text.split("/");
  const [low = "", high, ...hyphens] = span.split("-");
  if (slashes.length > 0) fail(`too many slashes: ${text}`);
  if (hyphens.length > 0) fail(`too many hyphens: ${text}`);
  const any = low === "*" || low === "?";
  const step = stepText === undefined ? 1 : readNumber(stepText, undefined);
  const from = any ? min : readNumber(low, names);
  // `5/15` counts on to the end of the range.
  const to = any ? max : high !== undefined ? readNumber(high, names) : stepText === undefined ? from : max;
  if (from < min) fail(`beginning of range (${from}) below minimum (${min}): ${text}`);
  if (to > max) fail(`end of range (${to}) above maximum (${max}): ${text}`);
  if (from > to) fail(`beginning of range (${from}) beyond end of range (${to}): ${text}`);
  if (step === 0) fail(`step of range should be a positive number: ${text}`);
  // A step other than one restricts the field, so it is no star any more.
  return { from, to, step, any: any && step === 1 };
}

function readNumber(text: string, names: readonly string[] | undefined): number {
  const named = text === "" ? -1 : (names?.indexOf(text.toLowerCase()) ?? -1);
  if (named >= 0) return named;
  if (!/^[+-]?[0-9]+$/.test(text))
    fail(`failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  if (Number(text) < 0) fail(`negative number (${Number(text)}) not allowed: ${text}`);
  return Number(text);
}

interface Fields {
  readonly minute: Field;
  readonly hour: Field;
  readonly dayOfMonth: Field;
  readonly month: Field;
  readonly dayOfWeek: Field;
}

/** Walks forward: months and days in wall time, hours and minutes in real time, so that a skipped hour is skipped. */
function search(fields: Fields, after: number, timeZone: string): number | undefined {
  let time = Math.floor(after / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
  const lastYear = wallTime(time, timeZone).year + YEARS_AHEAD;
  for (;;) {
    const wall = wallTime(time, timeZone);
    if (wall.year > lastYear) return undefined;
    if (!fields.month.matches.has(wall.month))
      time = epochOf({ ...wall, month: wall.month + 1, day: 1, hour: 0, minute: 0 }, timeZone);
    else if (!dayMatches(fields, wall)) time = nextDay(time, wall, timeZone);
    else if (!fields.hour.matches.has(wall.hour)) time += HOUR_MS - wall.minute * MINUTE_MS;
    else if (!fields.minute.matches.has(wall.minute)) time += MINUTE_MS;
    else return time;
  }
}

/** Never stands still, even where midnight is skipped by a change of the clock. */
function nextDay(time: number, wall: WallTime, timeZone: string): number {
  const midnight = epochOf({ ...wall, day: wall.day + 1, hour: 0, minute: 0 }, timeZone);
  return midnight > time ? midnight : time + HOUR_MS;
}

function dayMatches({ dayOfMonth, dayOfWeek }: Fields, { day, weekday }: WallTime): boolean {
  const byMonth = dayOfMonth.matches.has(day);
  const byWeek = dayOfWeek.matches.has(weekday);
  return dayOfMonth.star || dayOfWeek.star ? byMonth && byWeek : byMonth || byWeek;
}
