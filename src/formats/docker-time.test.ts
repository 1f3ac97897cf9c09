import assert from "node:assert/strict";
import { test } from "node:test";
import { formatTime, humanDuration, parseDuration, parseTimestamp, ZERO_TIME } from "./docker-time.ts";

test("times are RFC 3339 with a fraction that has no trailing zeros", () => {
  assert.equal(formatTime(undefined), ZERO_TIME);
  assert.equal(formatTime(Date.UTC(2026, 0, 2, 3, 4, 5)), "2026-01-02T03:04:05Z");
  assert.equal(formatTime(Date.UTC(2026, 0, 2, 3, 4, 5) + 120), "2026-01-02T03:04:05.12Z");
});

test("since and until take Unix time, dates and durations", () => {
  assert.equal(parseTimestamp("", 0), undefined);
  assert.equal(parseTimestamp("1700000000", 0), 1_700_000_000_000);
  assert.equal(parseTimestamp("1700000000.500000000", 0), 1_700_000_000_500);
  assert.equal(parseTimestamp("10m", 3_600_000), 3_000_000);
  assert.equal(parseTimestamp("2026-01-02T03:04:05Z", 0), Date.UTC(2026, 0, 2, 3, 4, 5));
  assert.throws(() => parseTimestamp("yesterday", 0), { code: "invalid" });
});

test("Go durations", () => {
  assert.equal(parseDuration("1h30m"), 5_400_000);
  assert.equal(parseDuration("1.5s"), 1500);
  assert.equal(parseDuration("5"), undefined);
});

test("spans read as the docker CLI's", () => {
  assert.equal(humanDuration(500), "Less than a second");
  assert.equal(humanDuration(61_000), "About a minute");
  assert.equal(humanDuration(3_600_000), "About an hour");
  assert.equal(humanDuration(50 * 3_600_000), "2 days");
});
