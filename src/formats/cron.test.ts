import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseCron } from "./cron.ts";
import { parseGoDuration } from "./go-duration.ts";

const at = (text: string): number => Date.parse(text);
// github.com/robfig/cron spec_test.go, and daylight saving in New York.
const CASES: readonly [string, string, string | undefined, string?][] = [
  ["2012-07-09T14:45:00Z", "0/15 * * * *", "2012-07-09T15:00:00Z"],
  ["2012-07-09T14:59:59Z", "*/15 * * * *", "2012-07-09T15:00:00Z"],
  ["2012-07-09T15:45:00Z", "20-35/15 * * * *", "2012-07-09T16:20:00Z"],
  ["2012-07-09T23:46:00Z", "*/15 * * * *", "2012-07-10T00:00:00Z"],
  ["2012-12-31T23:59:45Z", "* * * * *", "2013-01-01T00:00:00Z"],
  ["2012-07-09T23:35:00Z", "0 0 */10 * *", "2012-07-11T00:00:00Z"],
  ["2012-07-09T00:00:00Z", "0 0 9 apr-oct ?", "2012-08-09T00:00:00Z"],
  ["2012-07-09T23:35:00Z", "0 0 * feb mon", "2013-02-04T00:00:00Z"],
  ["2012-07-09T23:35:00Z", "0 0 1 * mon", "2012-07-16T00:00:00Z"],
  ["2012-07-09T23:35:00Z", "0 0 29 feb ?", "2016-02-29T00:00:00Z"],
  ["2012-07-09T23:35:00Z", "0 0 30 feb ?", undefined],
  ["2012-07-09T14:45:10Z", "@hourly", "2012-07-09T15:00:00Z"],
  ["2012-07-09T14:45:10Z", "@every 1m30s", "2012-07-09T14:46:40Z"],
  ["2012-07-09T14:45:00Z", "0 9 * * *", "2012-07-10T00:00:00Z", "Asia/Seoul"],
  ["2012-03-11T00:00:00-05:00", "30 2 * * *", "2012-03-12T02:30:00-04:00", "America/New_York"],
  ["2012-03-11T00:00:00-05:00", "0 3 * * *", "2012-03-11T03:00:00-04:00", "America/New_York"],
  ["2012-11-04T00:00:00-04:00", "30 1 * * *", "2012-11-04T01:30:00-04:00", "America/New_York"],
  ["2012-11-04T01:45:00-04:00", "0 2 * * *", "2012-11-04T02:00:00-05:00", "America/New_York"],
];

for (const [after, schedule, wanted, zone] of CASES) {
  test(`cron ${schedule} after ${after}${zone ? ` in ${zone}` : ""}`, () => {
    const next = parseCron(schedule, zone).next(at(after));
    assert.equal(
      next === undefined ? undefined : new Date(next).toISOString(),
      wanted && new Date(at(wanted)).toISOString(),
    );
  });
}

test("broken schedules are refused with the reason", () => {
  const cases: readonly [string, string][] = [
    ["", "empty spec string"],
    ["* * * *", "expected exactly 5 fields, found 4: [* * * *]"],
    ["60 * * * *", "end of range (60) above maximum (59): 60"],
    ["* * 0 * *", "beginning of range (0) below minimum (1): 0"],
    ["5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"],
    ["*/0 * * * *", "step of range should be a positive number: */0"],
    ["1-2-3 * * * *", "too many hyphens: 1-2-3"],
    ["x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
    ["@never", "unrecognized descriptor: @never"],
    ["@every x", 'failed to parse duration @every x: time: invalid duration "x"'],
  ];
  for (const [text, message] of cases) assert.throws(() => parseCron(text), { code: "invalid", message }, text);
  assert.throws(() => parseCron("* * * * *", "Mars/Olympus"), { message: "unknown time zone Mars/Olympus" });
});

test("property: the next time is later, on the minute, and the first that matches", () => {
  fc.assert(
    fc.property(
      fc.nat(59),
      fc.nat(23),
      fc.integer({ min: at("2020-01-01T00:00:00Z"), max: at("2030-01-01T00:00:00Z") }),
      (minute, hour, after) => {
        const next = parseCron(`${minute} ${hour} * * *`).next(after) ?? 0;
        assert.ok(next > after && next - after <= 86_400_000 && next % 60_000 === 0);
        const date = new Date(next);
        assert.deepEqual([date.getUTCMinutes(), date.getUTCHours()], [minute, hour]);
      },
    ),
  );
});

test("Go durations", () => {
  assert.equal(parseGoDuration("1h30m"), 5_400_000);
  assert.equal(parseGoDuration("-1.5s"), -1500);
  assert.equal(parseGoDuration("0"), 0);
  assert.throws(() => parseGoDuration("1"), { message: 'time: missing unit in duration "1"' });
  assert.throws(() => parseGoDuration("1x"), { message: 'time: invalid duration "1x"' });
});
