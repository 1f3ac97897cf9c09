// What `gantry down` leaves on the host: nothing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { startGantry } from "#test/gantry.ts";
import { testImage } from "#test/images.ts";
import { sh } from "#test/isolated-network.ts";

test("links, tables, routes and settings are gone after gantry down", async () => {
  // A new namespace takes it from the machine.
  const forwarding = (): string => readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8");
  const before = forwarding();
  const gantry = await startGantry();
  assert.match(sh("nft list tables").out, /gantry-\w+-services/);
  await gantry.docker("load", "-i", await testImage("busybox"));
  await gantry.docker("network", "create", "red");
  await gantry.docker("run", "-d", "--network", "red", "-p", "18070:80", "busybox", "sleep", "600");
  await gantry.kubectl("run", "pod", "--image=busybox", "--image-pull-policy=Never", "--command", "--", "sleep", "600");
  await gantry.kubectl("wait", "--for=condition=Ready", "pod/pod", "--timeout=60s");
  await gantry.stopDaemon();
  assert.equal(sh("nft list tables").out, "");
  assert.equal(sh("ip route").out, "");
  assert.equal(forwarding(), before);
  assert.doesNotMatch(sh("ip -o link").out, /veth|br-|g\d-|gantry/);
});
