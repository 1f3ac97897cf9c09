import assert from "node:assert/strict";
import { test } from "node:test";
import { booleanFilter, matchesLabels, matchesPattern, matchesPruneLabels, parseFilters } from "./docker-filters.ts";

test("both JSON forms are read; an unknown field is refused in Docker's words", () => {
  assert.deepEqual(
    parseFilters('{"label":["a=b"],"id":{"x":true,"y":false}}', ["label", "id"]),
    new Map([
      ["label", ["a=b"]],
      ["id", ["x"]],
    ]),
  );
  assert.throws(() => parseFilters('{"nope":["a"]}', ["label"]), { code: "invalid", message: "invalid filter 'nope'" });
  assert.throws(() => parseFilters("[", []), { code: "invalid" });
  assert.throws(() => parseFilters("[]", []), { code: "invalid" });
});

test("names match as patterns, any of several", () => {
  const filters = parseFilters('{"name":["^/we","db$","["]}', ["name"]);
  assert.ok(matchesPattern(filters, "name", "/web"));
  assert.ok(matchesPattern(filters, "name", "/mydb"));
  assert.ok(!matchesPattern(filters, "name", "/cache"));
  assert.ok(matchesPattern(new Map(), "name", "/anything"));
});

test("patterns that could take long are refused", () => {
  for (const pattern of ["(a+)+$", "a*a*a*a*a*b", "x".repeat(300)]) {
    assert.throws(
      () => matchesPattern(new Map([["name", [pattern]]]), "name", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
      { code: "invalid" },
    );
  }
});

test("labels must all be there; prune can turn that round", () => {
  const labels = { a: "1", b: "" };
  assert.ok(matchesLabels(parseFilters('{"label":["a=1","b"]}', ["label"]), "label", labels));
  assert.ok(!matchesLabels(parseFilters('{"label":["a=2"]}', ["label"]), "label", labels));
  assert.ok(!matchesLabels(parseFilters('{"label":["__proto__"]}', ["label"]), "label", labels));
  assert.ok(!matchesPruneLabels(parseFilters('{"label!":["a"]}', ["label!"]), labels));
  assert.ok(matchesPruneLabels(parseFilters('{"label!":["c"]}', ["label!"]), labels));
});

test("boolean filters", () => {
  assert.equal(booleanFilter(new Map(), "dangling", false), false);
  assert.equal(booleanFilter(new Map([["dangling", ["1"]]]), "dangling", false), true);
  assert.throws(() => booleanFilter(new Map([["dangling", ["maybe"]]]), "dangling", false), {
    message: "invalid filter 'dangling=[maybe]'",
  });
});
