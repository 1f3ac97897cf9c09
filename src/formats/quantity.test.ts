import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  addQuantity,
  canonicalQuantity,
  compareQuantity,
  formatQuantity,
  milliQuantityOf,
  milliValue,
  parseQuantity,
  quantityMillis,
  quantityNumber,
  quantityOf,
  quantityValue,
  subQuantity,
} from "./quantity.ts";

const CANONICAL: readonly [string, string][] = [
  ["0", "0"],
  ["0n", "0"],
  ["00", "0"],
  ["0.5", "500m"],
  [".5", "500m"],
  ["1000m", "1"],
  ["1.5", "1500m"],
  ["1e3", "1e3"],
  ["1e-1", "100e-3"],
  ["12345e2", "1234500"],
  ["1E", "1E"],
  ["1024Mi", "1Gi"],
  ["1.5Gi", "1536Mi"],
  ["1Ki", "1Ki"],
  ["1000Ki", "1000Ki"],
  ["0.1Ki", "102400m"],
  ["0.5Gi", "512Mi"],
  ["128974848", "128974848"],
  ["129e6", "129e6"],
  ["129M", "129M"],
  ["123Mi", "123Mi"],
  ["100000", "100k"],
  ["0.1n", "1n"],
  ["-1.1n", "-2n"],
  ["-10m", "-10m"],
  ["9223372036854775808Ki", "9223372036854775807"],
];

for (const [text, canonical] of CANONICAL) {
  test(`quantity ${text} is written back as ${canonical}`, () => {
    assert.equal(canonicalQuantity(text), canonical);
  });
}

test("wrong quantities are refused in Kubernetes' words", () => {
  const wrong = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
  for (const text of ["", "x", "-", ".", "1 Gi", " 1", "1Gib", "1..2", "0x1"]) {
    assert.throws(() => parseQuantity(text), { code: "invalid", message: wrong }, text);
  }
  for (const text of ["1mm", "1iK", "1e", "1ee3", "1e99999", "5-"]) {
    assert.throws(() => parseQuantity(text), { message: "unable to parse quantity's suffix" }, text);
  }
  assert.throws(() => parseQuantity("9".repeat(5000)), { message: "unable to parse numeric part of quantity" });
});

test("values round away from zero", () => {
  assert.equal(milliValue(parseQuantity("1.0001")), 1001n);
  assert.equal(quantityValue(parseQuantity("100m")), 1n);
  assert.equal(quantityValue(parseQuantity("-100m")), -1n);
  assert.equal(quantityNumber("2Gi"), 2 ** 31);
  assert.equal(quantityNumber(undefined), 0);
  assert.equal(quantityMillis("250m"), 250);
});

test("sums take the format of the first amount that is not zero", () => {
  assert.equal(formatQuantity(addQuantity(parseQuantity("0"), parseQuantity("1Gi"))), "1Gi");
  assert.equal(formatQuantity(addQuantity(parseQuantity("512Mi"), parseQuantity("512Mi"))), "1Gi");
  assert.equal(formatQuantity(subQuantity(parseQuantity("1"), parseQuantity("250m"))), "750m");
  assert.equal(compareQuantity(parseQuantity("1024Mi"), parseQuantity("1Gi")), 0);
  assert.equal(compareQuantity(parseQuantity("1G"), parseQuantity("1Gi")), -1);
});

const amount = fc.bigInt({ min: -(10n ** 21n), max: 10n ** 21n });
const format = fc.constantFrom("DecimalExponent" as const, "BinarySI" as const, "DecimalSI" as const);

test("property: what is written reads back as the same amount, and is canonical", () => {
  fc.assert(
    fc.property(amount, format, (nanos, style) => {
      const text = formatQuantity({ nanos, format: style });
      assert.equal(parseQuantity(text).nanos, nanos);
      assert.equal(formatQuantity(parseQuantity(text)), text);
    }),
  );
});

test("property: adding and taking away returns to the start", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer(), (a, b) => {
      const sum = addQuantity(quantityOf(a), milliQuantityOf(b));
      assert.equal(subQuantity(sum, milliQuantityOf(b)).nanos, quantityOf(a).nanos);
    }),
  );
});

test("property: canonical text keeps the value of any well-formed text", () => {
  const text = fc
    .tuple(
      fc.constantFrom("", "-", "+"),
      fc.nat(99999),
      fc.option(fc.nat(9999)),
      fc.constantFrom("", "m", "k", "Ki", "Mi", "Gi", "G", "e3", "E-2"),
    )
    .map(([sign, whole, fraction, suffix]) => `${sign}${whole}${fraction === null ? "" : `.${fraction}`}${suffix}`);
  fc.assert(
    fc.property(text, (value) =>
      assert.equal(parseQuantity(canonicalQuantity(value)).nanos, parseQuantity(value).nanos),
    ),
  );
});
