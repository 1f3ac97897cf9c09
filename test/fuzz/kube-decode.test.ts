// Whatever a client sends, the decoder answers with an object or with an "invalid" error, and what it accepts it accepts again unchanged.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GantryError } from "#base/errors.ts";
import { decodeObject } from "#formats/kube-decode.ts";
import { parseJson } from "#formats/kube-json.ts";
import { kindSchema, schemaKinds, type Schema } from "#formats/kube-schema.ts";
import { parseSelector } from "#formats/selectors.ts";
import { parseFieldSelector } from "#formats/field-selectors.ts";
import { parseQuantity } from "#formats/quantity.ts";

const RUNS = 300;
const kinds = schemaKinds().filter(
  ({ kind }) => kindSchema({ group: "meta.k8s.io", version: "v1", kind }) === undefined,
);

/** Values that mostly fit a schema. */
function valueOf(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  const wild = fc.jsonValue({ maxDepth: 2 });
  const fitting = (): fc.Arbitrary<unknown> => {
    switch (schema.kind) {
      case "scalar":
        return fc.oneof(
          fc.string({ maxLength: 8 }),
          fc.integer(),
          fc.boolean(),
          fc.constantFrom("1", "500m", "2026-01-01T00:00:00Z"),
        );
      case "list":
        return depth <= 0 ? fc.constant([]) : fc.array(valueOf(schema.items, depth - 1), { maxLength: 2 });
      case "map":
        return depth <= 0
          ? fc.constant({})
          : fc.dictionary(fc.string({ maxLength: 5 }), valueOf(schema.values, depth - 1), { maxKeys: 2 });
      case "struct": {
        if (depth <= 0) return fc.constant({});
        const fields = [...schema.fields.values()];
        return fc
          .subarray(fields, { maxLength: Math.min(4, fields.length) })
          .chain((some) =>
            fc.record(Object.fromEntries(some.map((field) => [field.name, valueOf(field.type, depth - 1)]))),
          );
      }
      default:
        return wild;
    }
  };
  return fc.oneof({ weight: 12, arbitrary: fitting() }, { weight: 1, arbitrary: wild });
}

const document = fc.constantFrom(...kinds).chain((kind) => {
  const schema = kindSchema(kind);
  assert.ok(schema);
  return fc.tuple(fc.constant(kind), valueOf(schema, 5));
});

test("fuzz: decoding is total and idempotent", () => {
  fc.assert(
    fc.property(document, ([kind, value]) => {
      let first;
      try {
        first = decodeObject(kind, value);
      } catch (error) {
        assert.ok(error instanceof GantryError && error.code === "invalid", String(error));
        return;
      }
      const again = decodeObject(kind, JSON.parse(JSON.stringify(first.object)), "Strict");
      assert.deepEqual(again.object, JSON.parse(JSON.stringify(first.object)));
    }),
    { numRuns: RUNS },
  );
});

test("fuzz: JSON texts are refused exactly when JSON.parse refuses them", () => {
  const broken = fc
    .tuple(fc.json(), fc.nat(40), fc.string({ maxLength: 2 }))
    .map(([text, at, piece]) => text.slice(0, at) + piece + text.slice(at + 1));
  fc.assert(
    fc.property(fc.oneof(fc.json(), broken, fc.string()), (text) => {
      let wanted: unknown;
      let fits = true;
      try {
        wanted = JSON.parse(text);
      } catch {
        fits = false;
      }
      if (fits) assert.deepEqual(parseJson(text).value, wanted);
      else assert.throws(() => parseJson(text), { code: "invalid" });
    }),
    { numRuns: RUNS * 5 },
  );
});

test("fuzz: selectors and quantities throw nothing but 'invalid'", () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9!=<>(), .eEKMi+-]{0,20}$/));
  fc.assert(
    fc.property(text, (value) => {
      for (const parse of [parseSelector, parseFieldSelector, parseQuantity]) {
        try {
          parse(value);
        } catch (error) {
          assert.ok(error instanceof GantryError && error.code === "invalid", String(error));
        }
      }
    }),
    { numRuns: RUNS * 5 },
  );
});
