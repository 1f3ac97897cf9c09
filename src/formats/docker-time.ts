import { GantryError } from "#base/errors.ts";

/** Go's zero time: what Docker shows for a moment that has not come. */
export const ZERO_TIME = "0001-01-01T00:00:00Z";

/** Epoch milliseconds (with fractions) as Go's RFC3339Nano in UTC: no trailing zeros in the fraction. */
export function formatTime(epochMs: number | undefined): string {
  if (epochMs === undefined) return ZERO_TIME;
  const seconds = Math.floor(epochMs / 1000);
  const nanos = Math.round((epochMs - seconds * 1000) * 1e6);
  const base = new Date(seconds * 1000).toISOString().slice(0, 19);
  const fraction = nanos === 0 ? "" : `.${String(Math.min(nanos, 999_999_999)).padStart(9, "0").replace(/0+$/, "")}`;
  return `${base}${fraction}Z`;
}

/**
 * A `since` or `until` parameter in epoch milliseconds: Unix seconds with an optional fraction, an RFC 3339 date (with less
 * of it allowed), or a Go duration back from now. undefined when empty. Throws `invalid`.
 */
export function parseTimestamp(value: string, nowMs: number): number | undefined {
  if (value === "") return undefined;
  if (/^-?\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  const duration = parseDuration(value);
  if (duration !== undefined) return nowMs - duration;
  if (/^\d{4}-\d{2}-\d{2}/.test(value)) {
    const date = Date.parse(value.length === 13 ? `${value}:00` : value);
    if (!Number.isNaN(date)) return date;
  }
  throw new GantryError("invalid", `failed to parse value as time or duration: ${JSON.stringify(value)}`);
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Go's time.ParseDuration in milliseconds: `1h30m`, `1.5s`; undefined when it is none. */
export function parseDuration(value: string): number | undefined {
  const match = /^([+-]?)((?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+)$/.exec(value);
  if (!match) return undefined;
  let total = 0;
  for (const [, amount, unit] of (match[2] ?? "").matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g))
    total += Number(amount) * (UNIT_MS[unit ?? ""] ?? 0);
  return match[1] === "-" ? -total : total;
}

/** A span as the docker CLI's tables show it: "About an hour", "3 minutes" (docker/go-units HumanDuration). */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(ms / 3_600_000);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}
