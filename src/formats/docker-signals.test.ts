import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSignal } from "./docker-signals.ts";

test("names, numbers and real-time signals", () => {
  assert.equal(parseSignal("SIGTERM"), 15);
  assert.equal(parseSignal("kill"), 9);
  assert.equal(parseSignal("2"), 2);
  assert.equal(parseSignal("SIGRTMIN+3"), 37);
  assert.equal(parseSignal("RTMAX"), 64);
});

test("what is no signal is refused in Docker's words", () => {
  for (const name of ["NOPE", "0", "65", "RTMIN-1", "", "-9", "__proto__", "constructor"]) {
    assert.throws(() => parseSignal(name), { code: "invalid", message: `invalid signal: ${name}` });
  }
});
