import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { copyTree, sameTree } from "./tree.ts";

test("property: a copy is the same tree and shares nothing", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const copy = copyTree(value);
      assert.equal(sameTree(copy, value), true);
      if (typeof value === "object" && value !== null) assert.notEqual(copy, value);
    }),
  );
});

test("trees differ by value, key and length", () => {
  assert.equal(sameTree({ a: 1, b: [1] }, { b: [1], a: 1 }), true);
  assert.equal(sameTree({ a: undefined }, { b: undefined }), false);
  assert.equal(sameTree([1], { 0: 1 }), false);
  assert.equal(sameTree({ a: null }, { a: 0 }), false);
  assert.equal(sameTree([1, 2], [1]), false);
});
