import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isGantryError } from "#base/errors.ts";
import { decodeObject } from "./kube-decode.ts";
import type { KubeObject } from "./kube-object.ts";
import { kindSchema } from "./kube-schema.ts";
import type { Deployment, ManagedFieldsEntry } from "./kube-types.generated.ts";
import { applyConfiguration, trackUpdate, type FieldManagement } from "./structured-merge.ts";

const GVK = { group: "apps", version: "v1", kind: "Deployment" };
const schema = kindSchema(GVK);
assert.ok(schema);
const START = Date.UTC(2026, 0, 1);
const by = (manager: string, more: Partial<FieldManagement> = {}): FieldManagement => ({
  schema,
  apiVersion: "apps/v1",
  manager,
  now: START,
  resetFields: ["status"],
  ...more,
});

function deployment(spec: object, metadata: object = {}): Deployment {
  const document = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", ...metadata }, spec };
  return decodeObject(GVK, document).object as Deployment;
}
const template = (image: string, env: object[] = []): object => ({
  metadata: { labels: { app: "web" } },
  spec: { containers: [{ name: "c", image, env }] },
});
const config = (spec: object, metadata: object = {}): KubeObject =>
  ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", ...metadata },
    spec,
  }) as KubeObject;
const withFields = (object: KubeObject, managedFields: ManagedFieldsEntry[]): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, managedFields },
});
const apply = (live: KubeObject | undefined, wanted: KubeObject, manager: string, force = false): Deployment => {
  const { object } = applyConfiguration(live, wanted, by(manager), force);
  return decodeObject(GVK, object).object as Deployment;
};
const owners = (object: KubeObject): string[] =>
  (object.metadata.managedFields ?? []).map(({ manager, operation }) => `${manager} ${operation}`);

test("a created object's fields belong to its creator, as a real API server records them", () => {
  const after = deployment(
    {
      replicas: 1,
      selector: { matchLabels: { app: "web" } },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } },
      template: template("x:1"),
    },
    { labels: { app: "web" } },
  );
  const [entry] = trackUpdate(undefined, after, by("kubectl-create"));
  assert.deepEqual(entry, {
    manager: "kubectl-create",
    operation: "Update",
    apiVersion: "apps/v1",
    time: "2026-01-01T00:00:00Z",
    fieldsType: "FieldsV1",
    fieldsV1: {
      "f:metadata": { "f:labels": { ".": {}, "f:app": {} } },
      "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:strategy": { "f:rollingUpdate": { ".": {}, "f:maxSurge": {} }, "f:type": {} },
        "f:template": {
          "f:metadata": { "f:labels": { ".": {}, "f:app": {} } },
          "f:spec": {
            "f:containers": { 'k:{"name":"c"}': { ".": {}, "f:image": {}, "f:name": {}, "f:resources": {} } },
          },
        },
      },
    },
  });
});

test("an update moves what it changed to its manager; status is tracked apart", () => {
  const first = deployment({ replicas: 1, paused: true });
  const live = withFields(first, trackUpdate(undefined, first, by("a")));
  const scaled = withFields(deployment({ replicas: 3 }), live.metadata.managedFields ?? []);
  const fields = trackUpdate(live, scaled, by("b", { now: START + 60_000 }));
  assert.deepEqual(
    fields.map(({ manager, fieldsV1 }) => [manager, fieldsV1]),
    [["b", { "f:spec": { "f:replicas": {} } }]],
  );
  const withStatus = { ...scaled, status: { replicas: 3 } } as KubeObject;
  const viaStatus = trackUpdate(
    live,
    withStatus,
    by("c", { subresource: "status", resetFields: ["spec", "metadata"] }),
  );
  assert.deepEqual(viaStatus.find(({ manager }) => manager === "c")?.fieldsV1, { "f:status": { "f:replicas": {} } });
  assert.equal(viaStatus.find(({ manager }) => manager === "c")?.subresource, "status");
  assert.deepEqual(trackUpdate(live, withFields(scaled, []), by("b")), []);
});

test("apply creates, takes over with force, and conflicts without", () => {
  const live = apply(undefined, config({ replicas: 1, template: template("x:1") }), "one");
  assert.deepEqual(owners(live), ["one Apply"]);
  assert.throws(
    () => apply(live, config({ replicas: 2 }), "two"),
    (error) => {
      assert.ok(isGantryError(error, "conflict"));
      assert.equal(error.message, 'Apply failed with 1 conflict: conflict with "one": .spec.replicas');
      assert.deepEqual(error.details["causes"], [
        { reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".spec.replicas" },
      ]);
      return true;
    },
  );
  const forced = apply(live, config({ replicas: 2 }), "two", true);
  assert.equal(forced.spec?.replicas, 2);
  assert.deepEqual(owners(forced), ["one Apply", "two Apply"]);
  const shared = apply(live, config({ replicas: 1 }), "two");
  assert.deepEqual(owners(shared), ["one Apply", "two Apply"]);
});

test("conflicts with an updater name its version; several are listed", () => {
  const first = deployment({ replicas: 1, paused: true, minReadySeconds: 5 });
  const live = withFields(first, trackUpdate(undefined, first, by("kubectl")));
  assert.throws(() => apply(live, config({ replicas: 2 }), "me"), {
    message: 'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas',
  });
  assert.throws(() => apply(live, config({ replicas: 2, minReadySeconds: 6 }), "me"), {
    message:
      'Apply failed with 2 conflicts: conflicts with "kubectl" using apps/v1:\n- .spec.minReadySeconds\n- .spec.replicas',
  });
});

