// Certificate requests and bootstrap tokens: approved, signed, refused and cleaned up, on virtual time.
import assert from "node:assert/strict";
import { createHmac, X509Certificate } from "node:crypto";
import { test, type TestContext } from "node:test";
import { virtualClock } from "../../src/base/clock.ts";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import type { CertificateSigningRequest } from "../../src/formats/kube-types.generated.ts";
import { createCluster } from "../../src/main/create-cluster.ts";
import { makeRequest } from "./support/certificate-request.ts";
import { advanceUntil, settle } from "./support/virtual-time.ts";

const CLIENT = ["digital signature", "client auth"];
const KUBELET = "kubernetes.io/kube-apiserver-client-kubelet";

async function lab(t: TestContext) {
  const clock = virtualClock(Date.now());
  const cluster = await createCluster({ clock, scheduler: false });
  t.after(() => cluster.close());
  const { client, informers } = cluster;
  const requests = informers.informer(RESOURCES.certificatesigningrequests);
  return {
    ...cluster,
    clock,
    of: (name: string) => requests.cache.get(name),
    async ask(name: string, pem: string, spec: Partial<CertificateSigningRequest["spec"]>) {
      await client.create(RESOURCES.certificatesigningrequests, {
        metadata: { name },
        spec: {
          request: Buffer.from(pem).toString("base64"),
          signerName: "kubernetes.io/kube-apiserver-client",
          usages: CLIENT,
          ...spec,
        },
      });
      await settle();
    },
    async approve(name: string) {
      const request = await client.get(RESOURCES.certificatesigningrequests, undefined, name);
      const conditions = [{ type: "Approved", status: "True", reason: "Test", message: "by hand" }];
      const approved = { ...request, status: { conditions } };
      await client.update(RESOURCES.certificatesigningrequests, approved, "approval");
      await settle();
    },
  };
}

const certificateOf = (request: CertificateSigningRequest | undefined): X509Certificate =>
  new X509Certificate(Buffer.from(request?.status?.certificate ?? "", "base64"));
const conditionOf = (request: CertificateSigningRequest | undefined, type: string) =>
  request?.status?.conditions?.find((each) => each.type === type);

test("an approved client certificate is signed for as long as was asked for", async (t) => {
  const { ask, approve, of, clock } = await lab(t);
  await ask("jane", makeRequest({ commonName: "jane", organizations: ["dev"] }), { expirationSeconds: 3600 });
  assert.equal(of("jane")?.spec.username, "system:apiserver");
  assert.equal(of("jane")?.status?.certificate, undefined);
  await approve("jane");
  await advanceUntil(clock, "a certificate", () => Boolean(of("jane")?.status?.certificate), 1000);
  const certificate = certificateOf(of("jane"));
  assert.equal(certificate.subject, "O=dev\nCN=jane");
  assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
  const lastsMs = certificate.validToDate.getTime() - clock.now();
  assert.ok(Math.abs(lastsMs - 3_600_000) < 2000, `${lastsMs}`);
  assert.ok(conditionOf(of("jane"), "Approved")?.lastTransitionTime);
});

test("signers refuse what is not theirs, and say why", async (t) => {
  const { ask, approve, of, clock, client } = await lab(t);
  await ask("usage", makeRequest({ commonName: "jane" }), { usages: ["server auth"] });
  await approve("usage");
  await advanceUntil(clock, "failed", () => Boolean(conditionOf(of("usage"), "Failed")), 1000);
  const failed = conditionOf(of("usage"), "Failed");
  assert.deepEqual(
    [failed?.reason, failed?.message],
    ["SignerValidationFailure", "invalid usage for client certificate: server auth"],
  );
  const serving = { signerName: "kubernetes.io/kubelet-serving", usages: ["digital signature", "server auth"] };
  const node = { commonName: "system:node:n1", organizations: ["system:nodes"] };
  await ask("nameless", makeRequest(node), serving);
  await approve("nameless");
  await advanceUntil(clock, "failed", () => Boolean(conditionOf(of("nameless"), "Failed")), 1000);
  assert.equal(conditionOf(of("nameless"), "Failed")?.message, "DNS or IP subjectAltName is required");
  await ask("serving", makeRequest({ ...node, names: ["n1", "10.0.0.7"] }), serving);
  await approve("serving");
  await advanceUntil(clock, "a certificate", () => Boolean(of("serving")?.status?.certificate), 1000);
  assert.equal(certificateOf(of("serving")).subjectAltName, "DNS:n1, IP Address:10.0.0.7");
  await ask("foreign", makeRequest(node), { signerName: "example.com/own" });
  await approve("foreign");
  await settle();
  assert.equal(of("foreign")?.status?.certificate, undefined);
  const masters = makeRequest({ commonName: "eve", organizations: ["system:masters"] });
  await assert.rejects(ask("masters", masters, {}), /system:masters group is not allowed/);
  // A request that somebody else's key signed.
  const forged = makeRequest({ commonName: "eve", forged: true });
  await assert.rejects(ask("forged", forged, {}), /does not match its key/);
  await client.delete(RESOURCES.certificatesigningrequests, undefined, "foreign");
});

