import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container, ContainerConfig } from "#containers/engine.ts";
import type { Network } from "#network/networks.ts";
import { configDocument, hostConfigDocument } from "./create/host-config-document.ts";
import { inspectDocument } from "./inspect-document.ts";
import { portSummaries } from "./network-settings.ts";
import { stateDocument, statusText } from "./state-document.ts";

const docker = {
  Config: configDocument({ Image: "busybox", ExposedPorts: { "80/tcp": {}, "81/udp": {} } }),
  HostConfig: hostConfigDocument({}),
};
const config: ContainerConfig = {
  image: "busybox",
  imageId: "sha256:12",
  args: ["sh", "-c", "sleep 1"],
  env: [],
  workingDir: "/",
  user: "",
  hostname: "",
  terminal: false,
  stdin: "none",
  labels: {},
  mounts: [],
  readonlyRoot: false,
  networks: [{ network: "bridge", aliases: [], ports: [] }],
  resources: {},
  cgroupParent: "/docker",
  oomScoreAdj: 0,
  namespaces: {
    network: { kind: "new" },
    pid: { kind: "new" },
    ipc: { kind: "private" },
    uts: { kind: "new" },
    cgroup: "private",
  },
  security: { privileged: false, capabilities: [], noNewPrivileges: false },
  shmBytes: 0,
  restartPolicy: { kind: "no" },
  autoRemove: false,
  stopSignal: 15,
  log: { driver: "json-file", maxBytes: 0, maxFiles: 1 },
  origin: { docker },
};
const running: Container = {
  id: "abcdef0123456789",
  name: "web",
  config,
  createdAt: Date.UTC(2026, 0, 1),
  restartCount: 0,
  mounts: [],
  logPath: "/root/containers/abc/abc-json.log",
  execIds: [],
  state: { status: "running", pid: 42, startedAt: Date.UTC(2026, 0, 1, 0, 0, 1) },
  endpoints: [
    {
      id: "ep",
      owner: "abcdef0123456789",
      networkId: "net1",
      interfaceName: "eth0",
      ipv4: "172.17.0.2",
      prefixLength: 16,
      gateway: "172.17.0.1",
      ipv6: "",
      ipv6PrefixLength: 0,
      ipv6Gateway: "",
      mac: "02:42:ac:11:00:02",
      aliases: [],
      ports: [{ protocol: "tcp", containerPort: 80, hostAddress: "", hostPort: 8080 }],
    },
  ],
};
const bridge: Network = {
  id: "net1",
  name: "bridge",
  createdAt: 0,
  driver: "bridge",
  internal: false,
  attachable: false,
  enableIPv6: false,
  ipam: [],
  options: {},
  labels: {},
};
const findNetwork = (reference: string): Network | undefined =>
  reference === "bridge" || reference === "net1" ? bridge : undefined;

interface Inspected {
  Created: string;
  Path: string;
  Args: string[];
  Name: string;
  HostnamePath: string;
  SizeRootFs: number;
  Config: { Hostname: string };
  NetworkSettings: { Ports: object; IPAddress: string; Networks: Record<string, { Gateway: string }> };
}

test("inspect of a running container", () => {
  const document = inspectDocument({
    container: running,
    snapshot: undefined,
    findNetwork,
    sizes: { rw: 1, rootFs: 2 },
  }) as unknown as Inspected;
  assert.equal(document.Created, "2026-01-01T00:00:00Z");
  assert.equal(document.Path, "sh");
  assert.deepEqual(document.Args, ["-c", "sleep 1"]);
  assert.equal(document.Name, "/web");
  assert.equal(document.HostnamePath, "/root/containers/abc/hostname");
  assert.equal(document.Config.Hostname, "abcdef012345");
  assert.equal(document.SizeRootFs, 2);
  assert.deepEqual(
    { ...document.NetworkSettings.Ports },
    {
      "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }],
      "81/udp": null,
    },
  );
  assert.equal(document.NetworkSettings.IPAddress, "172.17.0.2");
  assert.equal(document.NetworkSettings.Networks["bridge"]?.Gateway, "172.17.0.1");
});

test("the state in every phase", () => {
  const exit = { code: 137, oomKilled: true, error: "", at: Date.UTC(2026, 0, 1, 0, 1) };
  const exited: Container = { ...running, state: { status: "exited", startedAt: Date.UTC(2026, 0, 1), exit } };
  assert.deepEqual(stateDocument(exited), {
    Status: "exited",
    Running: false,
    Paused: false,
    Restarting: false,
    OOMKilled: true,
    Dead: false,
    Pid: 0,
    ExitCode: 137,
    Error: "",
    StartedAt: "2026-01-01T00:00:00Z",
    FinishedAt: "2026-01-01T00:01:00Z",
  });
  assert.equal(statusText(exited, Date.UTC(2026, 0, 1, 0, 6)), "Exited (137) 5 minutes ago");
  assert.equal(statusText(running, Date.UTC(2026, 0, 1, 3, 0, 1)), "Up 3 hours");
  assert.equal(
    statusText(
      { ...running, health: { status: "starting", failingStreak: 0, log: [] } },
      Date.UTC(2026, 0, 1, 0, 0, 3),
    ),
    "Up 2 seconds (health: starting)",
  );
  assert.equal(statusText({ ...running, state: { status: "created" } }, 0), "Created");
});

test("ports of ps", () => {
  assert.deepEqual(portSummaries(running), [
    { IP: "0.0.0.0", PrivatePort: 80, Type: "tcp", PublicPort: 8080 },
    { PrivatePort: 81, Type: "udp" },
  ]);
  assert.deepEqual(portSummaries({ ...running, state: { status: "created" } }), []);
});
