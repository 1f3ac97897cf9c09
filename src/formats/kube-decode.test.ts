import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeObject } from "./kube-decode.ts";
import { checkDepth, parseJson } from "./kube-json.ts";

const POD = { group: "", version: "v1", kind: "Pod" };
const DEPLOYMENT = { group: "apps", version: "v1", kind: "Deployment" };

test("a pod comes out as Go would encode it", () => {
  const { object, warnings } = decodeObject(POD, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a", labels: null, creationTimestamp: null, annotations: {} },
    spec: {
      hostNetwork: false,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "c", stdin: false, args: [], resources: { limits: { cpu: "0.5", memory: "1024Mi" } } }],
      volumes: [{ name: "v", emptyDir: {} }],
    },
  });
  assert.deepEqual(warnings, []);
  assert.deepEqual(object, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a" },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "c", resources: { limits: { cpu: "500m", memory: "1Gi" } } }],
      volumes: [{ name: "v", emptyDir: {} }],
    },
    status: {},
  });
});

const UNREADABLE: readonly [unknown, string][] = [
  [
    { spec: { containers: [{ name: 1 }] } },
    "json: cannot unmarshal number into Go struct field Container.spec.containers.name of type string",
  ],
  [
    { spec: { containers: {} } },
    "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
  ],
  [{ spec: "x" }, "json: cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec"],
  [[], "json: cannot unmarshal array into Go value of type v1.Pod"],
  [
    { metadata: { labels: { a: 1 } } },
    "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
  ],
  [
    { spec: { priority: 2 ** 31 } },
    "json: cannot unmarshal number 2147483648 into Go struct field PodSpec.spec.priority of type int32",
  ],
  [
    { spec: { terminationGracePeriodSeconds: 1.5 } },
    "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64",
  ],
  [
    { spec: { restartPolicy: true } },
    "json: cannot unmarshal bool into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy",
  ],
  [
    { spec: { overhead: { cpu: "1x" } } },
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  ],
  [
    { metadata: { creationTimestamp: "foo" } },
    'parsing time "foo" as "2006-01-02T15:04:05Z07:00": cannot parse "foo" as "2006"',
  ],
  [
    { metadata: { creationTimestamp: "2026-13-01T00:00:00Z" } },
    'parsing time "2026-13-01T00:00:00Z": month out of range',
  ],
  [
    { metadata: { creationTimestamp: "2026-02-30T00:00:00Z" } },
    'parsing time "2026-02-30T00:00:00Z": day out of range',
  ],
];

for (const [document, message] of UNREADABLE) {
  test(`unreadable: ${JSON.stringify(document)}`, () => {
    assert.throws(() => decodeObject(POD, document), {
      code: "invalid",
      message: `Pod in version "v1" cannot be handled as a Pod: ${message}`,
    });
  });
}

test("unknown and duplicate fields are warned of, refused or dropped", () => {
  const text = '{"spec":{"replicas":1,"foo":1,"template":{"spec":{"containers":[{"b":1},{"b":2}]}},"replicas":2}}';
  const { value, duplicates } = parseJson(text);
  const wanted = [
    'duplicate field "spec.replicas"',
    'unknown field "spec.foo"',
    'unknown field "spec.template.spec.containers[0].b"',
    'unknown field "spec.template.spec.containers[1].b"',
  ];
  const warned = decodeObject(DEPLOYMENT, value, "Warn", duplicates);
  assert.deepEqual(warned.warnings, wanted);
  assert.equal(JSON.stringify(warned.object).includes("foo"), false);
  assert.deepEqual(decodeObject(DEPLOYMENT, value, "Ignore", duplicates).warnings, []);
  assert.throws(() => decodeObject(DEPLOYMENT, value, "Strict", duplicates), {
    message: `Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: ${wanted.join(", ")}`,
  });
});

test("a key named __proto__ stays a key", () => {
  const { value } = parseJson('{"data":{"__proto__":"x"}}');
  const { object } = decodeObject({ group: "", version: "v1", kind: "ConfigMap" }, value);
  assert.equal(JSON.stringify(object), '{"data":{"__proto__":"x"},"metadata":{}}');
  assert.equal(Object.getPrototypeOf((object as unknown as { data: object }).data), Object.prototype);
});

test("times and secrets come out canonical", () => {
  const secret = decodeObject(
    { group: "", version: "v1", kind: "Secret" },
    { data: { a: "aGk=\n" }, metadata: { creationTimestamp: "2026-01-02T03:04:05.6+01:00" } },
  );
  assert.deepEqual(secret.object, { data: { a: "aGk=" }, metadata: { creationTimestamp: "2026-01-02T02:04:05Z" } });
  assert.throws(
    () => decodeObject({ group: "", version: "v1", kind: "Secret" }, { data: { a: "a*" } }),
    /illegal base64 data at input byte 1/,
  );
  const lease = { group: "coordination.k8s.io", version: "v1", kind: "Lease" };
  const renewed = decodeObject(lease, { spec: { renewTime: "2026-01-02T03:04:05.123456+01:00" } });
  assert.deepEqual(renewed.object, { spec: { renewTime: "2026-01-02T02:04:05.123456Z" }, metadata: {} });
  assert.throws(
    () => decodeObject(lease, { spec: { renewTime: "2026-01-02T03:04:05Z" } }),
    /cannot parse "Z" as "\.000000"/,
  );
});

test("JSON schema's unions", () => {
  const crd = { group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition" };
  const schema = {
    type: "object",
    properties: { a: { type: "array", items: { type: "string" } } },
    additionalProperties: false,
    enum: [null, 1],
  };
  const document = { spec: { versions: [{ name: "v1", schema: { openAPIV3Schema: schema } }] } };
  const { object, warnings } = decodeObject(crd, document);
  assert.match(JSON.stringify(object), /"items":\{"type":"string"\}.*"additionalProperties":false.*"enum":\[null,1\]/);
  assert.deepEqual(warnings, ['unknown field "spec.versions[0].schema.openAPIV3Schema"'].slice(1));
});

test("JSON is refused in Go's words", () => {
  const cases: readonly [string, string][] = [
    ["", "unexpected end of JSON input"],
    ["{", "unexpected end of JSON input"],
    ["{a:1}", "invalid character 'a' looking for beginning of object key string"],
    ["[1,]", "invalid character ']' looking for beginning of value"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
    ["tru1", "invalid character '1' in literal true (expecting 'e')"],
    ["01", "invalid character '1' after top-level value"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ["'a'", "invalid character '\\'' looking for beginning of value"],
  ];
  for (const [text, message] of cases) assert.throws(() => parseJson(text), { code: "invalid", message }, text);
  assert.throws(() => parseJson("[".repeat(1001) + "]".repeat(1001)), { message: "exceeded max depth" });
  const nested = (depth: number): unknown => JSON.parse("[".repeat(depth) + "]".repeat(depth));
  checkDepth(nested(1000));
  assert.throws(() => checkDepth(nested(1002)), { message: "exceeded max depth" });
});
