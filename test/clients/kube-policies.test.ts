// Network policies by real connections: who reaches whom, on one node and across nodes.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startGantry, type TestGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { busybox, pod, podTools } from "#test/pods.ts";

let gantry: TestGantry;
const tools = podTools(() => gantry);
const { kubectl, apply } = tools;

/** Where each pod is, and its labels: two of the namespace `red`, one of `blue`. */
const PODS = {
  a: { namespace: "red", node: "one", labels: { app: "a", role: "client" } },
  b: { namespace: "red", node: "one-2", labels: { app: "b" } },
  c: { namespace: "blue", node: "one-2", labels: { app: "c", role: "client" } },
} as const;
type Name = keyof typeof PODS;
const NAMES = Object.keys(PODS) as Name[];
/** Ports that every pod listens on; the first has the name `web`, on `b` the second has. */
const PORTS = [8001, 8002] as const;

const addresses = new Map<Name, string>();

function server(name: Name): object {
  const { namespace, node, labels } = PODS[name];
  const script = `mkdir /w; echo ${name} > /w/index.html; httpd -p 8001 -h /w; httpd -p 8002 -h /w; exec sleep 600`;
  const ports = [{ name: "web", containerPort: name === "b" ? 8002 : 8001 }];
  return pod(`p-${name}`, { nodeName: node, containers: [busybox("main", script, { ports })] }, { namespace, labels });
}

/** `a:8001 b:8002 ...`: what a pod reaches. All attempts are made at once and have half a second. */
async function reaches(from: Name): Promise<string> {
  const others = NAMES.filter((name) => name !== from);
  const attempts = others.flatMap((name) =>
    PORTS.map(
      (port) =>
        `{ printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc ${addresses.get(name)} ${port} > /tmp/${name}:${port} 2>/dev/null; } &`,
    ),
  );
  const script = `rm -f /tmp/*; ${attempts.join(" ")} sleep 0.5; cd /tmp; grep -l '^[abc]$' *:*; true`;
  const { stdout } = await gantry.kubectl("exec", "-n", PODS[from].namespace, `p-${from}`, "--", "sh", "-c", script);
  return stdout.trim().split("\n").filter(Boolean).toSorted().join(" ");
}

/** On a busy machine half a second may be too short: what is expected gets a second look. */
async function assertReaches(from: Name, expected: string, why: string): Promise<void> {
  let seen = "";
  for (let look = 0; look < 4; look++) {
    seen = await reaches(from);
    if (seen === expected) return;
    await delay(100);
  }
  assert.equal(seen, expected, `${from}: ${why}`);
}

function policy(name: string, namespace: string, spec: object): object {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name, namespace }, spec };
}

async function withPolicy(documents: object[], check: () => Promise<void>): Promise<void> {
  await apply(...documents);
  try {
    await check();
  } finally {
    await kubectl("delete", "networkpolicy", "--all", "-n", "red");
  }
}

const EVERYTHING: Record<Name, string> = {
  a: "b:8001 b:8002 c:8001 c:8002",
  b: "a:8001 a:8002 c:8001 c:8002",
  c: "a:8001 a:8002 b:8001 b:8002",
};

before(async () => {
  gantry = await startGantry({ flags: ["--node-name", "one", "--nodes", "2"] });
  await gantry.docker("load", "-i", await testImage("busybox"));
  for (const name of ["red", "blue"]) await kubectl("create", "namespace", name);
  await kubectl("label", "namespace", "blue", "team=blue");
  await apply(...NAMES.map(server));
  for (const name of NAMES) {
    const { namespace } = PODS[name];
    await kubectl("wait", "-n", namespace, "--for=condition=Ready", `pod/p-${name}`, "--timeout=30s");
    addresses.set(name, await kubectl("get", "pod", "-n", namespace, `p-${name}`, "-o", "jsonpath={.status.podIP}"));
  }
});

