// Any text as a selector, and any document as a custom resource's schema: an answer or an "invalid" error, soon, and nothing else.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GantryError } from "#base/errors.ts";
import { parseFieldSelector } from "#formats/field-selectors.ts";
import { matchesSelector, parseSelector } from "#formats/selectors.ts";
import { startApiServer } from "#test/api-server.ts";

const RUNS = 3000;
/** Far more than any takes whose time grows with its length. */
const LONGEST_MS = 3000;

function soon<T>(run: () => T): T | undefined {
  const started = performance.now();
  try {
    return run();
  } catch (error) {
    assert.ok(error instanceof GantryError && error.code === "invalid", String(error));
    return undefined;
  } finally {
    assert.ok(performance.now() - started < LONGEST_MS, "it took too long");
  }
}

const word = fc.constantFrom("a", "app", "x.io/a", "in", "notin", "exists", "__proto__", "-", "a-", "é", "", "A_b.c");
const mark = fc.constantFrom(
  "=",
  "==",
  "!=",
  "!",
  ",",
  "(",
  ")",
  " ",
  ">",
  "<",
  "in",
  " notin (",
  "\t",
  "\\",
  '"',
  "\u0000",
);
const selector = fc.array(fc.oneof(word, mark), { maxLength: 24 }).map((parts) => parts.join(""));
const labels = fc.dictionary(word, word, { maxKeys: 4 });

test("label selectors", () => {
  fc.assert(
    fc.property(fc.oneof(selector, fc.string({ maxLength: 200 })), labels, (text, given) => {
      const parsed = soon(() => parseSelector(text));
      if (!parsed) return;
      const matches = soon(() => matchesSelector(parsed, given));
      assert.equal(typeof matches, "boolean");
    }),
    { numRuns: RUNS },
  );
  // Long ones cost no more than their length.
  for (const part of ["a,", "a in (b),", "a in (", "((((", "!", "a=b,", " "])
    soon(() => parseSelector(part.repeat(20_000)));
});

test("field selectors", () => {
  fc.assert(
    fc.property(fc.oneof(selector, fc.string({ maxLength: 200 })), (text) => {
      const parsed = soon(() => parseFieldSelector(text));
      assert.ok(parsed === undefined || Array.isArray(parsed));
    }),
    { numRuns: RUNS },
  );
  for (const part of ["a=b,", "\\", "a!=", ",,"]) soon(() => parseFieldSelector(part.repeat(20_000)));
});

const text = fc.constantFrom("^a+$", "^(a+)+$", "[", "date-time", "int32", "", "x", "__proto__");
const fieldName = fc.constantFrom("a", "b", "name", "__proto__", "constructor", "x-y");
const { schema, value } = fc.letrec<{ schema: object; value: unknown }>((tie) => {
  const common = { nullable: fc.boolean(), description: text };
  const of = (fields: object) =>
    fc.record({ ...common, ...(fields as Record<string, fc.Arbitrary<unknown>>) }, { requiredKeys: ["type"] as never });
  const properties = fc.dictionary(fieldName, tie("schema"), { maxKeys: 3, noNullPrototype: true });
  return {
    schema: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      of({
        type: fc.constant("string"),
        pattern: text,
        minLength: fc.integer(),
        enum: fc.array(text),
        format: text,
        default: text,
      }),
      of({ type: fc.constant("integer"), maximum: fc.integer(), multipleOf: fc.integer(), default: fc.integer() }),
      of({ type: fc.constant("boolean"), default: fc.boolean() }),
      of({ type: fc.constant("object"), properties, required: fc.array(fieldName, { maxLength: 2 }) }),
      of({
        type: fc.constant("object"),
        properties,
        "x-kubernetes-preserve-unknown-fields": fc.boolean(),
        default: tie("value"),
      }),
      of({ type: fc.constant("object"), additionalProperties: tie("schema"), minProperties: fc.integer() }),
      of({
        type: fc.constant("array"),
        items: tie("schema"),
        maxItems: fc.integer(),
        "x-kubernetes-list-type": fc.constantFrom("set", "map", "atomic", "other"),
        "x-kubernetes-list-map-keys": fc.array(fieldName, { maxLength: 2 }),
      }),
      fc.dictionary(text, tie("value"), { maxKeys: 3, noNullPrototype: true }) as fc.Arbitrary<object>,
    ),
    value: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom("x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 1, -1, 1.5, true, null),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fieldName, tie("value"), { maxKeys: 4, noNullPrototype: true }),
    ),
  };
});

test("schemas of custom resources, and objects against them", async (t) => {
  const { request } = await startApiServer(t);
  const type = { "content-type": "application/json" };
  const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  let number = 0;
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(schema, value, async (properties, given) => {
      const plural = `kind${number++}s`;
      const names = { plural, singular: plural.slice(0, -1), kind: `Kind${number}`, listKind: `Kind${number}List` };
      const openAPIV3Schema = { type: "object", properties: { spec: properties } };
      const versions = [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema } }];
      const body = JSON.stringify({
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: `${plural}.fuzz.example.com` },
        spec: { group: "fuzz.example.com", scope: "Namespaced", names, versions },
      });
      const made = await request("POST", crds, { headers: type, body });
      assert.ok(made.status < 500, `${made.status} ${made.text} for ${body}`);
      if (made.status !== 201) return;
      taken++;
      const object = { apiVersion: "fuzz.example.com/v1", kind: names.kind, metadata: { name: "x" }, spec: given };
      const path = `/apis/fuzz.example.com/v1/namespaces/default/${plural}`;
      const stored = await request("POST", path, { headers: type, body: JSON.stringify(object) });
      assert.ok(stored.status < 500, `${stored.status} ${stored.text} for ${body} and ${JSON.stringify(object)}`);
      assert.equal((await request("DELETE", `${crds}/${plural}.fuzz.example.com`)).status, 200);
    }),
    { numRuns: 50 },
  );
  assert.ok(taken > 2, `only ${taken} schemas were taken: nothing was tried against them`);
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
});
