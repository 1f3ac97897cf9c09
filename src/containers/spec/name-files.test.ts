import assert from "node:assert/strict";
import { test } from "node:test";
import { parseResolvConf } from "#network/resolv-conf.ts";
import { extraEntry, hostsText, ownNames, resolvConfText } from "./name-files.ts";

test("/etc/hosts: local names, then extra ones, then the container's own", () => {
  assert.equal(
    hostsText(undefined, [
      extraEntry("db:10.0.0.5"),
      extraEntry("six:fe80::1"),
      { address: "172.17.0.2", names: ownNames("web", "example.com") },
    ]),
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n" +
      "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n10.0.0.5\tdb\nfe80::1\tsix\n" +
      "172.17.0.2\tweb.example.com web\n",
  );
  assert.equal(hostsText("1.2.3.4 the-host", [{ address: "5.6.7.8", names: "x" }]), "1.2.3.4 the-host\n5.6.7.8\tx\n");
  assert.equal(ownNames("plain", undefined), "plain");
});

const host = parseResolvConf(
  "# comment\nnameserver 127.0.0.53\nnameserver 10.1.1.1\ndomain old\nsearch corp.example  lab\noptions edns0\noptions trust-ad\n",
);

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

test("/etc/resolv.conf by network", () => {
  assert.deepEqual(lines(resolvConfText(host, undefined, "host")), [
    "nameserver 127.0.0.53",
    "nameserver 10.1.1.1",
    "search corp.example lab",
    "options edns0 trust-ad",
  ]);
  assert.deepEqual(lines(resolvConfText(host, undefined, "legacy")).slice(0, 1), ["nameserver 10.1.1.1"]);
  const internal = resolvConfText(host, undefined, "internal");
  assert.deepEqual(lines(internal), [
    "nameserver 127.0.0.11",
    "search corp.example lab",
    "options edns0 trust-ad ndots:0",
  ]);
  assert.match(internal, /# ExtServers: \[host\(127\.0\.0\.53\) 10\.1\.1\.1\]\n# Overrides: \[\]\n$/);
});

test("what the user gives wins; a lone dot turns the search off; loopback-only hosts get public servers", () => {
  const given = { nameservers: ["9.9.9.9"], search: ["."], options: ["ndots:3"] };
  assert.deepEqual(lines(resolvConfText(host, given, "legacy")), ["nameserver 9.9.9.9", "options ndots:3"]);
  assert.match(resolvConfText(host, given, "legacy"), /# Overrides: \[nameservers search options\]\n$/);
  assert.deepEqual(lines(resolvConfText(host, given, "internal")), ["nameserver 127.0.0.11", "options ndots:3"]);
  const lonely = parseResolvConf("nameserver 127.0.0.1\n");
  assert.deepEqual(lines(resolvConfText(lonely, undefined, "legacy")), ["nameserver 8.8.8.8", "nameserver 8.8.4.4"]);
});
