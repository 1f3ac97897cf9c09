// Reads fields of a configuration document: each of its type, or told by its path.
import { GantryError } from "#base/errors.ts";

export type Fields = Readonly<Record<string, unknown>>;

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** `15s`, `1m30s`, in milliseconds. */
export function duration(value: unknown, where: string, otherwise: number): number {
  const written = text(value, where);
  if (written === "") return otherwise;
  const parts = Array.from(written.matchAll(/([0-9.]+)(h|ms|m|s)/g));
  if (parts.map(([part]) => part).join("") !== written) throw invalid(`${where}: ${written} is not a duration`);
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ""] ?? 0), 0);
}

/** What is wrong with the configuration. */
export function invalid(message: string): GantryError {
  return new GantryError("invalid", `scheduler configuration: ${message}`);
}

export function known(value: Fields, names: readonly string[], where: string): void {
  const strange = Object.keys(value).find((name) => !names.includes(name));
  if (strange !== undefined) throw invalid(`unknown field "${where === "" ? strange : `${where}.${strange}`}"`);
}

export function fields(value: unknown, where: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw invalid(`${where} is not a mapping`);
}

export function list(value: unknown, where: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${where} is not a list`);
  return value;
}

export function number(value: unknown, where: string, otherwise: number): number {
  if (value === undefined || value === null) return otherwise;
  if (typeof value !== "number") throw invalid(`${where} is not a number`);
  return value;
}

export function text(value: unknown, where: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw invalid(`${where} is not a string`);
  return value;
}
