import assert from "node:assert/strict";
import { test } from "node:test";
import { mirrorOf, staticPod } from "./static-pods.ts";

const manifest =
  "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: web\n    image: nginx\n";

test("a manifest becomes a pod named after the node, with a uid of its content", () => {
  const pod = staticPod(manifest, "web.yaml", "Node-1");
  assert.equal(pod.metadata.name, "web-node-1");
  assert.equal(pod.metadata.namespace, "default");
  assert.match(pod.metadata.uid ?? "", /^[0-9a-f]{32}$/);
  assert.equal(pod.spec?.restartPolicy, "Always");
  assert.notEqual(staticPod(`${manifest} `, "web.yaml", "Node-1").metadata.uid, pod.metadata.uid);
});

test("its mirror carries the hash and belongs to the node", () => {
  const pod = staticPod(manifest, "web.yaml", "n");
  const mirror = mirrorOf(pod, { name: "n", uid: "u" });
  assert.equal(mirror.metadata.uid, undefined);
  assert.equal(mirror.metadata.annotations?.["kubernetes.io/config.mirror"], pod.metadata.uid);
  assert.equal(mirror.metadata.ownerReferences?.[0]?.kind, "Node");
});

test("what is no pod is refused", () => {
  assert.throws(
    () => staticPod("kind: Service\napiVersion: v1", "x.yaml", "n"),
    /x.yaml: a static pod manifest is one v1 Pod/,
  );
  assert.throws(() => staticPod("just text", "x.yaml", "n"), /one v1 Pod/);
  assert.throws(
    () => staticPod("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {}", "x.yaml", "n"),
    /spec.containers: Required value/,
  );
});
