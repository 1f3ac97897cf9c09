import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDockerignore } from "./dockerignore.ts";

const ignored = (file: string, ...paths: string[]): boolean[] => paths.map(parseDockerignore(file));

test("patterns match within a segment, ** over segments, and what lies below", () => {
  assert.deepEqual(ignored("*.md", "a.md", "d/a.md"), [true, false]);
  assert.deepEqual(ignored("**/*.md", "a.md", "d/e/a.md"), [true, true]);
  assert.deepEqual(ignored("/node_modules/", "node_modules/x/y", "d/node_modules"), [true, false]);
  assert.deepEqual(ignored("a?c\n[xy]z", "abc", "a/c", "xz", "zz"), [true, false, true, false]);
  assert.deepEqual(ignored("d/**", "d", "d/x", "d/x/y"), [false, true, true]);
});

test("the last pattern that matches decides", () => {
  assert.deepEqual(ignored("*.md\n!README.md", "a.md", "README.md"), [true, false]);
  assert.deepEqual(ignored("!README.md\n*.md", "README.md"), [true]);
  assert.deepEqual(ignored("docs\n!docs/keep", "docs/a", "docs/keep"), [true, false]);
});

test("comments, blanks and bad patterns", () => {
  assert.deepEqual(ignored("# *\n\n", "a"), [false]);
  assert.throws(() => parseDockerignore("[a"), { code: "invalid", message: "syntax error in pattern: [a" });
  assert.throws(() => parseDockerignore("!"), { code: "invalid" });
});
