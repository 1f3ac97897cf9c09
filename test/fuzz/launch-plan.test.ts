// Launch plans: the shim reads exactly what was written, and of anything else refuses it without reading beyond its end.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc, { type Arbitrary } from "fast-check";
import { encodePlan } from "../../src/linux/shim/encode-plan.ts";
import { STEP_LAYOUTS, type ArgumentType, type Step, type StepName } from "../../src/linux/launch-steps.generated.ts";
import { planDecoder, planLine, type PlanDecoder } from "../support/plan-decoder.ts";

/** GANTRY_FUZZ_RUNS: how many plans, 2,000 by default. */
const RUNS = Number(process.env["GANTRY_FUZZ_RUNS"] ?? 2000);
let decoder: PlanDecoder;
before(() => void (decoder = planDecoder()));
after(() => decoder.remove());

const text = fc.string({ unit: "grapheme", maxLength: 40 }).map((value) => value.replaceAll("\0", ""));
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const values: Readonly<Record<ArgumentType, Arbitrary<unknown>>> = {
  string: text,
  strings: fc.array(text, { maxLength: 6 }),
  u32,
  u32s: fc.array(u32, { maxLength: 6 }),
  i32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  bool: fc.boolean(),
  bytes: fc.uint8Array({ maxLength: 64 }),
};

const step: Arbitrary<Step> = fc
  .constantFrom(...(Object.keys(STEP_LAYOUTS) as StepName[]))
  .chain((name) =>
    fc
      .record(Object.fromEntries(STEP_LAYOUTS[name].args.map(([field, type]) => [field, values[type]])))
      .map((args) => ({ step: name, ...args }) as unknown as Step),
  );
const plan = fc.array(step, { maxLength: 12 }).map((steps) => ({ steps }));

test("what is written is what is read, for every step there is", () => {
  const plans = fc.sample(plan, RUNS);
  const lines = decoder.decode(plans.map(encodePlan));
  plans.forEach((each, index) => assert.equal(lines[index], planLine(each)));
  const named = new Set(plans.flatMap(({ steps }) => steps.map((each) => each.step)));
  assert.equal(named.size, Object.keys(STEP_LAYOUTS).length);
});

/** Where and how a plan is broken. */
const damage = fc.record({
  kind: fc.constantFrom("cut", "flip", "number", "insert", "drop"),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  byte: fc.integer({ min: 0, max: 255 }),
  number: fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff),
});

function damaged(
  bytes: Buffer,
  { kind, at, byte, number }: { kind: string; at: number; byte: number; number: number },
): Buffer {
  const place = Math.floor(at * bytes.length);
  const broken = Buffer.from(bytes);
  switch (kind) {
    case "cut":
      return broken.subarray(0, place);
    case "flip":
      broken[place] = (broken[place] ?? 0) ^ (byte || 1);
      return broken;
    case "number":
      if (place + 4 <= broken.length) broken.writeUInt32LE(number, place);
      return broken;
    case "insert":
      return Buffer.concat([broken.subarray(0, place), Buffer.of(byte), broken.subarray(place)]);
    default:
      return Buffer.concat([broken.subarray(0, place), broken.subarray(place + 1)]);
  }
}

test("a damaged plan, or no plan at all, is refused or read within its bounds", () => {
  const broken = fc.sample(
    fc
      .tuple(plan, fc.array(damage, { minLength: 1, maxLength: 3 }))
      .map(([each, list]) => list.reduce(damaged, encodePlan(each))),
    RUNS,
  );
  const noise = fc.sample(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.concat([Buffer.from("GLP1"), bytes])),
    RUNS,
  );
  const lines = decoder.decode([...broken, ...noise, Buffer.alloc(0), Buffer.from("GLP"), Buffer.from("GLP1")]);
  assert.equal(lines.length, 2 * RUNS + 3);
  assert.deepEqual(lines.slice(-3, -1), ["refused", "refused"]);
  assert.ok(lines.filter((line) => line.endsWith("refused")).length > RUNS / 2);
});
