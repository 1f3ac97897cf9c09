// Containers and networks: plugged in while they start, shared by pods, joined and left while they run.
import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { after, before, test } from "node:test";
import { isGantryError } from "#base/errors.ts";
import type { ContainerConfig, Namespaces } from "#containers/engine.ts";
import { demultiplex, startEngine, type TestEngine } from "#test/engine.ts";
import { enterFreshHost } from "#test/isolated-network.ts";

let t: TestEngine;
before(async () => {
  await enterFreshHost();
  t = await startEngine();
});
after(() => t.end());

const own: Namespaces = {
  network: { kind: "new" },
  pid: { kind: "new" },
  ipc: { kind: "private" },
  uts: { kind: "new" },
  cgroup: "private",
};
const bridged = (changes: Partial<ContainerConfig["networks"][number]> = {}): Partial<ContainerConfig> => ({
  namespaces: own,
  networks: [{ network: "bridge", aliases: [], ports: [], ...changes }],
});

async function exec(id: string, ...args: string[]): Promise<string> {
  const config = { args, env: [], privileged: false, terminal: false, stdin: false, stdout: true, stderr: true };
  const { id: execId } = await t.engine.createExec(id, config);
  const stream = await t.engine.startExec(execId, { detach: false });
  const { stdout, stderr } = demultiplex(Buffer.concat((await stream?.toArray()) ?? []));
  await t.engine.waitExec(execId);
  return stdout + stderr;
}

/** What a server on this host's loopback says first; asked again until it is up. */
async function ask(port: number): Promise<string> {
  for (let attempt = 0; attempt < 40; attempt++) {
    const answer = await new Promise<string>((resolve) => {
      const socket = connect({ host: "127.0.0.1", port, timeout: 500 });
      const done = (text: string): void => {
        socket.destroy();
        resolve(text);
      };
      socket.once("data", (chunk) => done(chunk.toString()));
      for (const event of ["error", "timeout", "close"]) socket.once(event, () => done(""));
    });
    if (answer !== "") return answer;
    await delay(50);
  }
  return "";
}

test("a container on the bridge has its address before it is executed, and its names", async () => {
  const from = t.events.length;
  const { id, endpoints } = await t.run(["sh", "-c", "ip -4 addr show eth0; cat /etc/hosts; sleep 1000"], {
    ...bridged(),
    hostname: "web",
    domainname: "example.org",
    extraHosts: ["db:10.9.8.7"],
  });
  const [endpoint] = endpoints;
  assert.match(endpoint?.ipv4 ?? "", /^10\.213\.0\.\d+$/);
  await delay(150);
  const options = { stdout: true, stderr: true, follow: false, timestamps: false, framing: "raw" } as const;
  const out = Buffer.concat(await (await t.engine.logs(id, options)).toArray()).toString();
  assert.match(out, new RegExp(`inet ${endpoint?.ipv4}/24`));
  assert.match(out, new RegExp(`10\\.9\\.8\\.7\\tdb\\n${endpoint?.ipv4}\\tweb\\.example\\.org web\\n`));
  assert.match(await exec(id, "ping", "-c1", "-W2", "10.213.0.1"), /1 packets received/);
  const stats = await t.engine.stats(id);
  assert.ok((stats.networks["eth0"]?.rxBytes ?? 0) > 0);
  await t.engine.remove(id, { force: true });
  assert.equal(t.networks.endpoints({ owner: id }).length, 0);
  const network = t.events.slice(from).filter(({ type }) => type === "network");
  assert.deepEqual(
    network.map(({ action, attributes }) => [action, attributes["name"], attributes["container"]]),
    [
      ["connect", "bridge", id],
      ["disconnect", "bridge", id],
    ],
  );
});

test("published ports answer, and are free again when the container has ended", async () => {
  const ports = [{ protocol: "tcp", containerPort: 80, hostAddress: "", hostPort: 18_080 }] as const;
  const serve = ["sh", "-c", "while :; do echo hello | nc -l -p 80; done"];
  for (let round = 0; round < 2; round++) {
    const { id } = await t.run(serve, bridged({ ports }));
    const other = await t.engine.create(t.config(serve, bridged({ ports })));
    await assert.rejects(t.engine.start(other.id), (error) => isGantryError(error, "conflict"));
    await t.engine.remove(other.id);
    assert.equal(await ask(18_080), "hello\n");
    await t.engine.remove(id, { force: true });
  }
});