test("a node's client certificate is approved once whoever asks has the right", async (t) => {
  const { ask, of, clock, client } = await lab(t);
  const node = makeRequest({ commonName: "system:node:n1", organizations: ["system:nodes"] });
  // The in-process client of the test is system:apiserver, a member of system:masters: everything is allowed.
  await ask("node", node, { signerName: KUBELET });
  await advanceUntil(clock, "a certificate", () => Boolean(of("node")?.status?.certificate), 1000);
  const approved = conditionOf(of("node"), "Approved");
  assert.deepEqual(
    [approved?.reason, approved?.message],
    ["AutoApproved", "Auto approving kubelet client certificate after SubjectAccessReview."],
  );
  await ask("user", makeRequest({ commonName: "jane" }), { signerName: KUBELET });
  await settle();
  assert.equal(conditionOf(of("user"), "Approved"), undefined);
  await clock.advance(3_700_000);
  await advanceUntil(clock, "cleaned up", () => of("node") === undefined, 1000);
  assert.ok(of("user"));
  await clock.advance(23 * 3_600_000);
  await advanceUntil(clock, "given up", () => of("user") === undefined, 1000);
  assert.equal((await client.list(RESOURCES.certificatesigningrequests)).items.length, 0);
});

test("cluster-info is signed by the tokens that may, until they end", async (t) => {
  const { client, clock, informers } = await lab(t);
  const data = { "token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true" };
  const secret = (id: string, more: object) => ({
    metadata: { name: `bootstrap-token-${id}`, namespace: "kube-system" },
    type: "bootstrap.kubernetes.io/token",
    stringData: { ...data, "token-id": id, ...more },
  });
  const metadata = { name: "cluster-info", namespace: "kube-public" };
  await client.create(RESOURCES.configmaps, { metadata, data: { kubeconfig: "text" } });
  const expiration = new Date(clock.now() + 600_000).toISOString().replace(/\.\d+/, "");
  await client.create(RESOURCES.secrets, secret("abcdef", { expiration }));
  await client.create(RESOURCES.secrets, secret("mutes0", { "usage-bootstrap-signing": "false" }));
  const infos = informers.informer(RESOURCES.configmaps);
  const keys = (): string[] => Object.keys(infos.cache.get("kube-public/cluster-info")?.data ?? {}).sort();
  await advanceUntil(clock, "signed", () => keys().length === 2, 5000);
  assert.deepEqual(keys(), ["jws-kubeconfig-abcdef", "kubeconfig"]);
  const [header, , signature] = (
    infos.cache.get("kube-public/cluster-info")?.data?.["jws-kubeconfig-abcdef"] ?? ""
  ).split(".");
  const signed = `${header}.${Buffer.from("text").toString("base64url")}`;
  const expected = createHmac("sha256", "abcdef.0123456789abcdef").update(signed).digest("base64url");
  assert.equal(signature, expected);
  await clock.advance(600_000);
  await advanceUntil(clock, "unsigned", () => keys().length === 1, 5000);
  const left = (await client.list(RESOURCES.secrets, { namespace: "kube-system" })).items;
  assert.deepEqual(
    left.map((each) => each.metadata.name),
    ["bootstrap-token-mutes0"],
  );
});
