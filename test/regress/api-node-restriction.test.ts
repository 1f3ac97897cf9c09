// CVE-2025-5187, CVE-2025-4563 and their like: what a stolen kubelet identity can and cannot do.
import assert from "node:assert/strict";
import { it } from "node:test";
import { RESOURCES } from "#formats/kube-resources.ts";
import type { Node, Pod } from "#formats/kube-types.generated.ts";
import { SYSTEM_USER } from "#kube-api/context.ts";
import { localClient } from "#kube-api/local-client.ts";
import type { KubeClient } from "#kube-client/client.ts";
import { startApiServer } from "#test/api-server.ts";

const pod = (name: string, nodeName: string, more: object = {}): Pod =>
  ({
    metadata: { name, namespace: "default" },
    spec: { nodeName, containers: [{ name: "c", image: "i" }], ...more },
  }) as Pod;
const node = (name: string): Node => ({ metadata: { name } }) as Node;

it("a node changes its own things and nobody else's", async (t) => {
  const { server } = await startApiServer(t);
  const admin: KubeClient = localClient(server, SYSTEM_USER);
  const kubelet: KubeClient = localClient(server, {
    name: "system:node:n1",
    groups: ["system:nodes", "system:authenticated"],
  });
  const own = await kubelet.create(RESOURCES.nodes, node("n1"));
  await admin.create(RESOURCES.nodes, node("n2"));
  for (const [name, on] of [
    ["mine", "n1"],
    ["other", "n2"],
  ] as const)
    await admin.create(RESOURCES.pods, pod(name, on));
  const forbidden = (promise: Promise<unknown>, what: string): Promise<void> =>
    assert.rejects(promise, { code: "forbidden" }, what);
  const merge = (body: object) => ({ type: "merge", body }) as const;

  await kubelet.patch(RESOURCES.nodes, undefined, "n1", merge({ status: { phase: "Running" } }), "status");
  await kubelet.patch(
    RESOURCES.nodes,
    undefined,
    "n1",
    merge({ metadata: { labels: { "kubernetes.io/os": "linux", "example.com/x": "y" } } }),
  );
  await kubelet.patch(RESOURCES.pods, "default", "mine", merge({ status: { phase: "Running" } }), "status");

  await forbidden(kubelet.create(RESOURCES.nodes, node("n3")), "make another node");
  await forbidden(
    kubelet.patch(RESOURCES.nodes, undefined, "n2", merge({ status: { phase: "x" } }), "status"),
    "write another node",
  );
  await forbidden(
    kubelet.patch(RESOURCES.nodes, undefined, "n1", merge({ spec: { taints: [{ key: "a", effect: "NoSchedule" }] } })),
    "change taints",
  );
  await forbidden(
    kubelet.patch(
      RESOURCES.nodes,
      undefined,
      "n1",
      merge({ metadata: { labels: { "node-role.kubernetes.io/control-plane": "" } } }),
    ),
    "take a role",
  );
  await forbidden(
    kubelet.patch(
      RESOURCES.nodes,
      undefined,
      "n1",
      merge({ metadata: { labels: { "node-restriction.kubernetes.io/x": "y" } } }),
    ),
    "take a restricted label",
  );
  const owner = { apiVersion: "v1", kind: "ConfigMap", name: "x", uid: "1" };
  await forbidden(
    kubelet.patch(RESOURCES.nodes, undefined, "n1", merge({ metadata: { ownerReferences: [owner] } })),
    "let itself be collected",
  );
  await forbidden(kubelet.delete(RESOURCES.nodes, undefined, "n1"), "delete itself");
  await forbidden(
    kubelet.patch(RESOURCES.pods, "default", "other", merge({ status: { phase: "Failed" } }), "status"),
    "write another node's pod",
  );
  await forbidden(
    kubelet.patch(RESOURCES.pods, "default", "mine", merge({ metadata: { labels: { app: "victim" } } }), "status"),
    "join a service",
  );
  await forbidden(
    kubelet.delete(RESOURCES.pods, "default", "other", { gracePeriodSeconds: 0 }),
    "delete another node's pod",
  );
  await forbidden(kubelet.create(RESOURCES.pods, pod("plain", "n1")), "make a pod that is no mirror");
  const mirror = (more: object): Pod => {
    const made = pod("mirror", "n1", more);
    const reference = { apiVersion: "v1", kind: "Node", name: "n1", uid: own.metadata.uid ?? "" };
    return {
      ...made,
      metadata: { ...made.metadata, annotations: { "kubernetes.io/config.mirror": "x" }, ownerReferences: [reference] },
    };
  };
  await forbidden(
    kubelet.create(RESOURCES.pods, mirror({ volumes: [{ name: "s", secret: { secretName: "key" } }] })),
    "reach a secret",
  );
  await forbidden(kubelet.create(RESOURCES.pods, mirror({ serviceAccountName: "admin" })), "take an account");
  await kubelet.create(RESOURCES.pods, mirror({}));
  await kubelet.delete(RESOURCES.pods, "default", "mine", { gracePeriodSeconds: 0 });
});

it("nobody gives away rights that they do not have", async (t) => {
  const users = new Map([["jane-token", { name: "jane", groups: ["system:authenticated"] }]]);
  const { kubectl, request, url } = await startApiServer(t, { users });
  await kubectl([
    "create",
    "role",
    "keeper",
    "--verb=*",
    "--resource=roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io,configmaps",
  ]);
  await kubectl(["create", "rolebinding", "keeper", "--role=keeper", "--user=jane"]);
  const as = [
    "--token",
    "jane-token",
    "--kubeconfig",
    "/dev/null",
    "--server",
    url,
    "--insecure-skip-tls-verify",
    "-n",
    "default",
  ];
  // The star of --verb=* includes escalate and bind on roles, so take those away first.
  await kubectl([
    "patch",
    "role",
    "keeper",
    "--type=json",
    "-p",
    '[{"op":"replace","path":"/rules/0/verbs","value":["get","list","create","update","patch","delete"]}]',
  ]);
  const role = JSON.parse(await kubectl(["get", "role", "keeper", "-o", "json"])) as {
    rules: { resources: string[]; verbs: string[] }[];
  };
  for (const [index, rule] of role.rules.entries()) {
    if (rule.verbs.includes("*"))
      await kubectl([
        "patch",
        "role",
        "keeper",
        "--type=json",
        "-p",
        `[{"op":"replace","path":"/rules/${index}/verbs","value":["get","list","create","update","patch","delete"]}]`,
      ]);
  }
  assert.match(
    await kubectl([...as, "create", "role", "grab", "--verb=get", "--resource=secrets"], { fails: true }),
    /attempting to grant RBAC permissions not currently held:\n\{APIGroups:\[""\], Resources:\["secrets"\], Verbs:\["get"\]\}/,
  );
  assert.match(
    await kubectl([...as, "create", "rolebinding", "grab", "--clusterrole=cluster-admin", "--user=jane"], {
      fails: true,
    }),
    /attempting to grant RBAC permissions not currently held/,
  );
  await kubectl([...as, "create", "role", "fine", "--verb=get", "--resource=configmaps"]);
  assert.equal((await request("GET", "/api/v1/namespaces/default/secrets", { token: "jane-token" })).status, 403);
});