test("a start that fails leaves no endpoint behind", async () => {
  const { id } = await t.engine.create(t.config(["nosuch"], bridged()));
  await assert.rejects(t.engine.start(id), (error) => isGantryError(error, "exec-failed"));
  assert.deepEqual(t.networks.endpoints({ owner: id }), []);
  await t.engine.remove(id);
  const unknown = await t.engine.create(t.config(["true"], bridged({ network: "nosuch" })));
  await assert.rejects(
    t.engine.start(unknown.id),
    (error) => isGantryError(error, "not-found") && error.message.includes("network nosuch not found"),
  );
  await t.engine.remove(unknown.id);
});

test("networks are joined and left while it runs, and kept over a restart of the container", async () => {
  await t.networks.create({
    name: "second",
    driver: "bridge",
    internal: false,
    attachable: false,
    enableIPv6: false,
    ipam: [{ subnet: "10.214.0.0/24" }],
    options: {},
    labels: {},
  });
  const { id } = await t.run(["sleep", "1000"], bridged());
  await t.engine.connect(id, { network: "second", aliases: ["alias"], ports: [] });
  await assert.rejects(t.engine.connect(id, { network: "second", aliases: [], ports: [] }), (error) =>
    isGantryError(error, "conflict"),
  );
  assert.match(await exec(id, "ip", "-4", "addr", "show", "eth1"), /inet 10\.214\.0\.\d+\/24/);
  assert.match(await exec(id, "cat", "/etc/hosts"), /10\.214\.0\.\d+\t/);
  assert.match(await exec(id, "cat", "/etc/resolv.conf"), /nameserver 127\.0\.0\.11/);
  await t.engine.restart(id, { timeoutSeconds: 0 });
  assert.equal(t.engine.get(id).endpoints.length, 2);
  await t.engine.disconnect(id, "second", false);
  assert.equal(t.engine.get(id).endpoints.length, 1);
  assert.match(await exec(id, "ip", "addr"), /eth0/);
  assert.doesNotMatch(await exec(id, "ip", "addr"), /eth1/);
  await assert.rejects(t.engine.disconnect(id, "second", false), (error) => isGantryError(error, "not-found"));
  await t.engine.disconnect(id, "second", true);
  await t.engine.remove(id, { force: true });
  await t.networks.remove(t.networks.find("second")?.id ?? "");
});

test("the default route is the first network's by priority, way out and name, and moves as networks are joined and left", async () => {
  const make = (name: string, subnet: string, internal = false) =>
    t.networks.create({
      name,
      driver: "bridge",
      internal,
      attachable: false,
      enableIPv6: false,
      ipam: [{ subnet }],
      options: {},
      labels: {},
    });
  await make("route-b", "10.214.1.0/24");
  await make("route-c", "10.214.2.0/24");
  await make("route-a", "10.214.3.0/24", true);
  const join = (network: string, gatewayPriority = 0) => ({ network, aliases: [], ports: [], gatewayPriority });
  const { id } = await t.run(["sleep", "1000"], {
    ...bridged(),
    networks: [join("route-c"), join("route-a"), join("route-b")],
  });
  const leads = async (subnet: string | undefined): Promise<void> => {
    const routes = await exec(id, "ip", "route", "show", "default");
    assert.equal(/default via (10\.214\.\d)\.1/.exec(routes)?.[1], subnet, routes);
  };
  await leads("10.214.1");
  await t.engine.disconnect(id, "route-b", false);
  await leads("10.214.2");
  await t.engine.connect(id, join("route-b"));
  await leads("10.214.1");
  await t.engine.disconnect(id, "route-c", false);
  await t.engine.connect(id, join("route-c", 1));
  await leads("10.214.2");
  await t.engine.restart(id, { timeoutSeconds: 0 });
  await leads("10.214.2");
  await t.engine.disconnect(id, "route-c", false);
  await t.engine.disconnect(id, "route-b", false);
  await leads(undefined);
  await t.engine.remove(id, { force: true });
  for (const name of ["route-a", "route-b", "route-c"]) await t.networks.remove(t.networks.find(name)?.id ?? "");
});

