import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeObject } from "../kube-decode.ts";
import { applyDefaults } from "../kube-defaults.ts";
import type { KubeObject } from "../kube-object.ts";
import { splitGroupVersion } from "../kube-schema.ts";
import { invalidMessage, validateCreate, validateUpdate } from "../kube-validate.ts";

const CLUSTER = new Set([
  "Namespace",
  "Node",
  "PersistentVolume",
  "ClusterRole",
  "ClusterRoleBinding",
  "StorageClass",
  "PriorityClass",
  "ValidatingWebhookConfiguration",
]);

function made(
  apiVersion: string,
  kind: string,
  document: object,
): { gvk: { group: string; version: string; kind: string; namespaced: boolean }; object: KubeObject } {
  const gvk = { ...splitGroupVersion(apiVersion), kind, namespaced: !CLUSTER.has(kind) };
  const metadata = { name: "x", ...(gvk.namespaced ? { namespace: "default" } : {}) };
  const { object } = decodeObject(gvk, { metadata, ...document });
  applyDefaults(gvk, object);
  return { gvk, object };
}

const C = { name: "c", image: "nginx" };
const pod = (spec: object): object => ({ spec: { containers: [C], ...spec } });
const container = (more: object): object => pod({ containers: [{ ...C, ...more }] });
const template = { metadata: { labels: { app: "x" } }, spec: { containers: [C] } };
const selector = { matchLabels: { app: "x" } };

function changed(apiVersion: string, kind: string, before: object, after: object): string[] {
  const old = made(apiVersion, kind, before);
  const now = made(apiVersion, kind, after);
  return validateUpdate(now.gvk, now.object, old.object).map(({ field, message }) => `${field}: ${message}`);
}

test("what is fixed stays fixed", () => {
  assert.deepEqual(changed("v1", "Pod", container({}), container({ image: "other" })), []);
  assert.deepEqual(changed("v1", "Pod", pod({}), pod({ tolerations: [{ operator: "Exists" }] })), []);
  const [first, ...rest] = changed("v1", "Pod", pod({}), pod({ hostNetwork: true }));
  assert.match(
    first ?? "",
    /^spec: Forbidden: pod updates may not change fields other than `spec\.containers\[\*\]\.image`/,
  );
  assert.match(first ?? "", /\+ spec\.hostNetwork: true/);
  assert.deepEqual(rest, []);
  assert.deepEqual(changed("v1", "Pod", pod({}), pod({ containers: [C, { ...C, name: "d" }] })), [
    "spec.containers: Forbidden: pod updates may not add or remove containers",
  ]);
  const other = {
    selector: { matchLabels: { app: "x", b: "c" } },
    template: { ...template, metadata: { labels: { app: "x", b: "c" } } },
  };
  assert.deepEqual(changed("apps/v1", "Deployment", { spec: { selector, template } }, { spec: other }), [
    'spec.selector: Invalid value: {"matchLabels":{"app":"x","b":"c"}}: field is immutable',
  ]);
  assert.deepEqual(
    changed("v1", "ConfigMap", { immutable: true, data: { a: "b" } }, { immutable: true, data: { a: "c" } }),
    ["data: Forbidden: field is immutable when `immutable` is set"],
  );
  assert.deepEqual(changed("v1", "Secret", { type: "a" }, { type: "b" }), [
    'type: Invalid value: "b": field is immutable',
  ]);
  const ports = [{ port: 80 }];
  assert.deepEqual(
    changed(
      "v1",
      "Service",
      { spec: { ports, clusterIP: "10.0.0.1", clusterIPs: ["10.0.0.1"] } },
      { spec: { ports, clusterIP: "10.0.0.2", clusterIPs: ["10.0.0.2"] } },
    ),
    ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'],
  );
  assert.match(
    changed(
      "apps/v1",
      "StatefulSet",
      { spec: { selector, template, serviceName: "a" } },
      { spec: { selector, template, serviceName: "b" } },
    )[0] ?? "",
    /^spec: Forbidden: updates to statefulset spec for fields other than 'replicas'/,
  );
  const roleRef = (name: string): object => ({ roleRef: { kind: "ClusterRole", name } });
  assert.match(
    changed("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef("a"), roleRef("b"))[0] ?? "",
    /cannot change roleRef/,
  );
});

test("errors render as one sentence", () => {
  const { gvk, object } = made("apps/v1", "Deployment", {
    spec: { selector, template: { ...template, spec: { containers: [{ name: "a" }] } } },
  });
  assert.equal(
    invalidMessage(gvk, "x", validateCreate(gvk, object)),
    'Deployment.apps "x" is invalid: spec.template.spec.containers[0].image: Required value',
  );
  const two = made("v1", "Pod", pod({ containers: [{}] }));
  assert.equal(
    invalidMessage(two.gvk, "x", validateCreate(two.gvk, two.object)),
    'Pod "x" is invalid: [spec.containers[0].name: Required value, spec.containers[0].image: Required value]',
  );
});
