/** Time on the wall of some place. Months and days count from 1, weekdays from Sunday as 0. */
export interface WallTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly weekday: number;
}

/** At most this many zones are remembered; at the brim all are forgotten. */
const MAX_ZONES = 200;
const formats = new Map<string, Intl.DateTimeFormat>();

/** True for an IANA time zone that this machine knows. */
export function isTimeZone(name: string): boolean {
  if (name === "UTC") return true;
  try {
    formatOf(name);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  if (formats.size >= MAX_ZONES) formats.clear();
  const made = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  formats.set(timeZone, made);
  return made;
}

/** Wall time of an instant (epoch milliseconds). */
export function wallTime(epochMs: number, timeZone: string): WallTime {
  return fromUtc(epochMs + offsetMs(epochMs, timeZone));
}

function fromUtc(ms: number): WallTime {
  const date = new Date(ms);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    weekday: date.getUTCDay(),
  };
}

/** The instant of a wall time; fields may overflow (day 32). A skipped time means the same span after the change. */
export function epochOf({ year, month, day, hour, minute }: Omit<WallTime, "weekday">, timeZone: string): number {
  const utc = Date.UTC(year, month - 1, day, hour, minute);
  const guess = utc - offsetMs(utc, timeZone);
  return utc - offsetMs(guess, timeZone);
}

function offsetMs(epochMs: number, timeZone: string): number {
  if (timeZone === "UTC") return 0;
  const parts = new Map(
    formatOf(timeZone)
      .formatToParts(epochMs)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const of = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
  const wall = Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
  return wall - Math.floor(epochMs / 1000) * 1000;
}
