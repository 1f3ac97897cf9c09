// Any patch on any document: a new document or an "invalid"/"too-large" error, never a change to what came in, never a polluted prototype.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GantryError } from "#base/errors.ts";
import { applyJsonPatch, type PatchOperation } from "#formats/json-patch.ts";
import { kindSchema } from "#formats/kube-schema.ts";
import { applyMergePatch } from "#formats/merge-patch.ts";
import { applyStrategicMergePatch } from "#formats/strategic-merge.ts";

const RUNS = 2000;
const key = fc.constantFrom(
  "spec",
  "containers",
  "name",
  "metadata",
  "labels",
  "finalizers",
  "a",
  "__proto__",
  "constructor",
  "$patch",
  "$retainKeys",
  "$setElementOrder/containers",
  "$deleteFromPrimitiveList/finalizers",
  "polluted",
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "medium" },
    fc.constantFrom("replace", "delete", "merge", "x"),
    fc.integer(),
    fc.constant(null),
    fc.array(tie("tree"), { maxLength: 3 }),
    fc.dictionary(key, tie("tree"), { noNullPrototype: true, maxKeys: 5 }),
  ),
}));
const pointer = fc
  .array(fc.oneof(key, fc.constantFrom("0", "-1", "-", "~1")), { maxLength: 4 })
  .map((parts) => parts.map((part) => `/${part}`).join(""));
const operation = fc.record({
  op: fc.constantFrom("add", "remove", "replace", "move", "copy", "test", "x"),
  path: pointer,
  from: pointer,
  value: tree,
});

function survives(run: () => unknown, inputs: readonly unknown[]): void {
  const before = JSON.stringify(inputs);
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof GantryError && ["invalid", "too-large"].includes(error.code), String(error));
  }
  assert.equal(JSON.stringify(inputs), before);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
}

test("fuzz: JSON patch", () => {
  fc.assert(
    fc.property(tree, fc.array(operation, { maxLength: 6 }), (document, patch) => {
      survives(() => applyJsonPatch(document, patch as PatchOperation[]), [document, patch]);
    }),
    { numRuns: RUNS },
  );
});

test("fuzz: merge patch", () => {
  fc.assert(
    fc.property(tree, tree, (document, patch) => survives(() => applyMergePatch(document, patch), [document, patch])),
    { numRuns: RUNS },
  );
});

test("fuzz: strategic merge patch", () => {
  const schema = kindSchema({ group: "", version: "v1", kind: "Pod" });
  assert.ok(schema);
  fc.assert(
    fc.property(tree, tree, (document, patch) =>
      survives(() => applyStrategicMergePatch(document, patch, schema), [document, patch]),
    ),
    { numRuns: RUNS },
  );
});
