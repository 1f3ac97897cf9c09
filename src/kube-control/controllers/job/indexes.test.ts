import assert from "node:assert/strict";
import { test } from "node:test";
import { formatIndexes, parseIndexes } from "./indexes.ts";

const TABLE: [indexes: number[], text: string][] = [
  [[], ""],
  [[0], "0"],
  [[0, 1], "0,1"],
  [[0, 1, 2], "0-2"],
  [[1, 3, 4, 5, 7], "1,3-5,7"],
  [[9, 10, 8, 2], "2,8-10"],
];
for (const [indexes, text] of TABLE) {
  test(`"${text}"`, () => {
    assert.equal(formatIndexes(indexes), text);
    assert.deepEqual(
      Array.from(parseIndexes(text, 100)),
      indexes.toSorted((a, b) => a - b),
    );
  });
}

test("what lies beyond, and what is no number, is left out", () => {
  assert.deepEqual(Array.from(parseIndexes("1,x,3-900", 5)), [1, 3, 4]);
  assert.deepEqual(Array.from(parseIndexes(undefined, 5)), []);
});
