import assert from "node:assert/strict";
import { before, test } from "node:test";
import { change, openNftables, PRIORITY, type SetDefinition } from "#linux/nftables.ts";
import * as r from "#linux/nft-rules.ts";
import { inNetns } from "#linux/netns.ts";
import { openRtnetlink } from "#linux/rtnetlink.ts";
import { isSyscallError } from "#linux/syscalls.ts";
import { currentNetns, enterFreshHost, makeNetns, sh } from "#test/isolated-network.ts";

before(enterFreshHost);

test("links, addresses and routes come and go, and a veth's other end is born in another namespace", async () => {
  const box = await makeNetns();
  const host = openRtnetlink();
  host.addBridge({ name: "br-t", up: true, group: 77, alias: "a test" });
  const bridge = host.link("br-t");
  assert.ok(bridge);
  assert.deepEqual([bridge.kind, bridge.group, bridge.alias, bridge.up], ["bridge", 77, "a test", true]);
  host.addAddress({ link: bridge.index, address: "10.99.0.1", prefixLength: 24 });
  host.addAddress({ link: bridge.index, address: "fd00:99::1", prefixLength: 64 });
  host.addVeth(
    { name: "veth-t", master: bridge.index, up: true },
    { name: "eth0", mac: "02:42:0a:63:00:02", netns: { pid: box.pid } },
  );
  inNetns(box.pid, () => {
    const inside = openRtnetlink();
    const eth0 = inside.link("eth0");
    assert.equal(eth0?.mac, "02:42:0a:63:00:02");
    inside.setLink(eth0.index, { up: true });
    inside.addAddress({ link: eth0.index, address: "10.99.0.2", prefixLength: 24 });
    inside.addAddress({ link: eth0.index, address: "fd00:99::2", prefixLength: 64 });
    inside.setRoute({ gateway: "10.99.0.1", link: eth0.index });
    assert.ok(inside.routes().some(({ gateway, destination }) => gateway === "10.99.0.1" && destination === undefined));
    inside.close();
  });
  assert.equal(sh("ping -c1 -W2 10.99.0.1", box.pid).code, 0);
  assert.equal(sh("ping -c1 -W2 fd00:99::1", box.pid).code, 0);
  host.setPort(host.link("veth-t")?.index ?? 0, { hairpin: true, isolated: true });
  assert.match(sh("ip -d link show veth-t").out, /hairpin on.*isolated on/);
  assert.throws(
    () => host.addBridge({ name: "br-t" }),
    (error) => isSyscallError(error, "EEXIST"),
  );
  assert.equal(host.link("nothing"), undefined);
  assert.equal(host.deleteLink("nothing"), false);
  assert.equal(host.deleteLink("br-t"), true);
  assert.equal(host.deleteLink("veth-t"), true);
  host.close();
});

test("inNetns comes back, also after an error", async () => {
  const box = await makeNetns();
  const home = currentNetns();
  assert.notEqual(inNetns(box.pid, currentNetns), home);
  assert.throws(
    () =>
      inNetns(box.pid, () => {
        throw new Error("inside");
      }),
    /inside/,
  );
  assert.equal(currentNetns(), home);
  assert.throws(() => inNetns(box.pid, async () => {}), /synchronous/);
  assert.equal(currentNetns(), home);
});

