import assert from "node:assert/strict";
import { test } from "node:test";
import { linkEnvironment } from "./link-environment.ts";

test("a linked container's address, ports, name and environment", () => {
  const linked = {
    name: "app",
    alias: "my-db",
    address: "172.17.0.2",
    env: ["PATH=/bin", "HOME=/", "KEY=v=w", "BARE"],
  };
  assert.deepEqual(linkEnvironment({ ...linked, ports: ["5432/tcp"] }), [
    "MY_DB_PORT=tcp://172.17.0.2:5432",
    "MY_DB_PORT_5432_TCP=tcp://172.17.0.2:5432",
    "MY_DB_PORT_5432_TCP_ADDR=172.17.0.2",
    "MY_DB_PORT_5432_TCP_PORT=5432",
    "MY_DB_PORT_5432_TCP_PROTO=tcp",
    "MY_DB_NAME=/app/my-db",
    "MY_DB_ENV_KEY=v=w",
  ]);
});

test("ports that follow each other are given as a range too", () => {
  const env = linkEnvironment({
    name: "a",
    alias: "w",
    address: "1.2.3.4",
    ports: ["82/tcp", "80/tcp", "81/tcp"],
    env: [],
  });
  assert.ok(env.includes("W_PORT_80_TCP_START=tcp://1.2.3.4:80"));
  assert.ok(env.includes("W_PORT_82_TCP_END=tcp://1.2.3.4:82"));
  assert.ok(env.includes("W_PORT_80_TCP_PORT_START=80"));
  assert.equal(linkEnvironment({ name: "a", alias: "w", address: "1.2.3.4", ports: [], env: [] })[0], "W_NAME=/a/w");
});
