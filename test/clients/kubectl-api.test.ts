// The real kubectl against the API server alone: no nodes are needed.
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { startApiServer, startKubectl } from "#test/api-server.ts";

const CONFIG_MAP = `
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  labels: {app: web}
data:
  color: green
  shape: round
`;

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "nginx:1", ports: [{containerPort: 80}]}
`;

const DEPLOYMENT_SPEC = {
  replicas: 1,
  selector: { matchLabels: { app: "two" } },
  template: { metadata: { labels: { app: "two" } }, spec: { containers: [{ name: "c", image: "nginx:1" }] } },
};

describe("kubectl on the API server", () => {
  it("finds its way: version, resources, who and what one may", async (t) => {
    const { kubectl } = await startApiServer(t);
    assert.match(await kubectl(["version"]), /Server Version: v1\.36\.0/);
    const resources = await kubectl(["api-resources", "--no-headers"]);
    for (const line of [
      /^pods +po +v1 +true +Pod$/m,
      /^deployments +deploy +apps\/v1 +true +Deployment$/m,
      /^nodes +no +v1 +false +Node$/m,
    ])
      assert.match(resources, line);
    assert.match(await kubectl(["api-versions"]), /^rbac\.authorization\.k8s\.io\/v1$/m);
    assert.equal(await kubectl(["auth", "can-i", "delete", "pods", "--as", "jane"], { fails: true }), "");
    assert.equal(await kubectl(["auth", "can-i", "delete", "pods"]), "yes\n");
    assert.match(await kubectl(["auth", "whoami", "-o", "json"]), /"username": "admin"/);
    assert.match(
      await kubectl(["get", "--raw", "/readyz?verbose"]),
      /\[\+\]poststarthook\/bootstrap ok\nreadyz check passed/,
    );
    assert.match(await kubectl(["get", "--raw", "/metrics"]), /apiserver_request_total\{verb="GET"/);
  });

  it("creates, gets, lists, labels, annotates, patches, replaces and deletes", async (t) => {
    const { kubectl } = await startApiServer(t);
    assert.equal(await kubectl(["create", "-f", "-"], { stdin: CONFIG_MAP }), "configmap/settings created\n");
    assert.match(
      await kubectl(["create", "-f", "-"], { stdin: CONFIG_MAP, fails: true }),
      /\(AlreadyExists\).*configmaps "settings" already exists/,
    );
    assert.match(await kubectl(["get", "cm", "settings"]), /^NAME +DATA +AGE\nsettings +2 +\d+s\n$/);
    assert.equal(await kubectl(["get", "cm", "-l", "app=web", "-o", "name"]), "configmap/settings\n");
    assert.equal(await kubectl(["get", "cm", "-l", "app!=web", "-o", "name"]), "");
    assert.equal(
      await kubectl([
        "get",
        "cm",
        "--field-selector",
        "metadata.name=settings",
        "-o",
        "jsonpath={.items[*].data.color}",
      ]),
      "green",
    );
    await kubectl(["label", "cm", "settings", "tier=front"]);
    await kubectl(["annotate", "cm", "settings", "note=hello"]);
    await kubectl([
      "patch",
      "cm",
      "settings",
      "--type=json",
      "-p",
      '[{"op":"replace","path":"/data/color","value":"red"}]',
    ]);
    await kubectl(["patch", "cm", "settings", "--type=merge", "-p", '{"data":{"shape":null}}']);
    const object = JSON.parse(await kubectl(["get", "cm", "settings", "-o", "json"])) as {
      data: object;
      metadata: { labels: object; annotations: object };
    };
    assert.deepEqual(object.data, { color: "red" });
    assert.deepEqual(object.metadata.labels, { app: "web", tier: "front" });
    assert.equal(await kubectl(["replace", "-f", "-"], { stdin: CONFIG_MAP }), "configmap/settings replaced\n");
    assert.equal(await kubectl(["get", "cm", "settings", "-o", "jsonpath={.data.shape}"]), "round");
    assert.equal(await kubectl(["delete", "cm", "settings"]), 'configmap "settings" deleted\n');
    assert.match(
      await kubectl(["get", "cm", "settings"], { fails: true }),
      /\(NotFound\): configmaps "settings" not found/,
    );
  });

  it("creates from the command line, in protobuf", async (t) => {
    const { kubectl } = await startApiServer(t);
    await kubectl(["create", "namespace", "shop"]);
    await kubectl(["create", "deployment", "web", "--image=nginx", "--replicas=3", "--port=80", "-n", "shop"]);
    await kubectl(["create", "secret", "generic", "key", "--from-literal=a=b", "-n", "shop"]);
    await kubectl(["create", "quota", "limits", "--hard=cpu=1,pods=2", "-n", "shop"]);
    await kubectl(["create", "role", "reader", "--verb=get,list", "--resource=pods", "-n", "shop"]);
    await kubectl(["create", "rolebinding", "reader", "--role=reader", "--user=jane", "-n", "shop"]);
    await kubectl([
      "create",
      "cronjob",
      "tick",
      "--image=busybox",
      "--schedule=*/5 * * * *",
      "-n",
      "shop",
      "--",
      "date",
    ]);
    await kubectl(["create", "ingress", "edge", "--rule=example.com/=web:80", "-n", "shop"]);
    await kubectl(["create", "pdb", "web", "--selector=app=web", "--min-available=50%", "-n", "shop"]);
    await kubectl(["create", "service", "nodeport", "web", "--tcp=80:8080", "-n", "shop"]);
    assert.equal(
      await kubectl([
        "get",
        "deploy",
        "web",
        "-n",
        "shop",
        "-o",
        "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].ports[0].containerPort}",
      ]),
      "3 80",
    );
    assert.equal(
      await kubectl(["get", "secret", "key", "-n", "shop", "-o", "jsonpath={.data.a} {.type}"]),
      "Yg== Opaque",
    );
    assert.equal(await kubectl(["get", "pdb", "web", "-n", "shop", "-o", "jsonpath={.spec.minAvailable}"]), "50%");
    const service = await kubectl([
      "get",
      "svc",
      "web",
      "-n",
      "shop",
      "-o",
      "jsonpath={.spec.clusterIP} {.spec.ports[0].nodePort} {.spec.ports[0].targetPort}",
    ]);
    assert.match(service, /^10\.96\.\d+\.\d+ 3[0-2]\d{3} 8080$/);
    assert.equal(await kubectl(["auth", "can-i", "list", "pods", "--as", "jane", "-n", "shop"]), "yes\n");
  });

  it("applies, on the client's and on the server's side", async (t) => {
    const { kubectl } = await startApiServer(t);
    assert.equal(await kubectl(["apply", "-f", "-"], { stdin: DEPLOYMENT }), "deployment.apps/web created\n");
    assert.equal(await kubectl(["apply", "-f", "-"], { stdin: DEPLOYMENT }), "deployment.apps/web unchanged\n");
    assert.equal(
      await kubectl(["apply", "-f", "-"], { stdin: DEPLOYMENT.replace("nginx:1", "nginx:2") }),
      "deployment.apps/web configured\n",
    );
    assert.equal(
      await kubectl([
        "get",
        "deploy",
        "web",
        "-o",
        "jsonpath={.spec.template.spec.containers[*].image} {.metadata.generation}",
      ]),
      "nginx:2 2",
    );
    await kubectl(["scale", "deploy", "web", "--replicas=5"]);
    assert.equal(
      await kubectl(["apply", "--server-side", "--field-manager=ci", "-f", "-"], { stdin: CONFIG_MAP }),
      "configmap/settings serverside-applied\n",
    );
    const other = CONFIG_MAP.replace("green", "blue");
    const conflict = await kubectl(["apply", "--server-side", "--field-manager=me", "-f", "-"], {
      stdin: other,
      fails: true,
    });
    assert.match(conflict, /conflict with "ci": \.data\.color/);
    await kubectl(["apply", "--server-side", "--field-manager=me", "--force-conflicts", "-f", "-"], { stdin: other });
    assert.equal(await kubectl(["get", "cm", "settings", "-o", "jsonpath={.data.color}"]), "blue");
    assert.match(await kubectl(["diff", "-f", "-"], { stdin: DEPLOYMENT, fails: true }), /^$/);
  });

  it("applies a list of objects, and says what is wrong inside", async (t) => {
    const { kubectl } = await startApiServer(t);
    const list = JSON.stringify({
      apiVersion: "v1",
      kind: "List",
      items: [
        { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "one" }, data: { a: "1" } },
        { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "two" }, spec: DEPLOYMENT_SPEC },
      ],
    });
    const created = await kubectl(["apply", "-f", "-"], { stdin: list });
    assert.equal(created, "configmap/one created\ndeployment.apps/two created\n");
    const wrong = list.replace('"replicas"', '"replicass"');
    assert.match(
      await kubectl(["apply", "-f", "-"], { stdin: wrong, fails: true }),
      /unknown field "replicass" in io\.k8s\.api\.apps\.v1\.DeploymentSpec|unknown field "spec\.replicass"/,
    );
  });

  it("keeps documents of types by their hash", async (t) => {
    const { request } = await startApiServer(t);
    const index = (await request("GET", "/openapi/v3")).json() as unknown as {
      paths: Record<string, { serverRelativeURL: string }>;
    };
    const url = index.paths["apis/apps/v1"]?.serverRelativeURL ?? "";
    const kept = await request("GET", url);
    assert.equal(kept.status, 200);
    assert.equal(kept.headers["cache-control"], "public, immutable");
    assert.ok(Date.parse(String(kept.headers["expires"])) > Date.now() + 300 * 86_400_000);
    const moved = await request("GET", "/openapi/v3/apis/apps/v1?hash=OLD");
    assert.equal(moved.status, 301);
    assert.equal(moved.headers["location"], url);
    const again = await request("GET", url, { headers: { "if-none-match": String(kept.headers["etag"]) } });
    assert.equal(again.status, 304);
    const refused = await request("GET", "/openapi/v2", { headers: { accept: "application/xml" } });
    assert.equal(refused.status, 406);
  });

  it("edits with the editor of the user", async (t) => {
    const { kubectl, folder } = await startApiServer(t);
    await kubectl(["create", "-f", "-"], { stdin: CONFIG_MAP });
    const editor = join(folder, "editor.sh");
    writeFileSync(editor, '#!/bin/sh\nsed -i "s/green/yellow/" "$1"\n');
    chmodSync(editor, 0o755);
    assert.match(await kubectl(["edit", "cm", "settings"], { env: { EDITOR: editor } }), /configmap\/settings edited/);
    assert.equal(await kubectl(["get", "cm", "settings", "-o", "jsonpath={.data.color}"]), "yellow");
  });

  it("waits and watches", async (t) => {
    const test = await startApiServer(t);
    const { kubectl } = test;
    await kubectl(["run", "p", "--image=busybox"]);
    const watch = startKubectl(t, test, ["get", "pods", "-w", "--no-headers"]);
    const lines: string[] = [];
    const seen = new Promise<void>((resolve) => {
      watch.stdout.on("data", (data: Buffer) => {
        lines.push(...data.toString().split("\n").filter(Boolean));
        if (lines.some((line) => line.includes("Running"))) resolve();
      });
    });
    const ready = kubectl(["wait", "pod/p", "--for=jsonpath={.status.phase}=Running", "--timeout=20s"]);
    await kubectl([
      "patch",
      "pod",
      "p",
      "--subresource=status",
      "--type=merge",
      "-p",
      '{"status":{"phase":"Running"}}',
    ]);
    assert.equal(await ready, "pod/p condition met\n");
    await seen;
    const gone = kubectl(["wait", "pod/p", "--for=delete", "--timeout=20s"]);
    await kubectl(["delete", "pod", "p"]);
    await gone;
  });

  it("deletes gracefully what runs on a node, and in collections", async (t) => {
    const { kubectl } = await startApiServer(t);
    await kubectl(["run", "p", "--image=busybox", "--overrides", '{"spec":{"nodeName":"n1"}}']);
    await kubectl(["delete", "pod", "p", "--wait=false"]);
    assert.equal(await kubectl(["get", "pod", "p", "-o", "jsonpath={.metadata.deletionGracePeriodSeconds}"]), "30");
    assert.match(await kubectl(["get", "pod", "p"]), /Terminating/);
    await kubectl(["delete", "pod", "p", "--force", "--grace-period=0"]);
    assert.equal(await kubectl(["get", "pods", "-o", "name"]), "");
    for (const name of ["a", "b", "c"]) await kubectl(["create", "configmap", name]);
    await kubectl(["delete", "cm", "--all"]);
    assert.equal(await kubectl(["get", "cm", "-o", "name"]), "");
    assert.match(
      await kubectl(["delete", "ns", "default"], { fails: true }),
      /namespaces "default" is forbidden: this namespace may not be deleted/,
    );
  });

  it("takes tokens of service accounts, with their rights", async (t) => {
    const { kubectl, url, request } = await startApiServer(t);
    await kubectl(["create", "serviceaccount", "robot"]);
    await kubectl(["create", "clusterrolebinding", "robot", "--clusterrole=view", "--serviceaccount=default:robot"]);
    const token = (await kubectl(["create", "token", "robot"])).trim();
    const as = ["--token", token, "--kubeconfig", "/dev/null", "--server", url, "--insecure-skip-tls-verify"];
    assert.match(await kubectl([...as, "get", "ns", "-o", "name"]), /namespace\/default/);
    assert.match(
      await kubectl([...as, "create", "configmap", "x"], { fails: true }),
      /configmaps is forbidden: User "system:serviceaccount:default:robot" cannot create resource "configmaps" in API group "" in the namespace "default"/,
    );
    assert.match(await kubectl([...as, "get", "secrets"], { fails: true }), /secrets is forbidden/);
    await kubectl(["delete", "serviceaccount", "robot"]);
    assert.equal((await request("GET", "/api/v1/namespaces", { token })).status, 401);
  });

  it("describes and explains", async (t) => {
    const { kubectl } = await startApiServer(t);
    await kubectl(["apply", "-f", "-"], { stdin: DEPLOYMENT });
    assert.match(await kubectl(["describe", "deploy", "web"]), /Replicas: +2 desired/);
    assert.match(await kubectl(["describe", "ns", "default"]), /Status: +Active/);
    assert.match(await kubectl(["explain", "pod.spec.containers.image"]), /FIELD: image <string>/);
    assert.match(await kubectl(["explain", "deployment", "--recursive"]), /progressDeadlineSeconds\t<integer>/);
    const second = await kubectl(["explain", "pod.spec.containers.image", "--output=plaintext-openapiv2"]);
    assert.match(second, /FIELD: +image <string>/);
    assert.match(second, /image name/);
  });
});