test("what a manager stops applying goes, unless someone else owns it", () => {
  const one = apply(
    undefined,
    config(
      {
        replicas: 1,
        template: template("x:1", [
          { name: "A", value: "1" },
          { name: "B", value: "2" },
        ]),
      },
      { labels: { a: "1", b: "2" } },
    ),
    "one",
  );
  const two = apply(one, config({}, { labels: { b: "2" } }), "two");
  const less = apply(two, config({ replicas: 1, template: template("x:1", [{ name: "B", value: "2" }]) }), "one");
  assert.deepEqual(less.metadata.labels, { b: "2" });
  assert.deepEqual(less.spec?.template.spec?.containers[0]?.env, [{ name: "B", value: "2" }]);
  const gone = apply(less, config({ template: template("x:1") }), "one");
  assert.equal(gone.spec?.replicas, undefined);
  assert.equal(gone.spec?.template.spec?.containers[0]?.env, undefined);
});

test("keyed lists merge by key, with the key's defaults; sets merge by value; atomic lists replace", () => {
  const container = (ports: object[]): object => ({
    metadata: {},
    spec: { containers: [{ name: "c", ports }], tolerations: [{ key: "a" }] },
  });
  const live = apply(
    undefined,
    config({ template: container([{ containerPort: 80 }]) }, { finalizers: ["a/b"] }),
    "one",
  );
  const more = apply(
    live,
    config(
      {
        template: container([
          { containerPort: 80, protocol: "TCP" },
          { containerPort: 80, protocol: "UDP" },
        ]),
      },
      { finalizers: ["c/d"] },
    ),
    "two",
    true,
  );
  assert.equal(more.spec?.template.spec?.containers[0]?.ports?.length, 2);
  assert.deepEqual(more.metadata.finalizers, ["a/b", "c/d"]);
});

test("applying the same again changes nothing, not even the time", () => {
  const wanted = config({ replicas: 1, template: template("x:1") });
  const live = apply(undefined, wanted, "one");
  const again = applyConfiguration(live, wanted, by("one", { now: START + 60_000 }), false);
  assert.equal(again.changed, false);
  assert.deepEqual(again.object.metadata.managedFields, live.metadata.managedFields);
});

test("equal quantities do not conflict", () => {
  const limits = (cpu: string): object => ({
    template: { spec: { containers: [{ name: "c", resources: { limits: { cpu } } }] } },
  });
  const live = apply(undefined, config(limits("500m")), "one");
  assert.deepEqual(owners(apply(live, config(limits("0.5")), "two")), ["one Apply", "two Apply"]);
});

test("an object nobody tracked becomes tracked by the first apply", () => {
  const live = deployment({ replicas: 1 });
  assert.throws(
    () => apply(live, config({ replicas: 2 }), "me"),
    /conflict with "before-first-apply" using apps\/v1: \.spec\.replicas/,
  );
  assert.deepEqual(trackUpdate(live, live, by("x")), []);
});

test("a configuration that does not fit is refused", () => {
  const prefix = "failed to create typed patch object (/web; apps/v1, Kind=Deployment): ";
  assert.throws(() => apply(undefined, config({ foo: 1 }), "me"), {
    message: `${prefix}.spec.foo: field not declared in schema`,
  });
  assert.throws(() => apply(undefined, config({ replicas: {} }), "me"), {
    message: `${prefix}.spec.replicas: expected scalar, got {}`,
  });
  assert.throws(
    () => apply(undefined, config({ template: { spec: { containers: [{ name: "c" }, { name: "c" }] } } }), "me"),
    {
      message: '.spec.template.spec.containers: duplicate entries for key [name="c"]',
    },
  );
  assert.throws(() => apply(undefined, config({}, { managedFields: [{}] }), "me"), {
    message: "metadata.managedFields must be nil",
  });
});

test("updaters beyond ten are folded into ancient-changes", () => {
  let live: KubeObject = withFields(deployment({ replicas: 0 }), []);
  live = withFields(live, trackUpdate(undefined, live, by("m0")));
  for (let n = 1; n <= 14; n++) {
    const labels = Object.fromEntries(Array.from({ length: n }, (_, index) => [`l${index}`, "x"]));
    const next = withFields(deployment({ replicas: 0 }, { labels }), live.metadata.managedFields ?? []);
    live = withFields(next, trackUpdate(live, next, by(`m${n}`, { now: START + n * 1000 })));
  }
  assert.equal(live.metadata.managedFields?.length, 10);
  assert.ok(owners(live).includes("ancient-changes Update"));
});

const labels = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.constantFrom("1", "2"), { noNullPrototype: true });
test("property: after appliers with force, each label is what its last applier said, and dropped ones are gone", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom("one", "two"), labels), { minLength: 1, maxLength: 6 }), (steps) => {
      let live: Deployment | undefined;
      const owned = new Map<string, Set<string>>();
      const wanted = new Map<string, string>();
      for (const [manager, set] of steps) {
        live = apply(live, config({ replicas: 1 }, { labels: set }), manager, true);
        for (const key of owned.get(manager) ?? []) {
          const kept = key in set || [...owned].some(([other, keys]) => other !== manager && keys.has(key));
          if (!kept) wanted.delete(key);
        }
        for (const [key, value] of Object.entries(set)) {
          if (wanted.get(key) !== value) for (const keys of owned.values()) keys.delete(key);
          wanted.set(key, value);
        }
        owned.set(manager, new Set(Object.keys(set)));
      }
      assert.deepEqual(live?.metadata.labels ?? {}, Object.fromEntries([...wanted].sort()));
    }),
  );
});
