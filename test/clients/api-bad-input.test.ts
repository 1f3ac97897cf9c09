// What clients send wrongly: the API server's own status codes and words, and nothing changed.
import assert from "node:assert/strict";
import { connect } from "node:tls";
import { describe, it } from "node:test";
import { clusterCertificates } from "#kube-api/certificates.ts";
import { startApiServer, type TestServer } from "#test/api-server.ts";

const MAPS = "/api/v1/namespaces/default/configmaps";
const JSON_TYPE = { "content-type": "application/json" };
const YAML_TYPE = { "content-type": "application/yaml" };

const map = (name: string, more: object = {}): string =>
  JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, ...more });

interface Case {
  readonly what: string;
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
  readonly headers?: Record<string, string>;
  readonly status: number;
  readonly reason: string;
  readonly message: RegExp;
}

const CASES: readonly Case[] = [
  {
    what: "truncated JSON",
    body: '{"kind":"ConfigMap"',
    status: 400,
    reason: "BadRequest",
    message: /unexpected end of JSON input/,
  },
  { what: "JSON that is no object", body: "[]", status: 400, reason: "BadRequest", message: /must be one object/ },
  {
    what: "bad YAML",
    headers: YAML_TYPE,
    body: "a: [b",
    status: 400,
    reason: "BadRequest",
    message: /error converting YAML to JSON: yaml: /,
  },
  {
    what: "an unknown body type",
    headers: { "content-type": "text/plain" },
    body: "x",
    status: 415,
    reason: "UnsupportedMediaType",
    message: /unknown format - accepted media types include: application\/json/,
  },
  {
    what: "an unknown patch type",
    method: "PATCH",
    path: `${MAPS}/there`,
    body: "{}",
    status: 415,
    reason: "UnsupportedMediaType",
    message: /application\/json-patch\+json/,
  },
  {
    what: "an answer type that is not served",
    method: "GET",
    headers: { accept: "text/html" },
    status: 406,
    reason: "NotAcceptable",
    message: /only the following media types are accepted/,
  },
  {
    what: "another kind",
    body: JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name: "x" } }),
    status: 400,
    reason: "BadRequest",
    message: /Secret in version "v1" cannot be handled as a ConfigMap/,
  },
  {
    what: "another version",
    body: JSON.stringify({ apiVersion: "v2", kind: "ConfigMap", metadata: { name: "x" } }),
    status: 400,
    reason: "BadRequest",
    message: /the API version in the data \(v2\) does not match the expected API version \(v1\)/,
  },
  {
    what: "another namespace",
    body: map("x", { metadata: { name: "x", namespace: "other" } }),
    status: 400,
    reason: "BadRequest",
    message: /the namespace of the provided object does not match the namespace sent on the request/,
  },
  {
    what: "no name",
    body: map(""),
    status: 422,
    reason: "Invalid",
    message: /metadata.name: Required value: name or generateName is required/,
  },
  {
    what: "a bad name",
    body: map("Not_A_Name"),
    status: 422,
    reason: "Invalid",
    message:
      /ConfigMap "Not_A_Name" is invalid: metadata.name: Invalid value: "Not_A_Name": a lowercase RFC 1123 subdomain/,
  },
  {
    what: "a wrong type",
    body: map("x", { data: { a: 1 } }),
    status: 400,
    reason: "BadRequest",
    message: /cannot unmarshal number into Go struct field ConfigMap.data of type string/,
  },
  {
    what: "an unknown field, strictly",
    path: `${MAPS}?fieldValidation=Strict`,
    body: map("x", { dta: {} }),
    status: 400,
    reason: "BadRequest",
    message: /strict decoding error: unknown field "dta"/,
  },
  {
    what: "a duplicate field, strictly",
    path: `${MAPS}?fieldValidation=Strict`,
    body: '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","name":"y"}}',
    status: 400,
    reason: "BadRequest",
    message: /duplicate field "metadata.name"/,
  },
  {
    what: "a bad dryRun",
    path: `${MAPS}?dryRun=Some`,
    body: map("x"),
    status: 422,
    reason: "Invalid",
    message: /dryRun: Unsupported value: "Some": supported values: "All"/,
  },
  {
    what: "a revision on creation",
    body: map("x", { metadata: { name: "x", resourceVersion: "5" } }),
    status: 500,
    reason: "",
    message: /resourceVersion should not be set on objects to be created/,
  },
  {
    what: "a missing namespace",
    path: "/api/v1/namespaces/nowhere/configmaps",
    body: map("x"),
    status: 404,
    reason: "NotFound",
    message: /namespaces "nowhere" not found/,
  },
  {
    what: "an object over etcd's limit",
    body: map("x", { data: { a: "v".repeat(1.6 * 2 ** 20) } }),
    status: 422,
    reason: "Invalid",
    message: /Too long: may not be more than 1048576/,
  },
  {
    what: "a body over 3 MiB",
    body: map("x", { data: { a: "v".repeat(3.1 * 2 ** 20) } }),
    status: 413,
    reason: "RequestEntityTooLarge",
    message: /Request entity too large: limit is 3145728/,
  },
  {
    what: "a bad label selector",
    method: "GET",
    path: `${MAPS}?labelSelector=a%20b%20c`,
    status: 400,
    reason: "BadRequest",
    message: /found/,
  },
  {
    what: "a field that cannot be selected",
    method: "GET",
    path: `${MAPS}?fieldSelector=data.a=b`,
    status: 400,
    reason: "BadRequest",
    message: /"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"/,
  },
  {
    what: "a bad continue token",
    method: "GET",
    path: `${MAPS}?limit=1&continue=nonsense`,
    status: 400,
    reason: "BadRequest",
    message: /continue key is not valid/,
  },
  {
    what: "a bad resourceVersion",
    method: "GET",
    path: `${MAPS}?resourceVersion=abc`,
    status: 400,
    reason: "BadRequest",
    message: /strconv.ParseUint: parsing "abc": invalid syntax/,
  },
  {
    what: "an unknown resource",
    method: "GET",
    path: "/api/v1/namespaces/default/widgets",
    status: 404,
    reason: "NotFound",
    message: /could not find the requested resource/,
  },
  {
    what: "a method that is not there",
    method: "PUT",
    body: map("x"),
    status: 405,
    reason: "MethodNotAllowed",
    message: /update is not supported on resources of kind "configmaps"/,
  },
  {
    what: "a stale revision",
    method: "PUT",
    path: `${MAPS}/there`,
    body: map("there", { metadata: { name: "there", resourceVersion: "1" } }),
    status: 409,
    reason: "Conflict",
    message:
      /Operation cannot be fulfilled on configmaps "there": the object has been modified; please apply your changes to the latest version and try again/,
  },
  {
    what: "another name than the URL's",
    method: "PUT",
    path: `${MAPS}/there`,
    body: map("other"),
    status: 400,
    reason: "BadRequest",
    message: /the name of the object \(other\) does not match the name on the URL \(there\)/,
  },
  {
    what: "a JSON patch that does not apply",
    method: "PATCH",
    path: `${MAPS}/there`,
    headers: { "content-type": "application/json-patch+json" },
    body: '[{"op":"remove","path":"/nope"}]',
    status: 422,
    reason: "Invalid",
    message: /the server rejected our request due to an error in our request/,
  },
  {
    what: "an apply without a manager",
    method: "PATCH",
    path: `${MAPS}/there`,
    headers: { "content-type": "application/apply-patch+yaml" },
    body: map("there"),
    status: 400,
    reason: "BadRequest",
    message: /fieldManager is required for apply patch/,
  },
  {
    what: "a bad escape in the path",
    method: "GET",
    path: "/api/v1/namespaces/default/configmaps/%zz",
    status: 400,
    reason: "BadRequest",
    message: /invalid URL escape/,
  },
];

