import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { virtualClock } from "#base/clock.ts";
import { isGantryError } from "#base/errors.ts";
import { parsePath } from "./path.ts";
import { isLongRunning, timeLimit, withinTime } from "./time-limit.ts";

const query = (text: string): URLSearchParams => new URLSearchParams(text);

describe("time limits of requests", () => {
  it("reads the timeout of a query, up to the server's own", () => {
    const limits = ["", "timeout=0", "timeout=0s", "timeout=2s", "timeout=1m30s", "timeout=1.5s", "timeout=300ms"];
    assert.deepEqual(
      limits.map((text) => timeLimit(query(text))),
      [60_000, 60_000, 60_000, 2000, 60_000, 1500, 300],
    );
  });

  it("refuses what is no duration", () => {
    for (const text of ["invalid", "3", "-1s", "1s1", "s"])
      assert.throws(() => timeLimit(query(`timeout=${text}`)), /invalid timeout specified in the request URL/);
  });

  it("knows what has no limit", () => {
    const long = (path: string, text = ""): boolean => isLongRunning(parsePath(path), query(text));
    assert.ok(long("/api/v1/pods", "watch=true"));
    assert.ok(long("/api/v1/watch/pods"));
    assert.ok(long("/api/v1/namespaces/a/pods/b/log"));
    assert.ok(long("/api/v1/namespaces/a/services/b/proxy/x/y"));
    assert.ok(!long("/api/v1/pods", "watch=false"));
    assert.ok(!long("/readyz"));
  });

  it("ends a wait when the time is up", async () => {
    const clock = virtualClock();
    const waiting = withinTime(clock, 1000, () => new Promise(() => undefined));
    const refused = assert.rejects(waiting, (error) => isGantryError(error, "timeout"));
    await clock.advance(1000);
    await refused;
    await withinTime(clock, 1000, async () => undefined);
    assert.equal(clock.nextDeadline(), undefined);
  });
});
