import assert from "node:assert/strict";
import { test } from "node:test";
import type { NetworkPolicy, Pod } from "#formats/kube-types.generated.ts";
import type { PolicyTable } from "#network/policy-rules.ts";
import { compilePolicy, type CompiledPolicy } from "./compile-policy.ts";
import { policyModel, type PolicyModel, type PolicyPod } from "./policy-model.ts";

function podAt(name: string, address: string, labels: Record<string, string>, ports: object[] = []): PolicyPod {
  const pod = {
    metadata: { name, namespace: "red", uid: name, labels },
    spec: { containers: [{ name: "main", ports }] },
  } as unknown as Pod;
  return { pod, addresses: [address] };
}

function model(specs: NetworkPolicy["spec"][], pods: PolicyPod[]): { model: PolicyModel; pods: PolicyPod[] } {
  const policies: CompiledPolicy[] = specs.map((spec, index) =>
    compilePolicy({
      metadata: { name: `p${index}`, namespace: "red", uid: `uid-${index}` },
      ...(spec ? { spec } : {}),
    }),
  );
  return {
    pods,
    model: policyModel({
      policiesOf: (namespace) => policies.filter((policy) => policy.namespace === namespace),
      pods: () => pods,
      local: () => pods,
      namespaceLabels: () => ({}),
    }),
  };
}

/** The table as text: `address <- what may come`. */
function text({ ingress, egress, sets }: PolicyTable): string[] {
  const said = (table: PolicyTable["ingress"], arrow: string): string[] =>
    Array.from(table, ([address, allowed]) => {
      const parts = allowed.map(({ peers, ports }) => {
        const whom =
          peers === "everybody"
            ? "everybody"
            : "block" in peers
              ? [peers.block.cidr, ...peers.block.except].join(" but ")
              : `{${[...(sets.get(peers.set)?.elements ?? ["?"])].join(", ")}}`;
        const which = ports.map(
          ({ protocol, ports: range }) => `${protocol}/${range ? `${range.from}-${range.to}` : "any"}`,
        );
        return [whom, ...which].join(" ");
      });
      return `${address} ${arrow} ${parts.join("; ") || "nothing"}`;
    });
  return [...said(ingress, "<-"), ...said(egress, "->")];
}

const WEB = [{ name: "web", containerPort: 8080 }];

test("isolation by direction, and what several policies allow together", () => {
  const { model: one } = model(
    [
      { podSelector: { matchLabels: { app: "a" } } },
      {
        podSelector: {},
        policyTypes: ["Ingress", "Egress"],
        ingress: [{ from: [{ podSelector: { matchLabels: { app: "b" } } }], ports: [{ port: 80, endPort: 90 }] }],
      },
    ],
    [podAt("a", "10.0.0.1", { app: "a" }), podAt("b", "10.0.0.2", { app: "b" })],
  );
  assert.deepEqual(text(one.table()), [
    "10.0.0.1 <- {10.0.0.2} tcp/80-90",
    "10.0.0.2 <- {10.0.0.2} tcp/80-90",
    "10.0.0.1 -> nothing",
    "10.0.0.2 -> nothing",
  ]);
});

test("named ports: the pod's own where it is asked, the peers' where it asks", () => {
  const { model: one } = model(
    [
      { podSelector: {}, policyTypes: ["Ingress"], ingress: [{ ports: [{ port: "web" }] }] },
      { podSelector: { matchLabels: { app: "a" } }, policyTypes: ["Egress"], egress: [{ ports: [{ port: "web" }] }] },
    ],
    [podAt("a", "10.0.0.1", { app: "a" }), podAt("b", "10.0.0.2", {}, WEB)],
  );
  assert.deepEqual(text(one.table()), [
    "10.0.0.1 <- nothing",
    "10.0.0.2 <- everybody tcp/8080-8080",
    "10.0.0.1 -> {10.0.0.2 tcp 8080}",
  ]);
});

test("a change of one pod leaves everything else the very same", () => {
  const spec = {
    podSelector: { matchLabels: { app: "a" } },
    ingress: [
      {
        from: [
          { podSelector: { matchLabels: { app: "b" } } },
          { ipBlock: { cidr: "10.0.0.0/8", except: ["10.9.0.0/16"] } },
        ],
      },
    ],
  };
  const { model: one, pods } = model([spec], [podAt("a", "10.0.0.1", { app: "a" })]);
  const before = one.table();
  assert.deepEqual(text(before), ["10.0.0.1 <- 10.0.0.0/8 but 10.9.0.0/16; {}"]);
  const fresh = podAt("b", "10.0.0.2", { app: "b" });
  pods.push(fresh);
  one.podChanged("b", fresh);
  const after = one.table();
  assert.deepEqual(text(after), ["10.0.0.1 <- 10.0.0.0/8 but 10.9.0.0/16; {10.0.0.2}"]);
  assert.equal(after.ingress.get("10.0.0.1"), before.ingress.get("10.0.0.1"));
  one.podChanged("b", undefined);
  assert.deepEqual(text(one.table()), text(before));
});
