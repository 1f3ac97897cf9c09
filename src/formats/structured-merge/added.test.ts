import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeObject } from "../kube-decode.ts";
import { kindSchema } from "../kube-schema.ts";
import { zeroValue } from "../kube-schema/decode.ts";
import { addedFields } from "./added.ts";
import { cutSets, encodeFieldsV1, setOfFields, subtractSets, unionSets } from "./field-set.ts";
import { shapeOf } from "./shape.ts";
import { compareValues } from "./walk.ts";

const GVK = { group: "", version: "v1", kind: "Pod" };
const schema = kindSchema(GVK);
assert.ok(schema);
const shape = shapeOf(schema);
const before = zeroValue(schema);
const except = setOfFields("metadata.name", "metadata.uid", "status");

const word = fc.constantFrom("a", "b", "c", "web");
const words = fc.dictionary(word, word, { maxKeys: 3 });
const port = fc.record({ containerPort: fc.integer({ min: 1, max: 3 }), protocol: fc.constantFrom("TCP", "UDP") });
const container = fc.record(
  {
    name: word,
    image: word,
    ports: fc.array(port, { maxLength: 3 }),
    args: fc.array(word, { maxLength: 2 }),
    env: fc.array(fc.record({ name: word, value: word }), { maxLength: 2 }),
    resources: fc.record({ limits: words }, { requiredKeys: [] }),
  },
  { requiredKeys: ["name"] },
);
const pod = fc.record(
  {
    metadata: fc.record(
      { name: word, labels: words, finalizers: fc.array(word, { maxLength: 3 }), uid: word },
      { requiredKeys: [] },
    ),
    spec: fc.record(
      {
        containers: fc.array(container, { maxLength: 3 }),
        nodeSelector: words,
        tolerations: fc.array(fc.record({ key: word }), { maxLength: 2 }),
        hostNetwork: fc.boolean(),
      },
      { requiredKeys: [] },
    ),
    status: fc.record({ phase: word }, { requiredKeys: [] }),
  },
  { requiredKeys: ["metadata"] },
);

test("the walk over a new object says what comparing, cutting and encoding say", () => {
  fc.assert(
    fc.property(pod, (value) => {
      const changes = compareValues(before, value, shape);
      const set = cutSets(subtractSets(unionSets(changes.modified, changes.added), changes.removed), except);
      const fields = addedFields(before, value, shape, except) ?? {};
      // The order of the keys counts too: it is what clients see.
      assert.equal(JSON.stringify(fields), JSON.stringify(encodeFieldsV1(set)));
    }),
    { numRuns: 500 },
  );
});

test("a decoded object too, whose empty parts are written", () => {
  const { object } = decodeObject(GVK, { metadata: { name: "a" }, spec: { containers: [{ name: "c" }] } });
  assert.deepEqual(addedFields(before, object, shape, except), {
    "f:spec": { "f:containers": { 'k:{"name":"c"}': { ".": {}, "f:name": {}, "f:resources": {} } } },
  });
});
