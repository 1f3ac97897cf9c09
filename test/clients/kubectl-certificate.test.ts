// A user's certificate from the cluster's own authority, with the real kubectl and openssl.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "#test/gantry.ts";

test("a request is approved, signed, and lets its user in; another is denied", async () => {
  const gantry = await startGantry();
  const ok = async (command: string, args: readonly string[], input?: string): Promise<string> => {
    const { code, stdout, stderr } = await gantry.run(command, args, input === undefined ? {} : { input });
    assert.equal(code, 0, `${command} ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  };
  const kubectl = (...args: string[]): Promise<string> => ok("kubectl", args);
  const key = join(gantry.root, "jane.key");
  await ok("openssl", ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key]);
  const pem = await ok("openssl", ["req", "-new", "-key", key, "-subj", "/O=dev/CN=jane"]);
  const request = (name: string): string =>
    JSON.stringify({
      apiVersion: "certificates.k8s.io/v1",
      kind: "CertificateSigningRequest",
      metadata: { name },
      spec: {
        request: Buffer.from(`${pem}\n`).toString("base64"),
        signerName: "kubernetes.io/kube-apiserver-client",
        expirationSeconds: 86_400,
        usages: ["client auth"],
      },
    });
  for (const name of ["jane", "eve"]) await ok("kubectl", ["apply", "-f", "-"], request(name));
  assert.match(
    await kubectl("get", "csr", "jane", "--no-headers"),
    /kube-apiserver-client +kubernetes-admin +24h +Pending/,
  );
  await kubectl("certificate", "approve", "jane");
  await kubectl("wait", "--for=jsonpath={.status.certificate}", "csr/jane", "--timeout=10s");
  assert.match(await kubectl("get", "csr", "jane", "--no-headers"), /Approved,Issued/);
  await kubectl("certificate", "deny", "eve");
  assert.match(await kubectl("get", "csr", "eve", "--no-headers"), /Denied/);
  const encoded = await kubectl("get", "csr", "jane", "-o", "jsonpath={.status.certificate}");
  const cert = join(gantry.root, "jane.crt");
  await ok("sh", ["-c", `base64 -d > ${cert}`], encoded);
  await kubectl("config", "set-credentials", "jane", `--client-certificate=${cert}`, `--client-key=${key}`);
  const who = await kubectl(
    "--user=jane",
    "auth",
    "whoami",
    "-o",
    "jsonpath={.status.userInfo.username} {.status.userInfo.groups}",
  );
  assert.equal(who, 'jane ["dev","system:authenticated"]');
  const { stderr } = await gantry.kubectl("--user=jane", "get", "pods");
  assert.match(stderr, /User "jane" cannot list resource "pods" in API group "" in the namespace "default"/);
});
