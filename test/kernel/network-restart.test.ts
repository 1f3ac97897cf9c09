import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, before, test } from "node:test";
import { openRtnetlink } from "#linux/rtnetlink.ts";
import { dial, enterFreshHost, greet, makeNetns, sh } from "#test/isolated-network.ts";
import {
  ask,
  bridgeNetwork,
  closeLabs,
  HOST_ADDRESS,
  listeningLogger,
  makeContainer,
  makeNeighbour,
  NEIGHBOUR_ADDRESS,
  openLab,
  tempDir,
} from "#test/network-lab.ts";

let neighbour = 0;
before(async () => {
  await enterFreshHost();
  neighbour = await makeNeighbour();
});
afterEach(closeLabs);

/** The links that are plugged into something. */
function ports(): string[] {
  const rtnetlink = openRtnetlink();
  const found = rtnetlink
    .links()
    .filter(({ master }) => master !== 0)
    .map(({ name }) => name);
  rtnetlink.close();
  return found.sort();
}

/** A daemon that is killed as it attaches containers, again and again. */
async function attachUntilKilled(stateDir: string, pids: readonly number[], ms: number): Promise<void> {
  const script = `
    import { openNetworks } from ${JSON.stringify(new URL("../../src/network/open-networks.ts", import.meta.url).href)};
    const networks = await openNetworks({ stateDir: ${JSON.stringify(stateDir)}, instance: "", defaultBridge: { name: "gantry0", address: "172.17.0.1/16" } });
    await networks.reconcile(new Set());
    process.stdout.write("ready");
    for (let n = 0; ; n++) for (const pid of ${JSON.stringify(pids)}) {
      const owner = pid + "-" + n;
      const port = { protocol: "tcp", containerPort: 80, hostAddress: "", hostPort: 0 };
      await networks.attach({ owner, networkId: "bridge", pid, interfaceName: "e" + n, aliases: [], ports: [port], defaultGateway: false });
      if (n % 2) await networks.detach(owner, "bridge");
    }`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: new URL("../..", import.meta.url),
  });
  await once(child.stdout, "data");
  await new Promise((resolve) => setTimeout(resolve, ms));
  child.kill("SIGKILL");
  await once(child, "exit");
}

test("killed at any moment, the next start finds everything and leaves nothing", async () => {
  const stateDir = tempDir();
  const boxes = await Promise.all([makeNetns(), makeNetns()]);
  for (const ms of [1, 7, 20, 45]) {
    await attachUntilKilled(
      stateDir,
      boxes.map(({ pid }) => pid),
      ms,
    );
    const { logger, complaints } = listeningLogger();
    const networks = await openLab(stateDir, { logger });
    await networks.reconcile(new Set());
    assert.deepEqual(networks.endpoints({}), []);
    assert.deepEqual(ports(), []);
    assert.deepEqual(
      readdirSync(join(stateDir, "endpoints")).filter((file) => file.endsWith(".json")),
      [],
    );
    assert.match(sh("nft list map ip gantry published-any").out, /^(?!.*elements)/s);
    assert.deepEqual(complaints, []);
    await networks.close();
  }
});

test("containers keep address, ports and names over a restart of the daemon; the dead are cleared away", async () => {
  const stateDir = tempDir();
  const first = await openLab(stateDir);
  await first.create(bridgeNetwork("red"));
  const web = await makeContainer(first, "web", {
    networkId: "red",
    ports: [{ protocol: "tcp", containerPort: 80, hostAddress: "", hostPort: 8080 }],
  });
  const dead = await makeContainer(first, "dead", { networkId: "red" });
  const stopped = await makeContainer(first, "stopped", { networkId: "red" });
  greet(web.pid, "0.0.0.0", 80, "web");
  await first.close();
  assert.equal(
    await dial(neighbour, HOST_ADDRESS, 8080),
    `web sees ${NEIGHBOUR_ADDRESS}`,
    "published while nobody watches",
  );
  await dead.end();
  sh("nft flush ruleset");

  const second = await openLab(stateDir, { hostServers: () => [] });
  await second.reconcile(new Set([web.owner, dead.owner]));
  assert.deepEqual(
    second.endpoints({}).map(({ ipv4, owner }) => [ipv4, owner]),
    [[web.endpoint.ipv4, web.owner]],
  );
  assert.deepEqual(ports(), [`veth${web.endpoint.id.slice(0, 11)}`]);
  assert.equal(await dial(neighbour, HOST_ADDRESS, 8080), `web sees ${NEIGHBOUR_ADDRESS}`);
  assert.deepEqual(await ask(web.pid, "web", "A"), [web.endpoint.ipv4]);
  assert.notEqual(stopped.endpoint.ipv4, web.endpoint.ipv4);
  const next = await makeContainer(second, "next", { networkId: "red" });
  assert.equal(next.endpoint.ipv4, "172.18.0.3", "the address of a dead one is free");
  await assert.rejects(
    makeContainer(second, "thief", {
      ports: [{ protocol: "tcp", containerPort: 80, hostAddress: "", hostPort: 8080 }],
    }),
    /port is already allocated/,
  );
});

