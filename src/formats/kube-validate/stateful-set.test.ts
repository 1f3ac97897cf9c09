import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeObject } from "../kube-decode.ts";
import { applyDefaults } from "../kube-defaults.ts";
import { validateCreate } from "../kube-validate.ts";

const gvk = { group: "apps", version: "v1", kind: "StatefulSet", namespaced: true };

function problems(claim: string): string[] {
  const container = { name: "c", image: "nginx", volumeMounts: [{ name: "data", mountPath: "/data" }] };
  const spec = {
    selector: { matchLabels: { app: "x" } },
    serviceName: "x",
    template: { metadata: { labels: { app: "x" } }, spec: { containers: [container] } },
    volumeClaimTemplates: [
      {
        metadata: { name: claim },
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
      },
    ],
  };
  const { object } = decodeObject(gvk, { metadata: { name: "x", namespace: "default" }, spec });
  applyDefaults(gvk, object);
  return validateCreate(gvk, object).map(({ field, message }) => `${field}: ${message}`);
}

test("containers of a StatefulSet may mount what its claim templates give them", () => {
  assert.deepEqual(problems("data"), []);
  assert.deepEqual(problems("other"), ['spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"']);
});
