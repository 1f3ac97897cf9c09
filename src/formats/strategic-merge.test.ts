import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { kindSchema, type StructSchema } from "./kube-schema.ts";
import { applyStrategicMergePatch } from "./strategic-merge.ts";

function schemaOf(group: string, kind: string): StructSchema {
  const schema = kindSchema({ group, version: "v1", kind });
  assert.ok(schema);
  return schema;
}
const POD = schemaOf("", "Pod");
const DEPLOYMENT = schemaOf("apps", "Deployment");

const pod = (containers: unknown[], more: object = {}): object => ({ spec: { containers, ...more } });
const names = (out: Record<string, unknown>): string[] =>
  (out["spec"] as { containers: { name: string }[] }).containers.map(({ name }) => name);

test("keyed lists merge by their merge key; scalars replace; null removes", () => {
  const out = applyStrategicMergePatch(
    {
      metadata: { labels: { a: "1", b: "2" } },
      ...pod([
        { name: "web", image: "x:1", args: ["a"] },
        { name: "side", image: "y" },
      ]),
    },
    {
      metadata: { labels: { a: null, c: "3" } },
      ...pod([
        { name: "web", image: "x:2", args: ["b"] },
        { name: "new", image: "z" },
      ]),
    },
    POD,
  );
  assert.deepEqual(out, {
    metadata: { labels: { b: "2", c: "3" } },
    spec: {
      containers: [
        { name: "web", image: "x:2", args: ["b"] },
        { name: "new", image: "z" },
        { name: "side", image: "y" },
      ],
    },
  });
});

test("$patch: delete and replace, on items and on objects", () => {
  const original = pod([{ name: "a" }, { name: "b" }], { nodeSelector: { x: "1" } });
  assert.deepEqual(names(applyStrategicMergePatch(original, pod([{ name: "a", $patch: "delete" }]), POD)), ["b"]);
  assert.deepEqual(names(applyStrategicMergePatch(original, pod([{ $patch: "replace" }, { name: "c" }]), POD)), ["c"]);
  assert.deepEqual(applyStrategicMergePatch(original, { spec: { $patch: "replace", nodeName: "n" } }, POD), {
    spec: { nodeName: "n" },
  });
  assert.deepEqual(applyStrategicMergePatch(original, { spec: { nodeSelector: { $patch: "delete" } } }, POD), {
    spec: { containers: [{ name: "a" }, { name: "b" }], nodeSelector: {} },
  });
  assert.throws(() => applyStrategicMergePatch(original, { $patch: "spam" }, POD), /unknown patch type: spam/);
});

test("$retainKeys drops the members of a union that the patch does not name", () => {
  const out = applyStrategicMergePatch(
    { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } },
    { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } },
    DEPLOYMENT,
  );
  assert.deepEqual(out, { spec: { strategy: { type: "Recreate" } } });
  const volumes = applyStrategicMergePatch(
    { spec: { volumes: [{ name: "v", emptyDir: {} }] } },
    { spec: { volumes: [{ name: "v", $retainKeys: ["name", "hostPath"], hostPath: { path: "/x" } }] } },
    POD,
  );
  assert.deepEqual(volumes, { spec: { volumes: [{ name: "v", hostPath: { path: "/x" } }] } });
  const bad = { spec: { strategy: { $retainKeys: ["rollingUpdate"], type: "Recreate" } } };
  assert.throws(() => applyStrategicMergePatch({ spec: { strategy: {} } }, bad, DEPLOYMENT), {
    message: "invalid patch format of retainKeys",
  });
});

test("$deleteFromPrimitiveList takes values away; primitive lists with merge strategy become sets", () => {
  const original = { metadata: { finalizers: ["a", "b", "c"] } };
  assert.deepEqual(
    applyStrategicMergePatch(original, { metadata: { "$deleteFromPrimitiveList/finalizers": ["b"] } }, POD),
    {
      metadata: { finalizers: ["a", "c"] },
    },
  );
  const added = applyStrategicMergePatch(original, { metadata: { finalizers: ["d", "a"] } }, POD);
  assert.deepEqual((added["metadata"] as { finalizers: string[] }).finalizers.toSorted(), ["a", "b", "c", "d"]);
});

test("$setElementOrder orders what it names and leaves the server's own items in their place", () => {
  const original = pod([{ name: "a" }, { name: "server" }, { name: "b" }]);
  const patch = {
    spec: { "$setElementOrder/containers": [{ name: "b" }, { name: "c" }, { name: "a" }], containers: [{ name: "c" }] },
  };
  assert.deepEqual(names(applyStrategicMergePatch(original, patch, POD)), ["server", "b", "c", "a"]);
  const reorder = { spec: { "$setElementOrder/containers": [{ name: "b" }, { name: "a" }] } };
  assert.deepEqual(names(applyStrategicMergePatch(original, reorder, POD)), ["server", "b", "a"]);
});

test("atomic lists replace; directives in new parts vanish", () => {
  const out = applyStrategicMergePatch(
    { spec: { tolerations: [{ key: "a" }] } },
    {
      spec: {
        tolerations: [{ key: "b" }],
        volumes: [
          { name: "v", $patch: "delete" },
          { name: "w", emptyDir: { $patch: "replace" } },
        ],
      },
    },
    POD,
  );
  assert.deepEqual(out, { spec: { tolerations: [{ key: "b" }], volumes: [{ name: "w", emptyDir: {} }] } });
});

test("lists need their key; unknown fields are named", () => {
  assert.throws(() => applyStrategicMergePatch(pod([{ name: "a" }]), pod([{ image: "x" }]), POD), {
    message: 'map: {"image":"x"} does not contain declared merge key: name',
  });
  assert.throws(() => applyStrategicMergePatch({ spec: { foo: {} } }, { spec: { foo: {} } }, POD), {
    message: 'unable to find api field in struct PodSpec for the json field "foo"',
  });
  assert.throws(() => applyStrategicMergePatch(pod([{ name: "a" }]), pod(["x"]), POD), /not identical/);
});

const container = fc.record(
  { name: fc.constantFrom("a", "b", "c", "d"), image: fc.constantFrom("x", "y") },
  { noNullPrototype: true },
);
const containers = fc.uniqueArray(container, { selector: ({ name }) => name, minLength: 1 });

test("property: replacing a list leads to the patch's list; applying a patch twice changes nothing more", () => {
  fc.assert(
    fc.property(containers, containers, (before, after) => {
      const replaced = applyStrategicMergePatch(pod(before), pod([{ $patch: "replace" }, ...after]), POD);
      assert.deepEqual(replaced, pod(after));
      const once = applyStrategicMergePatch(pod(before), pod(after), POD);
      assert.deepEqual(applyStrategicMergePatch(once, pod(after), POD), once);
      assert.deepEqual(names(once).toSorted(), [...new Set([...before, ...after].map(({ name }) => name))].toSorted());
    }),
  );
});