test("a bridge that was deleted by hand is back, with its containers, after a restart", async () => {
  const stateDir = tempDir();
  const first = await openLab(stateDir);
  const web = await makeContainer(first, "web");
  await first.close();
  sh("ip link del gantry0");
  const second = await openLab(stateDir);
  await second.reconcile(new Set([web.owner]));
  greet(web.pid, "0.0.0.0", 80, "web");
  assert.equal(await dial(undefined, "172.17.0.2", 80), "web sees 172.17.0.1");
});

test("two instances side by side do not touch each other", async () => {
  const one = await openLab(tempDir());
  const two = await openLab(tempDir(), {
    instance: "abc123",
    defaultBridge: { name: "gt-abc123", address: "10.101.0.1/18" },
  });
  const a = await makeContainer(one, "a", {
    ports: [{ protocol: "tcp", containerPort: 80, hostAddress: "", hostPort: 8081 }],
  });
  const b = await makeContainer(two, "b", {
    ports: [{ protocol: "tcp", containerPort: 80, hostAddress: "", hostPort: 8082 }],
  });
  await assert.rejects(
    makeContainer(two, "c", { ports: [{ protocol: "tcp", containerPort: 80, hostAddress: "", hostPort: 8081 }] }),
    /address already in use/,
  );
  greet(a.pid, "0.0.0.0", 80, "a");
  greet(b.pid, "0.0.0.0", 80, "b");
  greet(neighbour, "0.0.0.0", 97, "neighbour");
  assert.match(await dial(a.pid, b.endpoint.ipv4, 80, 400), /timeout/);
  assert.match(await dial(a.pid, HOST_ADDRESS, 8082), /^b sees/);
  await one.dismantle();
  await one.close();
  assert.equal(await dial(neighbour, HOST_ADDRESS, 8082), `b sees ${NEIGHBOUR_ADDRESS}`);
  assert.equal(await dial(b.pid, NEIGHBOUR_ADDRESS, 97), `neighbour sees ${HOST_ADDRESS}`);
  assert.match(sh("nft list tables").out, /^(?!.*gantry\n).*gantry-abc123/s);
});

test("attaching and detaching takes a few milliseconds", async (t) => {
  const networks = await openLab(tempDir());
  const boxes = await Promise.all(Array.from({ length: 12 }, () => makeNetns()));
  const port = { protocol: "tcp", containerPort: 80, hostAddress: "", hostPort: 0 } as const;
  const times: number[] = [];
  for (const [n, { pid }] of boxes.entries()) {
    const start = performance.now();
    await networks.attach({
      owner: `o${n}`,
      networkId: "bridge",
      pid,
      interfaceName: "eth0",
      aliases: [],
      ports: [port],
      defaultGateway: true,
    });
    await networks.detach(`o${n}`, "bridge");
    times.push(performance.now() - start);
  }
  const [fastest = 0] = times.sort((a, b) => a - b);
  t.diagnostic(`attach and detach: p50 ${times[6]?.toFixed(1)} ms, fastest ${fastest.toFixed(1)} ms`);
  // The figure to hold is 5 ms on an idle machine; tests share theirs with others.
  assert.ok(fastest < 15, `${fastest} ms`);
});
