import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFileMode } from "./file-mode.ts";

/** `chmod` of coreutils says the same of these, with umask 0. */
const CASES: readonly (readonly [string, number, boolean, number])[] = [
  ["755", 0o600, false, 0o755],
  ["0", 0o600, false, 0],
  ["7777", 0o600, false, 0o7777],
  ["u+x", 0o644, false, 0o744],
  ["+x", 0o644, false, 0o755],
  ["a+rX,go-w", 0o620, false, 0o644],
  ["a+rX,go-w", 0o720, false, 0o755],
  ["a+rX", 0o600, true, 0o755],
  ["u=rw,go=r", 0o777, false, 0o644],
  ["go=", 0o777, false, 0o700],
  ["g=u", 0o640, false, 0o660],
  ["o=g-w", 0o660, false, 0o664],
  ["u+s", 0o755, false, 0o4755],
  ["g+s,o+t", 0o755, true, 0o2755],
  ["+t", 0o777, true, 0o1777],
  ["a-x+r", 0o711, false, 0o644],
  ["=r", 0o4755, false, 0o444],
];

test("octal and symbolic modes", () => {
  for (const [text, mode, isDirectory, wanted] of CASES) {
    const got = parseFileMode(text)(mode, isDirectory);
    assert.equal(got.toString(8), wanted.toString(8), `${text} of ${mode.toString(8)}`);
  }
});

test("what is neither is refused in BuildKit's words", () => {
  for (const text of ["64a", "10000", "u", "x", "u+q", "u+x,", "", "u +x"])
    assert.throws(() => parseFileMode(text), {
      code: "invalid",
      message: `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`,
    });
});
