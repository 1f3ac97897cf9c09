import assert from "node:assert/strict";
import { test } from "node:test";
import { parseContainerPorts, publishedPorts } from "./docker-ports.ts";

test("port keys, with ranges", () => {
  assert.deepEqual(parseContainerPorts("80"), [{ port: 80, protocol: "tcp" }]);
  assert.deepEqual(parseContainerPorts("53/udp"), [{ port: 53, protocol: "udp" }]);
  assert.equal(parseContainerPorts("8000-8002/tcp").length, 3);
  for (const bad of ["", "x", "0", "70000", "9-8", "80/icmp", "80/tcp/x"])
    assert.throws(() => parseContainerPorts(bad), { code: "invalid" });
});

test("bindings and publish-all", () => {
  assert.deepEqual(publishedPorts({ "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }] }, [], false), [
    { containerPort: 80, protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 8080 },
  ]);
  assert.deepEqual(publishedPorts({ "80/tcp": [{ HostPort: "8000-8010" }] }, ["80/tcp", "90/tcp"], true), [
    { containerPort: 80, protocol: "tcp", hostAddress: "", hostPort: 8000, hostPortEnd: 8010 },
    { containerPort: 90, protocol: "tcp", hostAddress: "", hostPort: 0 },
  ]);
  assert.deepEqual(publishedPorts({ "80/tcp": [] }, [], false), [
    { containerPort: 80, protocol: "tcp", hostAddress: "", hostPort: 0 },
  ]);
});

test("bad bindings are refused in Docker's words", () => {
  assert.throws(() => publishedPorts({ "80/tcp": [{ HostPort: "x" }] }, [], false), {
    message: 'invalid port specification: "x"',
  });
  assert.throws(() => publishedPorts({ "80/tcp": [{ HostIp: "nope" }] }, [], false), {
    message: "invalid IP address: nope",
  });
});
