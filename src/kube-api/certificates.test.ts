import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { connect, createServer } from "node:tls";
import { clusterCertificates } from "./certificates.ts";

it("makes certificates that a TLS server and its client accept of each other", async (t) => {
  const made = clusterCertificates({ names: ["node-1", "10.96.0.1", "fd00::1"] });
  const ca = new X509Certificate(made.caCert);
  const server = new X509Certificate(made.server.cert);
  assert.ok(ca.ca && ca.checkIssued(ca) && server.checkIssued(ca) && server.verify(ca.publicKey));
  for (const name of ["localhost", "kubernetes.default.svc.cluster.local", "node-1"]) assert.ok(server.checkHost(name));
  for (const address of ["127.0.0.1", "::1", "10.96.0.1", "fd00::1"]) assert.ok(server.checkIP(address), address);
  assert.equal(server.checkHost("example.com"), undefined);

  const listener = createServer({ ...made.server, ca: made.caCert, requestCert: true });
  const subject = new Promise((resolve) =>
    listener.on("secureConnection", (socket) => resolve(socket.getPeerCertificate().subject)),
  );
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  assert.ok(address && typeof address === "object");
  const socket = connect({
    port: address.port,
    host: "127.0.0.1",
    ca: made.caCert,
    ...made.client("jane", ["dev", "ops"]),
  });
  t.after(() => {
    socket.destroy();
    listener.close();
  });
  assert.deepEqual({ ...((await subject) as object) }, { CN: "jane", O: ["dev", "ops"] });
  assert.ok(socket.authorized);
});

it("keeps them for their owner only, and renews the server's when its names change", (t) => {
  const root = mkdtempSync(join(tmpdir(), "gantry-pki-"));
  t.after(() => rmSync(root, { recursive: true }));
  const directory = join(root, "pki");
  const first = clusterCertificates({ directory, names: ["a"] });
  const again = clusterCertificates({ directory, names: ["a"] });
  const renamed = clusterCertificates({ directory, names: ["b"] });
  assert.deepEqual(
    [again.caCert, again.server.cert, again.serviceAccountKey],
    [first.caCert, first.server.cert, first.serviceAccountKey],
  );
  assert.equal(renamed.caCert, first.caCert);
  assert.notEqual(renamed.server.cert, first.server.cert);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  for (const file of readdirSync(directory)) assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600, file);
});
