import assert from "node:assert/strict";
import { afterEach, before, test } from "node:test";
import { silentLogger } from "#base/logger.ts";
import { encodeAnswer, openDnsSockets, serveDns } from "#network/dns-service.ts";
import { enterFreshHost } from "#test/isolated-network.ts";
import { ask, bridgeNetwork, closeLabs, makeContainer, openLab, tempDir } from "#test/network-lab.ts";

before(enterFreshHost);
afterEach(closeLabs);

/** Somebody else's name server, on the host; what it was asked. */
function makeUpstream(): { server: string; asked: string[]; close: () => void } {
  const asked: string[] = [];
  const service = serveDns(
    openDnsSockets({ address: "127.0.0.1", port: 0 }),
    async (query) => {
      asked.push(`${query.type} ${query.name} ${query.transport}`);
      return encodeAnswer(query, { answers: [{ type: "A", name: query.name, ttl: 5, data: "198.51.100.7" }] });
    },
    silentLogger,
  );
  return { server: `127.0.0.1#${service.port}`, asked, close: () => service.close() };
}

test("names of a user-defined network resolve inside its containers, others are asked for elsewhere", async () => {
  const upstream = makeUpstream();
  const networks = await openLab(tempDir(), { hostServers: () => [upstream.server] });
  await networks.create(bridgeNetwork("red"));
  await networks.create(bridgeNetwork("blue"));
  const web = await makeContainer(networks, "web", { networkId: "red", aliases: ["www", "Shop"] });
  const twin = await makeContainer(networks, "twin", { networkId: "red", aliases: ["www"] });
  const far = await makeContainer(networks, "far", { networkId: "blue" });
  assert.deepEqual(await ask(twin.pid, "web", "A"), [web.endpoint.ipv4]);
  assert.deepEqual(await ask(twin.pid, "WEB.red", "A"), [web.endpoint.ipv4]);
  assert.deepEqual(await ask(twin.pid, "shop", "A", { tcp: true }), [web.endpoint.ipv4]);
  assert.deepEqual(await ask(twin.pid, web.owner.slice(0, 12), "A"), [web.endpoint.ipv4]);
  assert.deepEqual(await ask(twin.pid, "web", "AAAA"), [], "known, but no such address");
  assert.deepEqual([...(await ask(twin.pid, "www", "A"))].sort(), [web.endpoint.ipv4, twin.endpoint.ipv4].sort());
  assert.deepEqual(await ask(twin.pid, `${web.endpoint.ipv4.split(".").reverse().join(".")}.in-addr.arpa`, "PTR"), [
    "web.red",
  ]);
  assert.deepEqual(upstream.asked, []);

  assert.deepEqual(await ask(far.pid, "web", "A"), ["198.51.100.7"], "not a name of that network");
  assert.deepEqual(await ask(twin.pid, "example.com", "A"), ["198.51.100.7"]);
  assert.deepEqual(await ask(twin.pid, "example.com", "A", { tcp: true }), ["198.51.100.7"]);
  assert.deepEqual(upstream.asked, ["A web udp", "A example.com udp", "A example.com tcp"]);

  networks.rename(web.owner, "site");
  assert.deepEqual(await ask(twin.pid, "site", "A"), [web.endpoint.ipv4]);
  assert.deepEqual(await ask(twin.pid, "web", "A"), ["198.51.100.7"], "nobody here has the old name");

  await networks.detach(web.owner, "red");
  assert.deepEqual(await ask(twin.pid, "www", "A"), [twin.endpoint.ipv4]);
  upstream.close();
});

test("the default bridge has no name server; a container of its own port 53 keeps it", async () => {
  const networks = await openLab(tempDir(), { hostServers: () => [] });
  await networks.create(bridgeNetwork("red"));
  const plain = await makeContainer(networks, "plain");
  assert.equal(await ask(plain.pid, "plain", "A"), "timeout");
  await networks.attach({
    owner: plain.owner,
    name: "plain",
    networkId: "red",
    pid: plain.pid,
    interfaceName: "eth1",
    aliases: [],
    ports: [],
    defaultGateway: false,
  });
  assert.equal((await ask(plain.pid, "plain", "A")).length, 1);
  assert.equal(await ask(plain.pid, "example.com", "A"), "SERVFAIL", "nobody to ask");
  await networks.detach(plain.owner, "red");
  assert.equal(await ask(plain.pid, "plain", "A"), "timeout");
});

test("an upstream that is given for the container is asked instead of the host's", async () => {
  const host = makeUpstream();
  const own = makeUpstream();
  const networks = await openLab(tempDir(), { hostServers: () => [host.server] });
  await networks.create(bridgeNetwork("red"));
  const web = await makeContainer(networks, "web", { networkId: "red", dns: [own.server] });
  assert.deepEqual(await ask(web.pid, "example.org", "A"), ["198.51.100.7"]);
  assert.deepEqual([host.asked.length, own.asked.length], [0, 1]);
  host.close();
  own.close();
});
