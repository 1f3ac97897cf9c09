import assert from "node:assert/strict";
import { test } from "node:test";
import { loadDescriptions, openApiV2, openApiV3, openApiV3Index, type ServedResource } from "./openapi.ts";

/** What a document has at a path of keys. */
function dig(document: unknown, ...keys: readonly string[]): unknown {
  return keys.reduce(
    (at: unknown, key) => (typeof at === "object" && at !== null ? (at as Record<string, unknown>)[key] : undefined),
    document,
  );
}

const ALL = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const DEPLOYMENTS: ServedResource = {
  group: "apps",
  version: "v1",
  resource: "deployments",
  kind: "Deployment",
  namespaced: true,
  verbs: ALL,
  subresources: new Map([
    ["scale", { name: "scale", kind: "Scale", group: "autoscaling", version: "v1", verbs: ["get", "patch", "update"] }],
    ["status", { name: "status", kind: "Deployment", verbs: ["get", "patch", "update"] }],
  ]),
};
const CRONTABS: ServedResource = {
  group: "stable.example.com",
  version: "v1",
  resource: "crontabs",
  kind: "CronTab",
  namespaced: true,
  verbs: ALL,
  subresources: new Map(),
  openApiSchema: {
    description: "A tab.",
    properties: { spec: { type: "object", properties: { image: { type: "string" } } } },
  },
};

const descriptions = await loadDescriptions();
const v3 = openApiV3([DEPLOYMENTS], "v1.36.0", descriptions);
const v2 = openApiV2([DEPLOYMENTS], "v1.36.0", descriptions);

const SCHEMAS = ["components", "schemas"];
const ROOT = "/apis/apps/v1/namespaces/{namespace}/deployments";

test("version 3 has what kubectl explain walks through", () => {
  const gvk = { group: "apps", version: "v1", kind: "Deployment" };
  assert.deepEqual(dig(v3, "paths", ROOT, "get", "x-kubernetes-group-version-kind"), gvk);
  const schema = dig(v3, ...SCHEMAS, "io.k8s.api.apps.v1.Deployment");
  assert.equal(dig(schema, "description"), "Deployment enables declarative updates for Pods and ReplicaSets.");
  assert.deepEqual(dig(schema, "x-kubernetes-group-version-kind"), [gvk]);
  assert.deepEqual(dig(schema, "properties", "spec", "allOf"), [
    { $ref: "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec" },
  ]);
  const containers = dig(v3, ...SCHEMAS, "io.k8s.api.core.v1.PodSpec", "properties", "containers");
  assert.equal(dig(containers, "x-kubernetes-patch-merge-key"), "name");
  assert.deepEqual(dig(containers, "x-kubernetes-list-map-keys"), ["name"]);
  assert.deepEqual(dig(containers, "items"), { $ref: "#/components/schemas/io.k8s.api.core.v1.Container" });
  assert.match(String(dig(containers, "description")), /^List of containers belonging to the pod/);
  assert.equal(dig(v3, ...SCHEMAS, "io.k8s.api.core.v1.ContainerPort", "properties", "protocol", "default"), "TCP");
});

test("patches say their types and take fieldValidation", () => {
  const patch = dig(v3, "paths", `${ROOT}/{name}`, "patch");
  assert.ok(dig(patch, "requestBody", "content", "application/strategic-merge-patch+json"));
  assert.match(JSON.stringify(dig(patch, "parameters")), /"fieldValidation"/);
  const scale = dig(v3, "paths", `${ROOT}/{name}/scale`);
  assert.equal(dig(scale, "get", "x-kubernetes-group-version-kind", "kind"), "Scale");
  assert.equal(dig(scale, "post"), undefined);
});

for (const [name, document, at] of [
  ["v3", v3, SCHEMAS],
  ["v2", v2, ["definitions"]],
] as const) {
  test(`every reference of ${name} leads somewhere`, () => {
    const known = dig(document, ...at);
    const refs = new Set(
      Array.from(
        JSON.stringify(document).matchAll(/"\$ref":"#\/(?:components\/schemas|definitions)\/([^"]+)"/g),
        (match) => match[1] ?? "",
      ),
    );
    assert.ok(refs.size > 100);
    assert.deepEqual(
      [...refs].filter((ref) => dig(known, ref) === undefined),
      [],
    );
  });
}

test("custom resources bring their schema", () => {
  const document = openApiV3([CRONTABS], "v1.36.0", descriptions);
  const schema = dig(document, ...SCHEMAS, "com.example.stable.v1.CronTab");
  assert.equal(dig(schema, "description"), "A tab.");
  assert.equal(dig(schema, "properties", "spec", "properties", "image", "type"), "string");
  assert.deepEqual(dig(schema, "x-kubernetes-group-version-kind"), [
    { group: "stable.example.com", version: "v1", kind: "CronTab" },
  ]);
  assert.ok(dig(document, ...SCHEMAS, "com.example.stable.v1.CronTabList"));
  assert.ok(dig(document, ...SCHEMAS, "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
});

test("the index lists each group version once", () => {
  assert.deepEqual(
    openApiV3Index([DEPLOYMENTS, CRONTABS, DEPLOYMENTS], () => "h"),
    {
      paths: {
        "apis/apps/v1": { serverRelativeURL: "/openapi/v3/apis/apps/v1?hash=h" },
        "apis/stable.example.com/v1": { serverRelativeURL: "/openapi/v3/apis/stable.example.com/v1?hash=h" },
      },
    },
  );
});
