import { GantryError } from "#base/errors.ts";

/** How a quantity is written: `1e3`, `1Ki` or `1k` style. */
export type QuantityFormat = "DecimalExponent" | "BinarySI" | "DecimalSI";

/** An exact amount. `nanos` is the value times 10^9: the finest step that Kubernetes keeps. */
export interface Quantity {
  readonly nanos: bigint;
  readonly format: QuantityFormat;
}

const WRONG_FORMAT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const WRONG_NUMBER = "unable to parse numeric part of quantity";
const WRONG_SUFFIX = "unable to parse quantity's suffix";

/** Longer texts and larger exponents are refused: they would only burn time. */
const MAX_TEXT_LENGTH = 1024;
const MAX_EXPONENT = 1000;

const GIGA = 1_000_000_000n;
const MAX_INT64 = 2n ** 63n - 1n;
const DECIMAL_SUFFIXES = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const BINARY_SUFFIXES = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/** Few amounts are written often. At the brim all are forgotten. */
const MAX_REMEMBERED = 1024;
const MAX_REMEMBERED_LENGTH = 32;

function remembering<T>(make: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const made = make(text);
    if (known.size >= MAX_REMEMBERED) known.clear();
    if (text.length <= MAX_REMEMBERED_LENGTH) known.set(text, made);
    return made;
  };
}

interface Parts {
  readonly negative: boolean;
  /** Digits without leading zeros; "0" when there are none. */
  readonly whole: string;
  readonly fraction: string;
  readonly suffix: string;
}

interface Suffix {
  readonly base: 2 | 10;
  readonly exponent: number;
  readonly format: QuantityFormat;
}

/**
 * Reads a quantity: sign, decimal number, and a suffix n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or an exponent e3/E3.
 * Values finer than one nano are rounded away from zero; binary values stop at 2^63-1.
 * Throws `invalid` in the words of k8s.io/apimachinery/pkg/api/resource.
 */
export function parseQuantity(text: string): Quantity {
  return parsed(text);
}

const parsed = remembering(readQuantity);

function readQuantity(text: string): Quantity {
  if (text === "0") return { nanos: 0n, format: "DecimalSI" };
  const parts = splitQuantity(text);
  const suffix = readSuffix(parts.suffix);
  const digits = BigInt(parts.whole + parts.fraction);
  let numerator = digits * GIGA;
  let denominator = 10n ** BigInt(parts.fraction.length);
  if (suffix.base === 2) numerator <<= BigInt(suffix.exponent);
  else if (suffix.exponent >= 0) numerator *= 10n ** BigInt(suffix.exponent);
  else denominator *= 10n ** BigInt(-suffix.exponent);
  let nanos = divideUp(numerator, denominator);
  let format = suffix.format;
  if (format === "BinarySI") {
    if (nanos > MAX_INT64 * GIGA) nanos = MAX_INT64 * GIGA;
    // A binary fraction below one is shown in decimal, so that it is not rounded.
    if (nanos > 0n && nanos < GIGA) format = "DecimalSI";
  }
  return { nanos: parts.negative ? -nanos : nanos, format };
}