test("a transaction is what nft lists, and a refused one changes nothing", () => {
  const nft = openNftables();
  const table = { family: "ip", name: "gantry-test" } as const;
  const ports: SetDefinition = { key: ["inet_proto", "inet_service"], data: ["ipv4_addr", "inet_service"] };
  const links: SetDefinition = { key: ["ifname"] };
  const ranges: SetDefinition = { key: ["ipv4_addr"], data: "verdict", interval: true };
  const sticky: SetDefinition = { key: ["ipv4_addr"], timeoutMs: 10_800_000 };
  const pick: SetDefinition = { key: ["mark"], data: "verdict" };
  nft.apply([
    change.addTable(table),
    change.addSet(table, "ports", ports),
    change.addSet(table, "links", links),
    change.addSet(table, "ranges", ranges),
    change.addSet(table, "sticky", sticky),
    change.addSet(table, "pick", pick),
    change.addChain(table, "pre", { type: "nat", at: "prerouting", priority: PRIORITY.dstnat }),
    change.addChain(table, "post", { type: "nat", at: "postrouting", priority: PRIORITY.srcnat }),
    change.addChain(table, "fwd", { type: "filter", at: "forward", priority: PRIORITY.filter }),
    change.addChain(table, "other"),
    change.addChain(table, "pass"),
    ...change.addElements(table, "ports", ports, [{ key: ["tcp", 8080], data: ["172.17.0.2", 80] }]),
    ...change.addElements(table, "links", links, [{ key: ["br0"] }]),
    ...change.addElements(table, "ranges", ranges, [
      { key: ["172.17.0.0/16"], data: { verdict: "goto", chain: "other" } },
    ]),
    ...change.addElements(table, "pick", pick, [{ key: [0], data: { verdict: "goto", chain: "pass" } }]),
    change.addRule(table, "pre", [
      r.is(r.fibDaddrType, r.LOCAL),
      r.notInPrefix(r.ip.daddr, "127.0.0.0/8"),
      r.dnatByMap("ip", [r.l4proto, r.dport], "ports"),
    ]),
    change.addRule(table, "pre", [r.is(r.l4proto, "tcp"), r.is(r.dport, 53), r.dnat("ip", "10.0.0.1", 5353)]),
    change.addRule(table, "post", [r.vmap([r.ip.saddr], "ranges")]),
    change.addRule(table, "other", [r.isNot(r.oifname, "br0"), r.masquerade()]),
    change.addRule(table, "fwd", [r.hasAny(r.ctState, r.CT_ESTABLISHED | r.CT_RELATED), r.accept()]),
    change.addRule(table, "fwd", [
      r.isIn([r.iifname], "links"),
      r.hasAny(r.ctStatus, r.CT_DNAT),
      r.counter(),
      r.drop(),
    ]),
    change.addRule(table, "fwd", [r.remember([r.ip.saddr], "sticky", 60_000), r.limit(10, 5), r.reject("ip")]),
    change.addRule(table, "fwd", [r.inPrefix(r.ip.saddr, "10.128.0.0/9"), r.randomVmap(1, "pick")]),
    change.addRule(table, "fwd", [r.is(r.l4proto, "tcp"), r.inPorts(r.dport, 80, 90), r.reject("ip", "tcp-reset")]),
    change.addRule(table, "other", [
      r.hasAny(r.ctStatus, r.CT_DNAT),
      r.is(r.ip.ctOriginalDaddr, "1.2.3.4"),
      r.snat("ip", "10.0.0.9"),
    ]),
  ]);
  const listed = sh("nft list table ip gantry-test").out;
  for (const line of [
    "elements = { tcp . 8080 : 172.17.0.2 . 80 }",
    "elements = { 172.17.0.0/16 : goto other }",
    'elements = { "br0" }',
    "type nat hook prerouting priority dstnat; policy accept;",
    "fib daddr type local ip daddr != 127.0.0.0/8 dnat ip to meta l4proto . th dport map @ports",
    "tcp dport 53 dnat to 10.0.0.1:5353",
    "ip saddr vmap @ranges",
    'oifname != "br0" masquerade',
    "ct state established,related accept",
    "iifname @links ct status dnat counter packets 0 bytes 0 drop",
    "update @sticky { ip saddr timeout 1m } limit rate 10/second reject",
    "ip saddr 10.128.0.0/9 numgen random mod 1 vmap @pick",
    "tcp dport 80-90 reject with tcp reset",
    "ct status dnat ct original ip daddr 1.2.3.4 snat to 10.0.0.9",
  ]) {
    assert.ok(listed.includes(line), `${line}\nis missing from\n${listed}`);
  }
  assert.equal(nft.chains(table)?.get("fwd"), 5);
  assert.equal(nft.elements(table, "ports")?.length, 1);
  const generation = nft.generation();
  assert.throws(
    () =>
      nft.apply([change.flushChain(table, "fwd"), ...change.deleteElements(table, "links", links, [{ key: ["br1"] }])]),
    (error) => isSyscallError(error, "ENOENT") && /delete elements of gantry-test links/.test(error.message),
  );
  assert.equal(nft.generation(), generation);
  assert.equal(nft.chains(table)?.get("fwd"), 5);
  nft.apply([
    ...change.deleteElements(table, "ports", ports, [{ key: ["tcp", 8080] }]),
    ...change.deleteElements(table, "ranges", ranges, [{ key: ["172.17.0.0/16"] }]),
  ]);
  assert.equal(nft.elements(table, "ports")?.length, 0);
  nft.apply([change.deleteTable(table)]);
  assert.equal(nft.chains(table), undefined);
  assert.deepEqual(nft.tables(), []);
  nft.close();
});
