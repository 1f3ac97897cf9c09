// A service that becomes of another type leaves what the old type had; what it never had is refused, not dropped.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startApiServer } from "#test/api-server.ts";

const SERVICES = "/api/v1/namespaces/default/services";

test("a service's type and what belongs to it", async (t) => {
  const { request } = await startApiServer(t);
  const post = (name: string, spec: object) =>
    request("POST", SERVICES, {
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ apiVersion: "v1", kind: "Service", metadata: { name }, spec }),
    });
  type Spec = Record<string, unknown> & { ports?: { nodePort?: number }[] };
  const change = async (name: string, spec: object): Promise<Spec> => {
    const answer = await request("PATCH", `${SERVICES}/${name}`, {
      headers: { "content-type": "application/merge-patch+json" },
      body: JSON.stringify({ spec }),
    });
    assert.equal(answer.status, 200, answer.text);
    return answer.json()["spec"] as Spec;
  };
  const ports = [{ port: 80 }];
  const made = (await post("a", { type: "LoadBalancer", externalTrafficPolicy: "Local", ports })).json()[
    "spec"
  ] as Spec;
  assert.ok(made["healthCheckNodePort"] && made.ports?.[0]?.nodePort && made["clusterIP"]);

  const node = await change("a", { type: "NodePort" });
  assert.deepEqual(
    [node["healthCheckNodePort"], node["allocateLoadBalancerNodePorts"], node["externalTrafficPolicy"]],
    [undefined, undefined, "Local"],
  );
  assert.equal(node.ports?.[0]?.nodePort, made.ports[0]?.nodePort, "a port that is needed still is kept");

  const cluster = await change("a", { type: "ClusterIP" });
  assert.deepEqual([cluster.ports?.[0]?.nodePort, cluster["externalTrafficPolicy"]], [undefined, undefined]);
  assert.equal(cluster["clusterIP"], made["clusterIP"]);

  const name = await change("a", { type: "ExternalName", externalName: "example.com" });
  for (const field of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"])
    assert.equal(name[field], undefined, field);
  const back = await change("a", { type: "ClusterIP", externalName: null });
  assert.match(String(back["clusterIP"]), /^10\./);

  const refused = await post("b", { type: "ClusterIP", ports: [{ port: 80, nodePort: 30080 }] });
  assert.equal(refused.status, 422);
  assert.match(refused.text, /spec.ports\[0\].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'/);
  const kept = await post("c", { type: "NodePort", ports: [{ port: 80, nodePort: 30080 }] });
  assert.equal(kept.status, 201, "the port that was refused is free");
});
