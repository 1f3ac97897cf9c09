import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  EVERYTHING,
  exactMatch,
  formatSelector,
  matchesSelector,
  newRequirement,
  parseSelector,
  selectorOf,
  selectorOfMap,
  type Labels,
} from "./selectors.ts";

const CASES: readonly [string, Labels, boolean][] = [
  ["", {}, true],
  ["x=y", { x: "y" }, true],
  ["x=y,z=w", { x: "y", z: "w" }, true],
  ["x!=y,z!=w", { x: "z", z: "a" }, true],
  ["x!=y", {}, true],
  ["x=y,z=w", { x: "y" }, false],
  ["notin=in", { notin: "in" }, true],
  ["x", { x: "z" }, true],
  ["!x", { x: "z" }, false],
  ["!x", { y: "z" }, true],
  ["x in (a,b)", { x: "a" }, true],
  ["x in (a,b)", { x: "c" }, false],
  ["x notin (a,b)", {}, true],
  ["x notin (a)", { x: "a" }, false],
  ["x in ()", { x: "" }, true],
  ["x in (a,)", { x: "" }, true],
  ["x in (in,notin)", { x: "notin" }, true],
  ["x=", { x: "" }, true],
  ["x== y", { x: "y" }, true],
  ["x>1", { x: "2" }, true],
  ["x>1", { x: "0" }, false],
  ["x<7", { x: "7" }, false],
  ["x>1", { x: "a" }, false],
  ["toString", {}, false],
  ["a notin (b), c", { c: "" }, true],
];

for (const [text, labels, matches] of CASES) {
  test(`selector "${text}" ${matches ? "selects" : "passes over"} ${JSON.stringify(labels)}`, () => {
    assert.equal(matchesSelector(parseSelector(text), labels), matches);
  });
}

test("broken selectors are refused in Kubernetes' words", () => {
  const broken: readonly [string, string][] = [
    [",x=y", "found ',', expected: !, identifier, or 'end of string'"],
    ["x=y,", "found '', expected: identifier after ','"],
    ["x=a||y", 'unable to parse requirement: values[0][x]: Invalid value: "a||y": a valid label must be'],
    ["x y", "unable to parse requirement: found 'y', expected: in, notin, =, ==, !=, gt, lt"],
    ["x in a", "unable to parse requirement: found 'a' expected: '('"],
    ["x in (a", "unable to parse requirement: found '', expected: ',' or ')'"],
    ["x=y z", "found 'z', expected: ',' or 'end of string'"],
    ["!x=a", "found '=', expected: ',' or 'end of string'"],
    ["a/b/c=d", 'unable to parse requirement: <nil>: Invalid value: "a/b/c": a valid label key must consist'],
    [
      "x>a",
      "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must be an integer",
    ],
  ];
  for (const [text, message] of broken) {
    assert.throws(
      () => parseSelector(text),
      (error: Error) => error.message.startsWith(message) || assert.fail(`${text}: ${error.message}`),
    );
  }
});

test("requirements name what is wrong with them", () => {
  assert.throws(() => newRequirement("x", "in", []), {
    message: "values: Invalid value: []string{}: for 'in', 'notin' operators, values set can't be empty",
  });
  assert.throws(() => newRequirement("x", "exists", ["a"]), /values set must be empty for exists/);
});

test("LabelSelector documents", () => {
  assert.equal(matchesSelector(selectorOf(undefined), {}), false);
  assert.equal(matchesSelector(selectorOf({}), { a: "b" }), true);
  const selector = selectorOf({
    matchLabels: { app: "web" },
    matchExpressions: [
      { key: "tier", operator: "In", values: ["a", "b"] },
      { key: "gone", operator: "DoesNotExist" },
    ],
  });
  assert.equal(formatSelector(selector), "app=web,!gone,tier in (a,b)");
  assert.equal(matchesSelector(selector, { app: "web", tier: "b" }), true);
  assert.equal(matchesSelector(selector, { app: "web", tier: "b", gone: "" }), false);
  assert.throws(() => selectorOf({ matchExpressions: [{ key: "a", operator: "Is" }] }), {
    message: '"Is" is not a valid label selector operator',
  });
  assert.equal(exactMatch(selector, "app"), "web");
  assert.equal(exactMatch(selector, "tier"), undefined);
  assert.equal(matchesSelector(EVERYTHING, undefined), true);
});

const word = fc.stringMatching(/^[a-z0-9]([a-z0-9]{0,5}[a-z0-9])?$/);
test("property: a selector's text reads back as the same selector", () => {
  const requirement = fc.oneof(
    fc.tuple(word, fc.constantFrom("=" as const, "==" as const, "!=" as const), fc.tuple(word)),
    fc.tuple(
      word,
      fc.constantFrom("in" as const, "notin" as const),
      fc.uniqueArray(word, { minLength: 1, maxLength: 4 }).map((values) => values.sort()),
    ),
    fc.tuple(word, fc.constantFrom("exists" as const, "!" as const), fc.constant([] as string[])),
  );
  fc.assert(
    fc.property(fc.uniqueArray(requirement, { selector: ([key]) => key, maxLength: 5 }), (list) => {
      const selector = {
        requirements: list
          .map(([key, operator, values]) => newRequirement(key, operator, values))
          .sort((a, b) => (a.key < b.key ? -1 : 1)),
      };
      assert.deepEqual(parseSelector(formatSelector(selector)), selector);
    }),
  );
});

test("property: labels match the selector made of them", () => {
  fc.assert(
    fc.property(fc.dictionary(word, word), (labels) => {
      assert.equal(matchesSelector(selectorOfMap(labels), labels), true);
      assert.equal(matchesSelector(parseSelector(formatSelector(selectorOfMap(labels))), labels), true);
    }),
  );
});
