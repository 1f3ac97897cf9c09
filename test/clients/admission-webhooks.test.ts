// Admission webhooks: a real HTTPS server on this machine that the API server asks.
import assert from "node:assert/strict";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { it, type TestContext } from "node:test";
import { clusterCertificates } from "#kube-api/certificates.ts";
import { startApiServer } from "#test/api-server.ts";

interface Review {
  readonly uid: string;
  readonly operation: string;
  readonly object: { metadata: { name: string; labels?: Record<string, string> } } | null;
  readonly oldObject: { metadata: { name: string; labels?: Record<string, string> } } | null;
  readonly dryRun: boolean;
  readonly subResource?: string;
}

type Decide = (review: Review, path: string) => object | undefined;

/** A webhook server; `asked` is what it was asked, in order. */
async function webhookServer(t: TestContext, decide: Decide) {
  const certificates = clusterCertificates({ names: ["127.0.0.1"] });
  const asked: Review[] = [];
  const server = createServer(certificates.server, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { request: review } = JSON.parse(Buffer.concat(chunks).toString()) as { request: Review };
      asked.push(review);
      const answer = decide(review, request.url ?? "");
      if (!answer) return void response.writeHead(302, { location: "https://127.0.0.1:1/" }).end();
      response.end(
        JSON.stringify({
          kind: "AdmissionReview",
          apiVersion: "admission.k8s.io/v1",
          response: { uid: review.uid, ...answer },
        }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { asked, url: `https://127.0.0.1:${port}`, caBundle: Buffer.from(certificates.caCert).toString("base64") };
}

const RULE = { operations: ["*"], apiGroups: [""], apiVersions: ["v1"], resources: ["configmaps"] };
const patchOf = (operations: object[]): object => ({
  allowed: true,
  patchType: "JSONPatch",
  patch: Buffer.from(JSON.stringify(operations)).toString("base64"),
});

const configuration = (kind: string, hook: object): string =>
  JSON.stringify({
    apiVersion: "admissionregistration.k8s.io/v1",
    kind,
    metadata: { name: kind.toLowerCase() },
    webhooks: [
      { name: "check.example.com", admissionReviewVersions: ["v1"], sideEffects: "None", rules: [RULE], ...hook },
    ],
  });

it("lets webhooks change and refuse objects, and shows them the true old and new", async (t) => {
  const hooks = await webhookServer(t, ({ object, oldObject, operation }, path) => {
    if (path.startsWith("/mutate"))
      return patchOf([{ op: "add", path: "/metadata/labels", value: { ...object?.metadata.labels, touched: "yes" } }]);
    const label = (operation === "DELETE" ? oldObject : object)?.metadata.labels?.["keep"];
    return {
      allowed: label !== "no" && !(operation === "DELETE" && label === "yes"),
      status: { message: `${operation} of ${label}`, code: 403 },
      warnings: ["seen"],
    };
  });
  const { kubectl, request } = await startApiServer(t);
  const client = (path: string): object => ({ clientConfig: { url: `${hooks.url}${path}`, caBundle: hooks.caBundle } });
  await kubectl(["create", "-f", "-"], { stdin: configuration("MutatingWebhookConfiguration", client("/mutate")) });
  await kubectl(["create", "-f", "-"], { stdin: configuration("ValidatingWebhookConfiguration", client("/validate")) });

  await kubectl(["create", "configmap", "a"]);
  assert.equal(await kubectl(["get", "cm", "a", "-o", "jsonpath={.metadata.labels.touched}"]), "yes");
  const refusal = /admission webhook "check.example.com" denied the request: UPDATE of no/;
  assert.match(await kubectl(["label", "cm", "a", "keep=no"], { fails: true }), refusal);
  await kubectl(["label", "cm", "a", "keep=yes"]);
  assert.match(await kubectl(["delete", "cm", "a"], { fails: true }), /denied the request: DELETE of yes/);
  const update = hooks.asked.filter(({ operation }) => operation === "UPDATE").at(-1);
  assert.deepEqual(
    [update?.oldObject?.metadata.labels, update?.object?.metadata.labels],
    [{ touched: "yes" }, { touched: "yes", keep: "yes" }],
  );
  const dry = await request("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", {
    headers: { "content-type": "application/json" },
    body: '{"metadata":{"name":"b"}}',
  });
  assert.deepEqual([dry.status, dry.headers["warning"], hooks.asked.at(-1)?.dryRun], [201, '299 - "seen"', true]);
});

it("minds selectors, failure policies and redirects", async (t) => {
  const hooks = await webhookServer(t, () => undefined);
  const { kubectl } = await startApiServer(t);
  const clientConfig = { url: `${hooks.url}/x`, caBundle: hooks.caBundle };
  const selective = { clientConfig, failurePolicy: "Fail", objectSelector: { matchLabels: { guarded: "yes" } } };
  await kubectl(["create", "-f", "-"], { stdin: configuration("ValidatingWebhookConfiguration", selective) });
  await kubectl(["create", "configmap", "free"]);
  assert.equal(hooks.asked.length, 0);
  assert.match(
    await kubectl(["label", "cm", "free", "guarded=yes"], { fails: true }),
    /failed calling webhook "check.example.com": failed to call webhook: Post ".*": the server answered 302/,
  );
  await kubectl([
    "patch",
    "validatingwebhookconfiguration",
    "validatingwebhookconfiguration",
    "--type=json",
    "-p",
    '[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]',
  ]);
  await kubectl(["label", "cm", "free", "guarded=yes"]);
  assert.match(
    await kubectl(["create", "-f", "-"], {
      stdin: configuration("MutatingWebhookConfiguration", {
        clientConfig,
        matchConditions: [{ name: "x", expression: "true" }],
      }),
      fails: true,
    }),
    /webhooks\[0\].matchConditions: Forbidden: match conditions \(CEL\) are not supported/,
  );
});