describe("network policies", () => {
  test("without one, everybody reaches everybody", async () => {
    await Promise.all(NAMES.map((name) => assertReaches(name, EVERYTHING[name], "no policy")));
  });

  test("default deny of ingress isolates the namespace's pods, and nothing else; its end opens them again", async () => {
    await withPolicy([policy("deny", "red", { podSelector: {}, policyTypes: ["Ingress"] })], async () => {
      await Promise.all([
        assertReaches("a", "c:8001 c:8002", "the others of red are closed"),
        assertReaches("c", "", "red is closed"),
        assertReaches("b", "c:8001 c:8002", "what leaves is free"),
      ]);
    });
    await assertReaches("c", EVERYTHING.c, "the policy is gone");
  });

  test("default deny of egress: nothing leaves, replies do", async () => {
    await withPolicy(
      [policy("deny", "red", { podSelector: { matchLabels: { app: "a" } }, policyTypes: ["Egress"] })],
      async () => {
        await assertReaches("a", "", "nothing leaves a");
        await assertReaches("c", EVERYTHING.c, "a answers");
      },
    );
  });

  test("pods of the own namespace, pods of another, a whole namespace; ports", async () => {
    const from = [
      { podSelector: { matchLabels: { role: "client" } } },
      { namespaceSelector: { matchLabels: { team: "blue" } }, podSelector: { matchLabels: { role: "client" } } },
    ];
    const ingress = [
      { from: [from[0]], ports: [{ port: 8001 }] },
      { from: [from[1]], ports: [{ port: 8002, protocol: "TCP" }] },
    ];
    await withPolicy([policy("some", "red", { podSelector: { matchLabels: { app: "b" } }, ingress })], async () => {
      await assertReaches("a", "b:8001 c:8001 c:8002", "a is a client of red");
      await assertReaches("c", "a:8001 a:8002 b:8002", "c is a client of blue");
      await kubectl("label", "-n", "red", "pod", "p-a", "role-");
      await assertReaches("a", "c:8001 c:8002", "a is no client any more");
      await kubectl("label", "-n", "red", "pod", "p-a", "role=client");
      await assertReaches("a", "b:8001 c:8001 c:8002", "and is one again");
      await kubectl("label", "namespace", "blue", "team-");
      await assertReaches("c", "a:8001 a:8002", "blue is not the team's any more");
      await kubectl("label", "namespace", "blue", "team=blue");
    });
  });

  test("ranges of ports, named ports in both directions", async () => {
    const range = [{ from: [{ podSelector: {} }], ports: [{ port: 8000, endPort: 8001 }] }];
    await withPolicy([policy("range", "red", { podSelector: {}, ingress: range })], () =>
      assertReaches("a", "b:8001 c:8001 c:8002", "8000 to 8001"),
    );
    await withPolicy(
      [policy("named", "red", { podSelector: {}, ingress: [{ ports: [{ port: "web" }] }] })],
      async () => {
        await assertReaches("c", "a:8001 b:8002", "web is another port on b");
      },
    );
    const egress = [{ to: [{ podSelector: {} }], ports: [{ port: "web" }] }];
    await withPolicy([policy("named", "red", { podSelector: {}, policyTypes: ["Egress"], egress })], () =>
      assertReaches("a", "b:8002", "only what b calls web"),
    );
  });

  test("blocks of addresses with exceptions, in both directions", async () => {
    const of = (name: Name): string => `${addresses.get(name)}/32`;
    const block = { cidr: "10.0.0.0/8", except: [of("a")] };
    await withPolicy(
      [
        policy("block", "red", {
          podSelector: { matchLabels: { app: "b" } },
          ingress: [{ from: [{ ipBlock: block }] }],
        }),
      ],
      async () => {
        await assertReaches("a", "c:8001 c:8002", "a is excepted");
        await assertReaches("c", EVERYTHING.c, "c is in the block");
      },
    );
    const egress = [{ to: [{ ipBlock: { cidr: of("c") } }] }];
    await withPolicy([policy("out", "red", { podSelector: {}, policyTypes: ["Egress"], egress })], () =>
      assertReaches("a", "c:8001 c:8002", "only to c"),
    );
  });

  test("both ends have to agree, and several policies add up", async () => {
    const out = policy("out", "red", {
      podSelector: { matchLabels: { app: "a" } },
      policyTypes: ["Egress"],
      egress: [{ to: [{ podSelector: { matchLabels: { app: "b" } } }] }],
    });
    const shut = policy("shut", "red", { podSelector: { matchLabels: { app: "b" } }, policyTypes: ["Ingress"] });
    const open = policy("open", "red", {
      podSelector: { matchLabels: { app: "b" } },
      ingress: [{ from: [{ podSelector: { matchLabels: { app: "a" } } }], ports: [{ port: 8001 }] }],
    });
    await withPolicy([out, shut], async () => {
      await assertReaches("a", "", "b is shut");
      await apply(open);
      await assertReaches("a", "b:8001", "b is open for a");
      await assertReaches("c", "a:8001 a:8002", "and for nobody else");
    });
  });

  test("a connection that is there goes on; a new pod is isolated before it runs; Gantry's death opens nothing", async () => {
    const deny = policy("deny", "red", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    const listening = gantry.kubectl("exec", "-n", "red", "p-b", "--", "sh", "-c", "sleep 6 | nc -l -p 8900");
    await delay(400);
    const hold = `(sleep 2; echo still) | nc -w 5 ${addresses.get("b")} 8900`;
    const held = gantry.kubectl("exec", "-n", "red", "p-a", "--", "sh", "-c", hold);
    await delay(800);
    await withPolicy([deny], async () => {
      const script = `nc -w 1 ${addresses.get("c")} 8001 < /dev/null && exit 7; exit 0`;
      await apply(
        pod("eager", { restartPolicy: "Never", containers: [busybox("main", script)] }, { namespace: "red" }),
      );
      await kubectl("wait", "-n", "red", "--for=jsonpath={.status.phase}=Succeeded", "pod/eager", "--timeout=20s");
      await held;
      assert.match((await listening).stdout, /still/);
      await gantry.kill();
      const { stdout } = await gantry.run("curl", ["-sS", "--max-time", "1", `http://${addresses.get("b")}:8001/`]);
      assert.equal(stdout, "");
      await gantry.restart();
      await assertReaches("c", "", "all is denied after the restart");
    });
  });
});
