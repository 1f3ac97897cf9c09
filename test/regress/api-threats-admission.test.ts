// Attacks on what is admitted, and on who may write what. Each asserts the harm, not a text.
import assert from "node:assert/strict";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { clusterCertificates } from "#kube-api/certificates.ts";
import { startApiServer } from "#test/api-server.ts";

const JSON_TYPE = { "content-type": "application/json" };
const MERGE = { "content-type": "application/merge-patch+json" };
const PODS = "/api/v1/namespaces/default/pods";
const post = (object: object) => ({ headers: JSON_TYPE, body: JSON.stringify(object) });

describe("attacks on admission and rights", () => {
  it("CVE-2021-25735: a webhook sees nodes as they are and as they are to be", async (t) => {
    const { request } = await startApiServer(t);
    const hook = await guardOfNodes(t);
    const webhooks = [
      {
        name: "nodes.example.com",
        admissionReviewVersions: ["v1"],
        sideEffects: "None",
        rules: [{ operations: ["UPDATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["nodes", "nodes/status"] }],
        clientConfig: { url: hook.url, caBundle: hook.caBundle },
      },
    ];
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: "n", labels: { changeable: "no" } } };
    assert.equal((await request("POST", "/api/v1/nodes", post(node))).status, 201);
    const kind = { apiVersion: "admissionregistration.k8s.io/v1", kind: "ValidatingWebhookConfiguration" };
    const made = await request(
      "POST",
      "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
      post({ ...kind, metadata: { name: "guard" }, webhooks }),
    );
    assert.equal(made.status, 201, made.text);
    // Whoever makes the old object look like the new one, or the new one like the old, gets the label changed.
    const patch = { headers: MERGE, body: JSON.stringify({ metadata: { labels: { changeable: "yes" } } }) };
    for (const path of ["/api/v1/nodes/n", "/api/v1/nodes/n/status"]) {
      assert.equal((await request("PATCH", path, patch)).status, 400, path);
      const put = post({ ...node, metadata: { ...node.metadata, labels: { changeable: "yes" } } });
      assert.equal((await request("PUT", path, put)).status, 400, path);
    }
    assert.deepEqual(
      hook.seen,
      Array.from({ length: 4 }, () => "no>yes"),
    );
    const now = await request("GET", "/api/v1/nodes/n");
    assert.match(now.text, /"changeable":"no"/);
  });

  it("CVE-2023-2728, CVE-2024-3177: no kind of container reaches a secret that its account may not use", async (t) => {
    const { request } = await startApiServer(t);
    const account = {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "bound", annotations: { "kubernetes.io/enforce-mountable-secrets": "true" } },
      secrets: [{ name: "mine" }],
    };
    await request("POST", "/api/v1/namespaces/default/serviceaccounts", post(account));
    const plain = { name: "c", image: "i" };
    const env = (secret: string) => ({ env: [{ name: "X", valueFrom: { secretKeyRef: { name: secret, key: "k" } } }] });
    const from = (secret: string) => ({ envFrom: [{ secretRef: { name: secret } }] });
    const specs = (secret: string) => [
      { containers: [{ ...plain, ...env(secret) }] },
      { containers: [{ ...plain, ...from(secret) }] },
      { initContainers: [{ ...plain, name: "i", ...env(secret) }], containers: [plain] },
      { initContainers: [{ ...plain, name: "i", ...from(secret) }], containers: [plain] },
      { containers: [plain], volumes: [{ name: "v", secret: { secretName: secret } }] },
      { containers: [plain], volumes: [{ name: "v", projected: { sources: [{ secret: { name: secret } }] } }] },
    ];
    const podOf = (spec: object, name: string) =>
      post({ apiVersion: "v1", kind: "Pod", metadata: { name }, spec: { serviceAccountName: "bound", ...spec } });
    for (const [index, spec] of specs("theirs").entries())
      assert.equal((await request("POST", PODS, podOf(spec, `bad-${index}`))).status, 403, JSON.stringify(spec));
    const pull = { containers: [plain], imagePullSecrets: [{ name: "theirs" }] };
    assert.equal((await request("POST", PODS, podOf(pull, "bad-pull"))).status, 403);
    for (const [index, spec] of specs("mine").entries()) {
      const answer = await request("POST", PODS, podOf(spec, `good-${index}`));
      assert.equal(answer.status, 201, answer.text);
    }
    for (const use of [env("theirs"), from("theirs")]) {
      const debug = { ephemeralContainers: [{ name: "debug", image: "i", ...use }] };
      const answer = await request("PATCH", `${PODS}/good-0/ephemeralcontainers`, {
        headers: { "content-type": "application/strategic-merge-patch+json" },
        body: JSON.stringify({ spec: debug }),
      });
      assert.equal(answer.status, 403, answer.text);
    }
    const names = ((await request("GET", PODS)).json()["items"] as { metadata: { name: string } }[]).map(
      ({ metadata }) => metadata.name,
    );
    assert.deepEqual(
      names.filter((name) => !name.startsWith("good")),
      [],
    );
  });

  it("CVE-2020-8554: a service takes no external addresses over", async (t) => {
    const { request } = await startApiServer(t);
    const services = "/api/v1/namespaces/default/services";
    const service = { apiVersion: "v1", kind: "Service", metadata: { name: "s" }, spec: { ports: [{ port: 80 }] } };
    const greedy = { ...service, spec: { ...service.spec, externalIPs: ["8.8.8.8"] } };
    assert.equal((await request("POST", services, post(greedy))).status, 403);
    assert.equal((await request("POST", services, post(service))).status, 201);
    const body = JSON.stringify({ spec: { externalIPs: ["8.8.8.8"] } });
    assert.equal((await request("PATCH", `${services}/s`, { headers: MERGE, body })).status, 403);
    assert.doesNotMatch((await request("GET", services)).text, /8\.8\.8\.8/);
  });

  it("CVE-2021-25740: editors of a namespace write no endpoints", async (t) => {
    const users = new Map([["jane-token", { name: "jane", groups: ["system:authenticated"] }]]);
    const { request, kubectl } = await startApiServer(t, { users });
    for (const role of ["edit", "admin"]) {
      await kubectl(["create", "rolebinding", role, `--clusterrole=${role}`, "--user=jane", "-n", "default"]);
      const endpoints = { apiVersion: "v1", kind: "Endpoints", metadata: { name: role } };
      const answer = await request("POST", "/api/v1/namespaces/default/endpoints", {
        ...post(endpoints),
        token: "jane-token",
      });
      assert.equal(answer.status, 403, role);
    }
    const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "m" } };
    const allowed = await request("POST", "/api/v1/namespaces/default/configmaps", {
      ...post(map),
      token: "jane-token",
    });
    assert.equal(allowed.status, 201);
  });

  it("CVE-2019-11248: there is nothing to debug the server with", async (t) => {
    const { request } = await startApiServer(t);
    for (const path of ["/debug/pprof/", "/debug/pprof/profile", "/debug/flags/v", "/healthz/debug", "/logs"]) {
      assert.equal((await request("GET", path)).status, 404, path);
      assert.ok([401, 403, 404].includes((await request("GET", path, { token: "" })).status), path);
    }
  });
});

/** A webhook that lets no node whose label says so change that label. */
async function guardOfNodes(t: TestContext) {
  const certificates = clusterCertificates({ names: ["127.0.0.1"] });
  const seen: string[] = [];
  interface Labelled {
    readonly metadata: { readonly labels?: Record<string, string> };
  }
  const server = createServer(certificates.server, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { request: review } = JSON.parse(Buffer.concat(chunks).toString()) as {
        request: { uid: string; object: Labelled; oldObject: Labelled };
      };
      const before = review.oldObject.metadata.labels?.["changeable"];
      const after = review.object.metadata.labels?.["changeable"];
      seen.push(`${before}>${after}`);
      const allowed = before === after || before === "yes";
      const answer = {
        kind: "AdmissionReview",
        apiVersion: "admission.k8s.io/v1",
        response: { uid: review.uid, allowed },
      };
      response.end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { seen, url: `https://127.0.0.1:${port}`, caBundle: Buffer.from(certificates.caCert).toString("base64") };
}
