// Secrets with the token of a service account.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RESOURCES } from "../../src/formats/kube-resources.ts";
import { clusterFor, until } from "./support/cluster.ts";

const NAME = "kubernetes.io/service-account.name";

test("a token secret is filled, its token is good while it is there, and it goes with its account", async (t) => {
  const cluster = await clusterFor(t, { scheduler: false });
  const { client } = cluster;
  const namespace = "default";
  await client.create(RESOURCES.serviceaccounts, { metadata: { name: "robot", namespace } });
  const secret = (name: string, account: string) => ({
    metadata: { name, namespace, annotations: { [NAME]: account } },
    type: "kubernetes.io/service-account-token",
  });
  await client.create(RESOURCES.secrets, secret("robot-token", "robot"));
  await client.create(RESOURCES.secrets, secret("nobody-token", "nobody"));
  const [filled, ...others] = await until(
    cluster,
    RESOURCES.secrets,
    "a filled secret",
    (secrets) => secrets.length === 1 && secrets.every(({ data }) => data?.["token"]),
  );
  assert.deepEqual(others, []);
  const token = Buffer.from(filled?.data?.["token"] ?? "", "base64").toString();
  assert.equal(Buffer.from(filled?.data?.["namespace"] ?? "", "base64").toString(), namespace);
  const review = async () => (await client.create(RESOURCES.tokenreviews, { metadata: {}, spec: { token } })).status;
  assert.equal((await review())?.user?.username, "system:serviceaccount:default:robot");
  await client.delete(RESOURCES.serviceaccounts, namespace, "robot");
  await until(cluster, RESOURCES.secrets, "no secret", (secrets) => secrets.length === 0);
  assert.equal((await review())?.authenticated ?? false, false);
});