describe("bad input", () => {
  it("gets Kubernetes' own answers, and changes nothing", async (t) => {
    const test = await startApiServer(t);
    assert.equal((await test.request("POST", MAPS, { body: map("there"), headers: JSON_TYPE })).status, 201);
    const before = test.server.api.store.revision;
    for (const { what, method = "POST", path = MAPS, body, headers = JSON_TYPE, status, reason, message } of CASES) {
      const answer = await test.request(method, path, { headers, ...(body === undefined ? {} : { body }) });
      const document = answer.json();
      assert.equal(document["kind"], "Status", what);
      assert.match(document.message ?? "", message, what);
      assert.deepEqual([answer.status, document.reason ?? "", document["code"]], [status, reason, status], what);
    }
    assert.equal(test.server.api.store.revision, before);
  });

  it("refuses what etcd would, by size", async (t) => {
    const test = await startApiServer(t);
    const annotations = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`k${index}`, "v".repeat(25_000)]));
    const large = map("x", {
      metadata: { name: "x", annotations },
      data: { a: "v".repeat(1_000_000) },
      binaryData: { b: "AAAA".repeat(9_000) },
    });
    assert.equal((await test.request("POST", MAPS, { body: large, headers: JSON_TYPE })).status, 201);
    const status = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p" },
      spec: { containers: [{ name: "c", image: "i" }] },
    };
    await test.request("POST", "/api/v1/namespaces/default/pods", { body: JSON.stringify(status), headers: JSON_TYPE });
    const merge = { "content-type": "application/merge-patch+json" };
    const body = JSON.stringify({ status: { message: "m".repeat(1.6 * 2 ** 20) } });
    const answer = await test.request("PATCH", "/api/v1/namespaces/default/pods/p/status", { body, headers: merge });
    assert.deepEqual([answer.status, answer.json().message], [413, "etcdserver: request is too large"]);
  });

  it("warns of unknown fields when asked to", async (t) => {
    const { request } = await startApiServer(t);
    const answer = await request("POST", MAPS, { body: map("x", { dta: {} }), headers: JSON_TYPE });
    assert.equal(answer.status, 201);
    assert.equal(answer.headers["warning"], '299 - "unknown field \\"dta\\""');
    const silent = await request("POST", `${MAPS}?fieldValidation=Ignore`, {
      body: map("y", { dta: {} }),
      headers: JSON_TYPE,
    });
    assert.equal(silent.headers["warning"], undefined);
  });

  it("tells a dry run from the real thing", async (t) => {
    const { request, server } = await startApiServer(t);
    const before = server.api.store.revision;
    const answer = await request("POST", `${MAPS}?dryRun=All`, { body: map("x"), headers: JSON_TYPE });
    assert.equal(answer.status, 201);
    assert.equal((answer.json()["metadata"] as { name: string }).name, "x");
    assert.equal((await request("DELETE", "/api/v1/namespaces/kube-public?dryRun=All")).status, 403);
    assert.equal(server.api.store.revision, before);
  });

  it("knows wrong tokens and foreign certificates from none at all", async (t) => {
    const test = await startApiServer(t);
    const wrong = await test.request("GET", "/api/v1/namespaces", { token: "not.a.token" });
    assert.deepEqual([wrong.status, wrong.json().reason], [401, "Unauthorized"]);
    const none = await test.request("GET", "/api/v1/namespaces", { token: "" });
    assert.deepEqual(
      [none.status, none.json().message],
      [
        403,
        'namespaces is forbidden: User "system:anonymous" cannot list resource "namespaces" in API group "" at the cluster scope',
      ],
    );
    for (const path of ["/version", "/healthz", "/livez", "/readyz"])
      assert.equal((await test.request("GET", path, { token: "" })).status, 200, path);
    for (const path of ["/", "/metrics", "/openapi/v3", "/api"])
      assert.equal((await test.request("GET", path, { token: "" })).status, 403, path);
    const foreign = clusterCertificates({ names: [] }).client("admin", ["system:masters"]);
    assert.match(await rawGet(test, foreign), /^HTTP\/1\.1 401 /);
    assert.match(await rawGet(test, test.server.certificates.client("admin", ["system:masters"])), /^HTTP\/1\.1 200 /);
  });
});

function rawGet({ url, server }: TestServer, pair: { cert: string; key: string }): Promise<string> {
  const { port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({
      port: Number(port),
      host: "127.0.0.1",
      ca: server.certificates.caCert,
      ...pair,
      ALPNProtocols: ["http/1.1"],
    });
    let text = "";
    socket.on("data", (data: Buffer) => (text += data.toString()));
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
    socket.write("GET /api/v1/namespaces HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  });
}