function splitQuantity(text: string): Parts {
  if (text.length === 0) throw new GantryError("invalid", WRONG_FORMAT);
  if (text.length > MAX_TEXT_LENGTH) throw new GantryError("invalid", WRONG_NUMBER);
  const match = /^([+-]?)0*([0-9]*)(?:(\.)([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)$/.exec(text);
  if (!match) throw new GantryError("invalid", WRONG_FORMAT);
  const [, sign, whole = "", dot, fraction = "", suffix = ""] = match;
  // A lone sign or a lone point has no number in it.
  if (/^[+-]?$/.test(text) || (dot && !/[0-9]/.test(text))) throw new GantryError("invalid", WRONG_FORMAT);
  if (!/^[+-]?[0-9.]/.test(text)) throw new GantryError("invalid", WRONG_FORMAT);
  return { negative: sign === "-", whole: whole || "0", fraction, suffix };
}

function readSuffix(suffix: string): Suffix {
  const decimal = DECIMAL_SUFFIXES.indexOf(suffix);
  if (decimal >= 0) return { base: 10, exponent: decimal * 3 - 9, format: "DecimalSI" };
  const binary = BINARY_SUFFIXES.indexOf(suffix);
  if (binary > 0) return { base: 2, exponent: binary * 10, format: "BinarySI" };
  const exponent = /^[eE]([+-]?[0-9]+)$/.exec(suffix);
  if (exponent && Math.abs(Number(exponent[1])) <= MAX_EXPONENT) {
    return { base: 10, exponent: Number(exponent[1]), format: "DecimalExponent" };
  }
  throw new GantryError("invalid", WRONG_SUFFIX);
}

/** Division of non-negative numbers, rounded up. */
function divideUp(numerator: bigint, denominator: bigint): bigint {
  return (numerator + denominator - 1n) / denominator;
}

/** The canonical text: no precision lost, no fraction digits, the largest suffix that fits. */
export function formatQuantity(quantity: Quantity): string {
  const { nanos } = quantity;
  if (nanos === 0n) return "0";
  const binary = quantity.format === "BinarySI" && nanos % GIGA === 0n && absolute(nanos) >= 1024n * GIGA;
  if (binary) {
    const [mantissa, power] = factorOut(nanos / GIGA, 1024n, BINARY_SUFFIXES.length - 1);
    return `${mantissa}${BINARY_SUFFIXES[power] ?? ""}`;
  }
  const exponential = quantity.format === "DecimalExponent";
  const [mantissa, power] = factorOut(nanos, 1000n, exponential ? MAX_EXPONENT : DECIMAL_SUFFIXES.length - 1);
  if (!exponential) return `${mantissa}${DECIMAL_SUFFIXES[power] ?? ""}`;
  return power === 3 ? `${mantissa}` : `${mantissa}e${power * 3 - 9}`;
}

function factorOut(value: bigint, base: bigint, most: number): [bigint, number] {
  let power = 0;
  while (power < most && value % base === 0n) {
    value /= base;
    power++;
  }
  return [value, power];
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value;
}

/**
 * The text that the API server writes back for `text`. As upstream, a text that it takes for canonical already is kept
 * as it is (`1.500` and `1.234k` stay), everything else becomes canonical (`0.5` becomes `500m`).
 */
export function canonicalQuantity(text: string): string {
  return canonical(text);
}

const canonical = remembering(makeCanonical);

function makeCanonical(text: string): string {
  const quantity = parseQuantity(text);
  return keepsText(text, quantity) ? text : formatQuantity(quantity);
}

/** Upstream's test for "already canonical" (ParseQuantity's fast path). */
function keepsText(text: string, quantity: Quantity): boolean {
  if (text === "0") return true;
  const { whole, fraction, suffix: suffixText } = splitQuantity(text);
  const { base, exponent } = readSuffix(suffixText);
  const digits = whole + fraction;
  if (base === 2) {
    const room = 15 - whole.length - Math.trunc((exponent * 3) / 10) - 1;
    return quantity.format === "BinarySI" && fraction === "" && room >= 0 && (BigInt(digits) & 7n) !== 0n;
  }
  const scale = exponent - fraction.length;
  return digits.length <= 18 && scale >= -9 && scale % 3 === 0 && !digits.endsWith("000") && !digits.startsWith("0");
}

/** -1, 0 or 1. */
export function compareQuantity(a: Quantity, b: Quantity): -1 | 0 | 1 {
  return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
}

/** a + b, in the format of `a` (of `b` when `a` is zero). */
export function addQuantity(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos + b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

/** a - b, in the format of `a` (of `b` when `a` is zero). */
export function subQuantity(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos - b.nanos, format: a.nanos === 0n ? b.format : a.format };
}

/** The whole number of units, rounded away from zero. */
export function quantityValue(quantity: Quantity): bigint {
  return scaled(quantity.nanos, GIGA);
}

/** The whole number of thousandths, rounded away from zero. */
export function milliValue(quantity: Quantity): bigint {
  return scaled(quantity.nanos, 1_000_000n);
}

function scaled(nanos: bigint, unit: bigint): bigint {
  return nanos < 0n ? -divideUp(-nanos, unit) : divideUp(nanos, unit);
}

/** `count` whole units. */
export function quantityOf(count: bigint | number, format: QuantityFormat = "DecimalSI"): Quantity {
  return { nanos: BigInt(count) * GIGA, format };
}

/** `count` thousandths. */
export function milliQuantityOf(count: bigint | number, format: QuantityFormat = "DecimalSI"): Quantity {
  return { nanos: BigInt(count) * 1_000_000n, format };
}

/** A whole number of units as a JavaScript number: bytes, counts. 0 when absent. Rounded away from zero. */
export function quantityNumber(text: string | undefined): number {
  return text === undefined ? 0 : Number(quantityValue(parseQuantity(text)));
}

/** Thousandths as a JavaScript number: CPU millicores. 0 when absent. Rounded away from zero. */
export function quantityMillis(text: string | undefined): number {
  return text === undefined ? 0 : Number(milliValue(parseQuantity(text)));
}