test("a pod: a sandbox without a root, and containers in its network, IPC, UTS and pid namespaces", async () => {
  const sandbox = await t.run(["/pause"], {
    ...bridged(),
    imageId: undefined,
    image: "",
    hostname: "pod",
    readonlyRoot: true,
    namespaces: { ...own, ipc: { kind: "shareable" } },
    security: { privileged: false, capabilities: [], noNewPrivileges: true },
    log: { driver: "none", maxBytes: 0, maxFiles: 0 },
  });
  const join = { kind: "container", id: sandbox.id } as const;
  const inPod: Partial<ContainerConfig> = {
    namespaces: { ...own, network: join, ipc: join, uts: join, pid: join },
  };
  const one = await t.run(["sh", "-c", "echo shared > /dev/shm/file; hostname; while :; do sleep 1; done"], inPod);
  const two = await t.run(["sleep", "1000"], inPod);
  const pidOf = (id: string): number => {
    const { state } = t.engine.get(id);
    return "pid" in state ? state.pid : 0;
  };
  for (const kind of ["net", "ipc", "uts", "pid"]) {
    const of = (id: string): string => readlinkSync(`/proc/${pidOf(id)}/ns/${kind}`);
    assert.equal(of(one.id), of(sandbox.id), kind);
    assert.equal(of(two.id), of(sandbox.id), kind);
  }
  assert.notEqual(readlinkSync(`/proc/${pidOf(one.id)}/ns/mnt`), readlinkSync(`/proc/${pidOf(two.id)}/ns/mnt`));
  await delay(100);
  assert.equal(await exec(two.id, "cat", "/dev/shm/file"), "shared\n");
  assert.equal(await exec(two.id, "hostname"), "pod\n");
  assert.match(await exec(two.id, "ps"), /sleep 1000/);
  assert.match(await exec(two.id, "cat", "/etc/hosts"), /pod/);
  await t.engine.stop(sandbox.id, { timeoutSeconds: 2 });
  const { state } = t.engine.get(sandbox.id);
  assert.equal(state.status === "exited" && state.exit.code, 0);
  const late = await t.engine.create(t.config(["true"], inPod));
  await assert.rejects(
    t.engine.start(late.id),
    (error) => isGantryError(error, "conflict") && error.message.includes("of a non running container"),
  );
  for (const { id } of t.engine.list()) await t.engine.remove(id, { force: true });
});

test("a container in another's network, and in the host's", async () => {
  const first = await t.run(["sleep", "1000"], { ...bridged(), hostname: "first" });
  const second = await t.run(["sleep", "1000"], {
    namespaces: { ...own, network: { kind: "container", id: first.id } },
  });
  const address = first.endpoints[0]?.ipv4 ?? "none";
  assert.match(await exec(second.id, "ip", "addr"), new RegExp(address));
  assert.match(await exec(second.id, "cat", "/etc/hosts"), new RegExp(`${address}\tfirst`));
  const host = await t.run(["sleep", "1000"], {
    namespaces: { ...own, network: { kind: "host" }, uts: { kind: "host" } },
  });
  const { state } = host;
  assert.equal("pid" in state && readlinkSync(`/proc/${state.pid}/ns/net`), readlinkSync("/proc/thread-self/ns/net"));
  for (const { id } of t.engine.list()) await t.engine.remove(id, { force: true });
});

test("endpoints of what runs are kept when the engine is opened again, others are given back", async () => {
  const running = await t.run(["sleep", "1000"], bridged());
  const ended = await t.run(["sleep", "1000"], bridged());
  await t.engine.kill(ended.id, 9);
  await t.reopen();
  assert.deepEqual(t.engine.get(running.id).endpoints, running.endpoints);
  assert.match(await exec(running.id, "ping", "-c1", "-W2", "10.213.0.1"), /1 packets received/);
  await t.engine.start(ended.id);
  assert.notEqual(t.engine.get(ended.id).endpoints[0]?.ipv4, running.endpoints[0]?.ipv4);
  for (const { id } of t.engine.list()) await t.engine.remove(id, { force: true });
});
