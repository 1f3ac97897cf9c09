// Quotas, limit ranges and pod security as their users meet them.
import assert from "node:assert/strict";
import { it } from "node:test";
import { RESOURCES } from "#formats/kube-resources.ts";
import { SYSTEM_USER } from "#kube-api/context.ts";
import { localClient } from "#kube-api/local-client.ts";
import type { KubeClient } from "#kube-client/client.ts";
import { startApiServer } from "#test/api-server.ts";

const LIMITS = `
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec:
  limits:
  - type: Container
    default: {cpu: 500m, memory: 128Mi}
    defaultRequest: {cpu: 100m, memory: 64Mi}
    max: {cpu: "1"}
    min: {cpu: 50m}
    maxLimitRequestRatio: {cpu: "10"}
`;

const QUOTA = `
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota}
spec: {hard: {pods: "5", requests.cpu: "1", limits.memory: 1Gi, count/configmaps: "2"}}
`;

const pod = (name: string, resources?: object) => ({
  metadata: { name, namespace: "default" },
  spec: { containers: [{ name: "c", image: "i", ...(resources ? { resources } : {}) }] },
});

it("fills in and enforces limit ranges", async (t) => {
  const { kubectl } = await startApiServer(t);
  await kubectl(["create", "-f", "-"], { stdin: LIMITS });
  await kubectl(["run", "a", "--image=busybox"]);
  assert.equal(
    await kubectl(["get", "pod", "a", "-o", "jsonpath={.spec.containers[0].resources}"]),
    '{"limits":{"cpu":"500m","memory":"128Mi"},"requests":{"cpu":"100m","memory":"64Mi"}}',
  );
  assert.equal(
    await kubectl(["get", "pod", "a", "-o", "jsonpath={.metadata.annotations}"]),
    '{"kubernetes.io/limit-ranger":"LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for container c"}'.replaceAll(
      "container c",
      "container a",
    ),
  );
  const overrides = (resources: object): string =>
    JSON.stringify({ spec: { containers: [{ name: "b", image: "i", resources }] } });
  const big = await kubectl(
    ["run", "b", "--image=i", "--overrides", overrides({ limits: { cpu: "2" }, requests: { cpu: "10m" } })],
    { fails: true },
  );
  for (const text of [
    "minimum cpu usage per Container is 50m, but request is 10m",
    "maximum cpu usage per Container is 1, but limit is 2",
    "cpu max limit to request ratio per Container is 10, but provided ratio is 200.000000",
  ]) {
    assert.ok(big.includes(text), big);
  }
});

it("keeps a namespace within its quota, also under concurrent creates", async (t) => {
  const { kubectl, server } = await startApiServer(t);
  await kubectl(["create", "-f", "-"], { stdin: QUOTA });
  const client: KubeClient = localClient(server, SYSTEM_USER);
  await assert.rejects(
    client.create(RESOURCES.pods, pod("free")),
    /pods "free" is forbidden: failed quota: quota: must specify limits.memory for: c; requests.cpu for: c/,
  );
  const resources = { requests: { cpu: "150m" }, limits: { memory: "100Mi" } };
  const made = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => client.create(RESOURCES.pods, pod(`p${index}`, resources))),
  );
  assert.equal(made.filter(({ status }) => status === "fulfilled").length, 5);
  const refused = made.find((one) => one.status === "rejected");
  assert.match(String(refused?.reason), /exceeded quota: quota, requested: pods=1, used: pods=5, limited: pods=5/);
  await client.delete(RESOURCES.pods, "default", "p0");
  await assert.rejects(
    client.create(RESOURCES.pods, pod("huge", { requests: { cpu: "2" }, limits: { memory: "1Mi" } })),
    /exceeded quota: quota, requested: requests.cpu=2, used: requests.cpu=600m, limited: requests.cpu=1/,
  );
  await client.create(RESOURCES.pods, pod("again", resources));
  for (const name of ["a", "b"]) await kubectl(["create", "configmap", name]);
  assert.match(
    await kubectl(["create", "configmap", "c"], { fails: true }),
    /exceeded quota: quota, requested: count\/configmaps=1, used: count\/configmaps=2, limited: count\/configmaps=2/,
  );
});

it("holds pods to the security level of their namespace", async (t) => {
  const { kubectl } = await startApiServer(t);
  await kubectl([
    "label",
    "ns",
    "default",
    "pod-security.kubernetes.io/enforce=restricted",
    "pod-security.kubernetes.io/warn=restricted",
  ]);
  const refused = await kubectl(["run", "p", "--image=busybox", "--privileged"], { fails: true });
  assert.match(
    refused,
    /pods "p" is forbidden: violates PodSecurity "restricted:latest": privileged \(container "p" must not set securityContext.privileged=true\), allowPrivilegeEscalation != false/,
  );
  const container = {
    name: "c",
    image: "i",
    securityContext: {
      allowPrivilegeEscalation: false,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
  await kubectl(["create", "-f", "-"], {
    stdin: JSON.stringify({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "good" },
      spec: { containers: [container] },
    }),
  });
  // An ephemeral container is no way around (CVE-2023-2727).
  const ephemeral = {
    spec: { ephemeralContainers: [{ name: "e", image: "i", securityContext: { privileged: true } }] },
  };
  assert.match(
    await kubectl(
      [
        "patch",
        "pod",
        "good",
        "--subresource=ephemeralcontainers",
        "--type=strategic",
        "-p",
        JSON.stringify(ephemeral),
      ],
      { fails: true },
    ),
    /violates PodSecurity/,
  );
  await kubectl(["label", "pod", "good", "a=b"]);
});
