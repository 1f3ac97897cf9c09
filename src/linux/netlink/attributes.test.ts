import assert from "node:assert/strict";
import { test } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { attribute, attributeMap, decodeAttributes, decodeText, nested, text, u16, u32 } from "./attributes.ts";

test("an attribute is a length, a type, a value, and padding to four bytes", () => {
  assert.equal(text(3, "lo").toString("hex"), "07000300" + "6c6f0000" + "");
  assert.equal(u32(10, 1).toString("hex"), "08000a0001000000");
  assert.equal(nested(18, [u16(1, 2)]).toString("hex"), "0c001280" + "0600010002000000");
});

test("what was encoded decodes, in order", () => {
  const bytes = Buffer.concat([text(1, "a"), text(1, "b"), nested(2, [u32(7, 9)])]);
  assert.deepEqual(
    decodeAttributes(bytes).map(({ type }) => type),
    [1, 1, 2],
  );
  assert.equal(decodeText(attributeMap(bytes).get(1)), "b");
  assert.equal(
    attributeMap(attributeMap(bytes).get(2) ?? Buffer.alloc(0))
      .get(7)
      ?.readUInt32LE(),
    9,
  );
});

test("a value over 65,531 bytes is refused, not wrapped around (CVE-2021-43784)", () => {
  assert.equal(attribute(1, Buffer.alloc(65_531)).length, 65_536);
  assert.throws(
    () => attribute(1, Buffer.alloc(65_532)),
    (error) => isGantryError(error, "too-large"),
  );
  assert.throws(
    () => nested(1, [attribute(1, Buffer.alloc(40_000)), attribute(1, Buffer.alloc(40_000))]),
    /at most 65531/,
  );
});

test("bytes that are no attributes end the list", () => {
  assert.deepEqual(decodeAttributes(Buffer.from("0200", "hex")), []);
  assert.deepEqual(decodeAttributes(Buffer.from("0300010000000000", "hex")), []);
  assert.deepEqual(decodeAttributes(Buffer.from("ff00010000000000", "hex")), []);
});
