// Custom resources with the real kubectl.
import assert from "node:assert/strict";
import { it } from "node:test";
import { startApiServer, type TestServer } from "#test/api-server.ts";

const CRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [cronSpec]
            properties:
              cronSpec: {type: string, pattern: '^(\\S+\\s){4}\\S+$', description: When it runs.}
              image: {type: string, default: "busybox"}
              replicas: {type: integer, minimum: 1, maximum: 10, default: 1}
              mode: {type: string, enum: [fast, slow]}
              hooks:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties: {name: {type: string}, port: {x-kubernetes-int-or-string: true}}
          status:
            type: object
            properties: {replicas: {type: integer}, labelSelector: {type: string}}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.labelSelector}
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    selectableFields: [{jsonPath: .spec.mode}]
  - name: v1beta1
    served: true
    storage: false
    deprecated: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`;

const TAB = `
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: mine}
spec: {cronSpec: "* * * * */5", mode: fast}
`;

async function defined(t: Parameters<typeof startApiServer>[0]): Promise<TestServer> {
  const test = await startApiServer(t);
  await test.kubectl(["apply", "-f", "-"], { stdin: CRD });
  await test.kubectl(["wait", "crd/crontabs.stable.example.com", "--for=condition=Established", "--timeout=10s"]);
  return test;
}

it("serves what a definition defines: discovery, columns, defaults, status, scale, explain", async (t) => {
  const { kubectl } = await defined(t);
  assert.match(
    await kubectl(["api-resources", "--api-group=stable.example.com", "--no-headers"]),
    /crontabs +ct +stable.example.com\/v1 +true +CronTab/,
  );
  assert.equal(await kubectl(["apply", "-f", "-"], { stdin: TAB }), "crontab.stable.example.com/mine created\n");
  assert.match(await kubectl(["get", "ct"]), /^NAME +SPEC +REPLICAS\nmine +\* \* \* \* \*\/5 +1\n$/);
  assert.equal(
    await kubectl(["get", "ct", "mine", "-o", "jsonpath={.spec.image} {.spec.replicas} {.metadata.generation}"]),
    "busybox 1 1",
  );
  await kubectl(["scale", "ct", "mine", "--replicas=3"]);
  await kubectl([
    "patch",
    "ct",
    "mine",
    "--subresource=status",
    "--type=merge",
    "-p",
    '{"status":{"replicas":2},"spec":{"replicas":9}}',
  ]);
  assert.equal(
    await kubectl(["get", "ct", "mine", "-o", "jsonpath={.spec.replicas} {.status.replicas} {.metadata.generation}"]),
    "3 2 2",
  );
  assert.equal(await kubectl(["get", "all", "-o", "name"]), "service/kubernetes\ncrontab.stable.example.com/mine\n");
  assert.equal(await kubectl(["get", "ct", "--field-selector=spec.mode=slow", "-o", "name"]), "");
  assert.equal(
    await kubectl(["get", "ct", "--field-selector=spec.mode=fast", "-o", "name"]),
    "crontab.stable.example.com/mine\n",
  );
  assert.match(await kubectl(["explain", "crontab.spec.cronSpec"]), /When it runs\./);
  assert.match(await kubectl(["describe", "ct", "mine"]), /Cron Spec: +\* \* \* \* \*\/5/);
});

it("says what is wrong with an object, in Kubernetes' words", async (t) => {
  const { kubectl } = await defined(t);
  const bad = TAB.replace("* * * * */5", "never").replace(
    "mode: fast",
    "mode: odd, replicas: 11, hooks: [{name: a}, {name: a}], extra: 1",
  );
  const strict = await kubectl(["create", "-f", "-"], { stdin: bad, fails: true });
  assert.match(strict, /strict decoding error: unknown field "spec.extra"/);
  const faults = await kubectl(["create", "--validate=false", "-f", "-"], { stdin: bad, fails: true });
  assert.match(faults, /spec.cronSpec: Invalid value: "never": spec.cronSpec in body should match/);
  assert.match(faults, /spec.mode: Unsupported value: "odd": supported values: "fast", "slow"/);
  assert.match(faults, /spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10/);
  assert.match(faults, /spec.hooks\[1\]: Duplicate value: \{"name":"a"\}/);
  const missing = TAB.replace('cronSpec: "* * * * */5", ', "");
  assert.match(await kubectl(["create", "-f", "-"], { stdin: missing, fails: true }), /spec.cronSpec: Required value/);
});

it("applies on the server's side with the schema's list types", async (t) => {
  const { kubectl } = await defined(t);
  const withHook = (name: string): string => TAB.replace("mode: fast", `hooks: [{name: ${name}, port: http}]`);
  await kubectl(["apply", "--server-side", "--field-manager=one", "-f", "-"], { stdin: withHook("a") });
  await kubectl(["apply", "--server-side", "--field-manager=two", "-f", "-"], { stdin: withHook("b") });
  assert.equal(await kubectl(["get", "ct", "mine", "-o", "jsonpath={.spec.hooks[*].name}"]), "a b");
  await kubectl(["apply", "--server-side", "--field-manager=two", "-f", "-"], {
    stdin: TAB.replace(", mode: fast", ""),
  });
  assert.equal(await kubectl(["get", "ct", "mine", "-o", "jsonpath={.spec.hooks[*].name}"]), "a");
});

it("serves several versions of one object, and warns of deprecated ones", async (t) => {
  const { kubectl, request } = await defined(t);
  await kubectl(["apply", "-f", "-"], { stdin: TAB });
  const old = "/apis/stable.example.com/v1beta1/namespaces/default/crontabs/mine";
  const answer = await request("GET", old);
  assert.deepEqual([answer.status, answer.json()["apiVersion"]], [200, "stable.example.com/v1beta1"]);
  const patched = await request("PATCH", old, {
    headers: { "content-type": "application/merge-patch+json" },
    body: '{"metadata":{"labels":{"a":"b"}}}',
  });
  assert.match(String(patched.headers["warning"]), /stable.example.com\/v1beta1 CronTab is deprecated/);
  assert.equal(
    await kubectl(["get", "ct", "-l", "a=b", "-o", "jsonpath={.items[0].apiVersion}"]),
    "stable.example.com/v1",
  );
});

it("takes the objects along when the definition goes", async (t) => {
  const { kubectl, request } = await defined(t);
  await kubectl(["apply", "-f", "-"], { stdin: TAB });
  await kubectl(["delete", "crd", "crontabs.stable.example.com", "--timeout=10s"]);
  assert.equal((await request("GET", "/apis/stable.example.com/v1/namespaces/default/crontabs")).status, 404);
  await kubectl(["apply", "-f", "-"], { stdin: CRD });
  await kubectl(["wait", "crd/crontabs.stable.example.com", "--for=condition=Established", "--timeout=10s"]);
  assert.equal(await kubectl(["get", "ct", "-o", "name"]), "");
});

it("refuses definitions that cannot be", async (t) => {
  const { kubectl } = await startApiServer(t);
  const misnamed = CRD.replace("{name: crontabs.stable.example.com}", "{name: other.stable.example.com}");
  assert.match(
    await kubectl(["create", "-f", "-"], { stdin: misnamed, fails: true }),
    /metadata.name: Invalid value: "other.stable.example.com": must be spec.names.plural\+"."\+spec.group/,
  );
  const storageless = CRD.replace("storage: true", "storage: false");
  assert.match(
    await kubectl(["create", "-f", "-"], { stdin: storageless, fails: true }),
    /must have exactly one version marked as storage version/,
  );
});
