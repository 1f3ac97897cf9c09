import assert from "node:assert/strict";
import { test } from "node:test";
import { compileGlob } from "./glob.ts";

const matches = (pattern: string, ...texts: string[]): boolean[] => texts.map(compileGlob(pattern));

test("stars, question marks, classes, escapes", () => {
  assert.deepEqual(matches("*.txt", "a.txt", ".txt", "d/a.txt", "a.txt2"), [true, true, false, false]);
  assert.deepEqual(matches("a?c", "abc", "a/c", "ac"), [true, false, false]);
  assert.deepEqual(matches("[a-c]x[^0-9]", "bxz", "dxz", "bx1", "bx/"), [true, false, false, false]);
  assert.deepEqual(matches("\\*", "*", "a"), [true, false]);
  assert.throws(() => compileGlob("[a"), { code: "invalid", message: "syntax error in pattern: [a" });
});

test("two stars go over segments", () => {
  assert.deepEqual(matches("**/b", "b", "a/b", "a/c/b", "ab", "a/bb"), [true, true, true, false, false]);
  assert.deepEqual(matches("a/**", "a", "a/b", "a/b/c"), [false, true, true]);
  assert.deepEqual(matches("a/**/d", "a/d", "a/b/c/d", "a/bd"), [true, true, false]);
  assert.deepEqual(matches("**/**/x", "x", "a/b/x"), [true, true]);
});

test("no pattern takes long", () => {
  const started = performance.now();
  assert.equal(compileGlob(`${"*a".repeat(500)}b`)("a".repeat(4000)), false);
  assert.equal(compileGlob(`${"**/".repeat(500)}b`)("a/".repeat(2000)), false);
  assert.ok(performance.now() - started < 5000);
});
