// Server-side apply on anything that decodes: an object or an "invalid"/"conflict" error; what is applied is there, and applying it again changes nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { GantryError } from "#base/errors.ts";
import { decodeObject } from "#formats/kube-decode.ts";
import type { KubeObject } from "#formats/kube-object.ts";
import { kindSchema } from "#formats/kube-schema.ts";
import { applyConfiguration, trackUpdate, type FieldManagement } from "#formats/structured-merge.ts";

const GVK = { group: "", version: "v1", kind: "Pod" };
const schema = kindSchema(GVK);
assert.ok(schema);
const by = (manager: string): FieldManagement => ({
  schema,
  apiVersion: "v1",
  manager,
  resetFields: ["status"],
  now: 0,
});

const text = fc.constantFrom("a", "b", "c", "__proto__");
const port = fc.record(
  { containerPort: fc.constantFrom(80, 81), protocol: fc.constantFrom("TCP", "UDP"), name: text },
  { requiredKeys: ["containerPort"], noNullPrototype: true },
);
const container = fc.record(
  {
    name: text,
    image: text,
    args: fc.array(text, { maxLength: 2 }),
    ports: fc.array(port, { maxLength: 3 }),
    env: fc.array(fc.record({ name: text, value: text }, { noNullPrototype: true }), { maxLength: 3 }),
  },
  { requiredKeys: ["name"], noNullPrototype: true },
);
const map = fc.dictionary(text, text, { noNullPrototype: true });
const document = fc.record(
  {
    metadata: fc.record(
      { name: fc.constant("x"), labels: map, finalizers: fc.array(text, { maxLength: 3 }) },
      { requiredKeys: ["name"], noNullPrototype: true },
    ),
    spec: fc.record(
      { containers: fc.array(container, { maxLength: 3 }), nodeSelector: map, hostNetwork: fc.boolean() },
      { requiredKeys: [], noNullPrototype: true },
    ),
  },
  { noNullPrototype: true },
);

test("fuzz: server-side apply", () => {
  const step = fc.tuple(fc.constantFrom("apply", "update"), fc.constantFrom("one", "two"), fc.boolean(), document);
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), (steps) => {
      let live: KubeObject | undefined;
      for (const [verb, manager, force, wanted] of steps) {
        const before = JSON.stringify([live, wanted]);
        try {
          if (verb === "apply") {
            const applied = applyConfiguration(live, wanted as KubeObject, by(manager), force);
            const object = decodeObject(GVK, JSON.parse(JSON.stringify(applied.object))).object;
            assert.equal(applyConfiguration(object, wanted as KubeObject, by(manager), force).changed, false);
            assert.equal(JSON.stringify([live, wanted]), before);
            live = object;
          } else {
            const object = decodeObject(GVK, wanted).object;
            const managedFields = trackUpdate(live, object, by(manager));
            live = { ...object, metadata: { ...object.metadata, managedFields } };
          }
        } catch (error) {
          assert.ok(error instanceof GantryError && ["invalid", "conflict"].includes(error.code), String(error));
        }
      }
    }),
    { numRuns: 500 },
  );
});
