import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, before, test } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { openListener } from "#linux/inet-sockets.ts";
import { inNetns } from "#linux/netns.ts";
import { openNftables } from "#linux/nftables.ts";
import { openRtnetlink } from "#linux/rtnetlink.ts";
import type { PortMapping } from "#network/networks.ts";
import { dial, enterFreshHost, greet, sh } from "#test/isolated-network.ts";
import {
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
afterEach(closeLabs);
/** As the machine has it. */
let forwarding = "";

before(async () => {
  await enterFreshHost();
  forwarding = readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8");
  neighbour = await makeNeighbour();
  greet(neighbour, "0.0.0.0", 99, "neighbour");
});

const port = (hostPort: number, change: Partial<PortMapping> = {}): PortMapping => ({
  protocol: "tcp",
  containerPort: 80,
  hostAddress: "",
  hostPort,
  ...change,
});

// Bridged frames pass the host's rules on machines where bridge-nf-call-iptables is on, and past them elsewhere.
for (const filtered of ["1", "0"]) {
  test(`containers reach each other, the host, the outside, and published ports from everywhere (bridge-nf-call-iptables ${filtered})`, async () => {
    writeFileSync("/proc/sys/net/bridge/bridge-nf-call-iptables", filtered);
    const { logger, complaints } = listeningLogger();
    const networks = await openLab(tempDir(), { logger });
    const web = await makeContainer(networks, "web", { ports: [port(8080), port(0)] });
    const other = await makeContainer(networks, "other");
    assert.equal(web.endpoint.ipv4, "172.17.0.2");
    assert.equal(web.endpoint.mac, "02:42:ac:11:00:02");
    assert.equal(other.endpoint.ipv4, "172.17.0.3");
    greet(web.pid, "0.0.0.0", 80, "web");
    const chosen = web.endpoint.ports.find(({ hostPort }) => hostPort !== 8080);
    assert.ok(chosen && chosen.hostPort >= 32_768);

    assert.equal(await dial(other.pid, "172.17.0.2", 80), "web sees 172.17.0.3", "neighbour on the bridge");
    assert.equal(await dial(undefined, "172.17.0.2", 80), "web sees 172.17.0.1", "the host");
    assert.equal(
      await dial(web.pid, NEIGHBOUR_ADDRESS, 99),
      `neighbour sees ${HOST_ADDRESS}`,
      "masqueraded to the outside",
    );
    assert.equal(
      await dial(neighbour, HOST_ADDRESS, 8080),
      `web sees ${NEIGHBOUR_ADDRESS}`,
      "published to the outside",
    );
    assert.equal(
      await dial(neighbour, HOST_ADDRESS, chosen.hostPort),
      `web sees ${NEIGHBOUR_ADDRESS}`,
      "published on a chosen port",
    );
    assert.equal(await dial(undefined, "127.0.0.1", 8080), "web sees 172.17.0.1", "localhost");
    assert.equal(await dial(undefined, "::1", 8080), "web sees 172.17.0.1", "IPv6 localhost, passed on");
    assert.equal(await dial(undefined, HOST_ADDRESS, 8080), `web sees ${HOST_ADDRESS}`, "the host by its own address");
    assert.equal(await dial(other.pid, HOST_ADDRESS, 8080), "web sees 172.17.0.1", "a container by the host's address");
    assert.equal(
      await dial(other.pid, "172.17.0.1", 8080),
      "web sees 172.17.0.1",
      "a container by the gateway's address",
    );
    assert.equal(await dial(web.pid, HOST_ADDRESS, 8080), "web sees 172.17.0.1", "itself by the host's address");
    assert.match(
      await dial(neighbour, "172.17.0.2", 80),
      /timeout|EHOSTUNREACH/,
      "not by its own address from outside",
    );

    await networks.detach(web.owner, "bridge");
    assert.equal(await dial(neighbour, HOST_ADDRESS, 8080), "ECONNREFUSED");
    assert.equal(await dial(undefined, "::1", 8080), "ECONNREFUSED");
    await networks.dismantle();
    assert.deepEqual(complaints, []);
  });
}

test("networks are isolated from each other; internal ones have no way out; icc=false parts neighbours", async () => {
  const networks = await openLab(tempDir());
  const red = await networks.create(bridgeNetwork("red"));
  await networks.create(bridgeNetwork("inner", { internal: true }));
  await networks.create(bridgeNetwork("parted", { options: { "com.docker.network.bridge.enable_icc": "false" } }));
  assert.equal(red.bridge, `br-${red.id.slice(0, 12)}`);
  assert.deepEqual(red.ipam, [{ subnet: "172.18.0.0/16", gateway: "172.18.0.1" }]);
  const web = await makeContainer(networks, "web", { ports: [port(8081)] });
  const redOne = await makeContainer(networks, "redone", { networkId: red.id });
  const inside = await makeContainer(networks, "inside", { networkId: "inner", ports: [port(8082)] });
  const insideToo = await makeContainer(networks, "insidetoo", { networkId: "inner" });
  const a = await makeContainer(networks, "parta", { networkId: "parted", ports: [port(8083)] });
  const b = await makeContainer(networks, "partb", { networkId: "parted" });
  for (const [container, text] of [
    [web, "web"],
    [redOne, "red"],
    [inside, "inside"],
    [a, "a"],
  ] as const)
    greet(container.pid, "0.0.0.0", 80, text);

  assert.match(await dial(redOne.pid, web.endpoint.ipv4, 80, 500), /timeout/, "another network");
  assert.equal(await dial(redOne.pid, HOST_ADDRESS, 8081), "web sees 172.17.0.1", "another network's published port");
  assert.equal(await dial(insideToo.pid, inside.endpoint.ipv4, 80), `inside sees ${insideToo.endpoint.ipv4}`);
  assert.deepEqual(inside.endpoint.ports, [], "nothing is published from an internal network");
  assert.match(await dial(inside.pid, NEIGHBOUR_ADDRESS, 99, 500), /ENETUNREACH|timeout/);
  inNetns(inside.pid, () => {
    const rtnetlink = openRtnetlink();
    rtnetlink.setRoute({ gateway: inside.endpoint.gateway, link: rtnetlink.link("eth0")?.index ?? 0 });
    rtnetlink.close();
  });
  assert.match(
    await dial(inside.pid, NEIGHBOUR_ADDRESS, 99, 500),
    /timeout/,
    "not even with a route of its own making",
  );
  assert.match(await dial(b.pid, a.endpoint.ipv4, 80, 500), /timeout|EHOSTUNREACH/, "icc=false");
  assert.match(await dial(b.pid, HOST_ADDRESS, 8083), /^a sees/, "icc=false, by a published port");

  await assert.rejects(networks.create(bridgeNetwork("red")), /^GantryError: network with name red already exists$/);
  await assert.rejects(
    networks.create(bridgeNetwork("x", { ipam: [{ subnet: "172.18.5.0/24" }] })),
    /invalid pool request: Pool overlaps with other one on this address space/,
  );
  await assert.rejects(
    networks.remove("red"),
    (error) =>
      isGantryError(error, "forbidden") &&
      /network red id [0-9a-f]{64} has active endpoints \(name:"redone" id:"[0-9a-f]{12}"\)/.test(error.message),
  );
  await assert.rejects(networks.remove("nothing"), /network nothing not found/);
  await assert.rejects(networks.remove("bridge"), /bridge is a pre-defined network and cannot be removed/);
  await networks.detach(redOne.owner, red.id);
  await networks.remove("red");
  assert.equal(networks.find("red"), undefined);
  assert.equal(sh(`ip link show ${red.bridge}`).code, 1);
  await networks.dismantle();
  await networks.close();
});

test("datagrams: published from everywhere, and a flow follows its port to the next container", async () => {
  const networks = await openLab(tempDir());
  const udp = { protocol: "udp", containerPort: 53, hostAddress: "", hostPort: 8053 } as const;
  const serve = (pid: number, text: string): void => {
    const socket = createSocket("udp4");
    socket.bind({ fd: inNetns(pid, () => openListener({ protocol: "udp", address: "0.0.0.0", port: 53 })).fd });
    socket.on("message", (_message, from) => socket.send(text, from.port, from.address));
    socket.unref();
  };
  const asker = (pid: number): ((address: string) => Promise<string>) => {
    const socket = createSocket("udp4");
    socket.bind({ fd: inNetns(pid, () => openListener({ protocol: "udp", address: "0.0.0.0", port: 0 })).fd });
    socket.unref();
    return async (address) => {
      socket.send("?", 8053, address);
      const late = new Promise<string>((resolve) => setTimeout(() => resolve("timeout"), 1000).unref());
      return Promise.race([once(socket, "message").then(([message]) => String(message)), late]);
    };
  };
  const first = await makeContainer(networks, "first", { ports: [udp] });
  const other = await makeContainer(networks, "other");
  serve(first.pid, "first");
  const [outside, within, here] = [asker(neighbour), asker(other.pid), asker(process.pid)];
  assert.equal(await outside(HOST_ADDRESS), "first");
  assert.equal(await within(HOST_ADDRESS), "first");
  assert.equal(await here("127.0.0.1"), "first");
  await networks.detach(first.owner, "bridge");
  const second = await makeContainer(networks, "second", { ports: [udp], ipv4: "172.17.0.77" });
  serve(second.pid, "second");
  assert.equal(await outside(HOST_ADDRESS), "second", "the same socket as before");
});

test("IPv6: addresses, neighbours, masquerade and published ports", async () => {
  sh("ip -6 addr add 2001:db8::1/64 dev lan0 nodad");
  sh("ip -6 addr add 2001:db8::2/64 dev eth0 nodad", neighbour);
  const networks = await openLab(tempDir());
  await networks.create(bridgeNetwork("six", { enableIPv6: true, ipam: [{ subnet: "fd00:5::/64" }] }));
  const web = await makeContainer(networks, "web", { networkId: "six", ports: [port(8084)] });
  const other = await makeContainer(networks, "other", { networkId: "six" });
  assert.equal(web.endpoint.ipv6, "fd00:5::2");
  assert.deepEqual(
    web.endpoint.ports.map(({ hostAddress, hostPort }) => [hostAddress, hostPort]),
    [
      ["0.0.0.0", 8084],
      ["::", 8084],
    ],
  );
  const random = await makeContainer(networks, "random", { networkId: "six", ports: [port(0)] });
  const [v4, v6] = random.endpoint.ports;
  assert.deepEqual([v4?.hostAddress, v6?.hostAddress, v6?.hostPort], ["0.0.0.0", "::", v4?.hostPort]);
  greet(web.pid, "::", 80, "web");
  greet(neighbour, "2001:db8::2", 98, "neighbour");
  assert.equal(await dial(other.pid, "fd00:5::2", 80), "web sees fd00:5::3");
  assert.equal(await dial(web.pid, "2001:db8::2", 98), "neighbour sees 2001:db8::1");
  assert.equal(await dial(neighbour, "2001:db8::1", 8084), "web sees 2001:db8::2");
  assert.match(await dial(neighbour, "fd00:5::2", 80, 500), /timeout|ENETUNREACH/);
  await networks.dismantle();
  await networks.close();
});

test("ports in use are refused in Docker's words, and a failed attachment leaves nothing", async () => {
  const stateDir = tempDir();
  const networks = await openLab(stateDir);
  const web = await makeContainer(networks, "web", { ports: [port(8085)] });
  await assert.rejects(
    makeContainer(networks, "again", { ports: [port(8086), port(8085)] }),
    (error) =>
      isGantryError(error, "conflict") &&
      /^driver failed programming external connectivity on endpoint again \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8085 failed: port is already allocated$/.test(
        error.message,
      ),
  );
  const stop = greet(undefined, "127.0.0.1", 8087, "host");
  await assert.rejects(
    makeContainer(networks, "busy", { ports: [port(8087)] }),
    /failed to bind host port for 0\.0\.0\.0:8087:172\.17\.0\.3:80\/tcp: address already in use$/,
  );
  stop();
  await assert.rejects(makeContainer(networks, "taken", { ipv4: "172.17.0.2" }), /Address already in use/);
  await assert.rejects(
    makeContainer(networks, "out", { ipv4: "10.1.1.1" }),
    /no configured subnet contains IP address 10\.1\.1\.1/,
  );
  await assert.rejects(
    makeContainer(networks, "far", { hostAddress: "" } as never).then(() =>
      networks.attach({
        owner: "far".padEnd(64, "0"),
        networkId: "bridge",
        pid: web.pid,
        interfaceName: "eth1",
        aliases: [],
        ports: [],
        defaultGateway: false,
      }),
    ),
    /endpoint with name far.* already exists in network bridge/,
  );
  assert.deepEqual(
    networks
      .endpoints({})
      .map(({ owner }) => owner.slice(0, 3))
      .sort(),
    ["far", "web"],
  );
  const range = await makeContainer(networks, "range", { ports: [port(8085, { hostPortEnd: 8089 })] });
  assert.deepEqual(range.endpoint.ports, [
    { protocol: "tcp", containerPort: 80, hostAddress: "0.0.0.0", hostPort: 8086 },
    { protocol: "tcp", containerPort: 80, hostAddress: "::", hostPort: 8086 },
  ]);
  await networks.dismantle();
  await networks.close();
  const nft = openNftables();
  assert.deepEqual(nft.tables(), [], "no table is left");
  nft.close();
  assert.deepEqual(
    sh("ip -o link")
      .out.match(/^\d+: [^@:]+/gm)
      ?.map((line) => line.replace(/^\d+: /, ""))
      .filter((name) => !/^(lo|lan0|ifb\d|.*tunl?0|sit0|gre.*|erspan0|ip.*)$/.test(name)),
    [],
    "no link is left",
  );
  assert.equal(readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8"), forwarding, "forwarding is as it was");
});
