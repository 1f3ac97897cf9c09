import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerConfig } from "#containers/engine.ts";
import { createRequest, splitCreateRequest } from "#formats/docker-config.ts";
import { mergeImageConfig } from "#formats/docker-merge.ts";
import type { Image } from "#images/image-store.ts";
import { adjustToVersion } from "./adjust.ts";
import { containerConfig } from "./container-config.ts";

const image: Image = {
  id: "sha256:1234",
  tags: ["busybox:latest"],
  digests: [],
  config: {
    architecture: "amd64",
    os: "linux",
    config: { Env: ["PATH=/bin"], Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: [] },
  },
  manifest: { mediaType: "", digest: "", size: 0 },
  layers: [],
  layerBytes: [],
  size: 0,
  parent: undefined,
  createdAt: 0,
  lastTaggedAt: 0,
};

function make(request: object, version = 51): ContainerConfig {
  const { documents } = adjustToVersion(splitCreateRequest(createRequest(request, "")), version);
  const config = mergeImageConfig(documents.config, image.config.config ?? {});
  return containerConfig({
    name: "web",
    config,
    host: documents.hostConfig,
    networking: documents.networkingConfig,
    image,
    mounts: [],
    security: { privileged: false, capabilities: [], noNewPrivileges: false },
    hostGateway: "172.17.0.1",
    hostName: "machine",
    find: () => undefined,
  });
}

test("an empty request takes Docker's defaults", () => {
  const config = make({ Image: "busybox" });
  assert.deepEqual(config.args, ["sh"]);
  assert.deepEqual(config.env, ["PATH=/bin"]);
  assert.equal(config.workingDir, "/");
  assert.equal(config.stopSignal, 15);
  assert.equal(config.shmBytes, 64 * 1024 * 1024);
  assert.equal(config.cgroupParent, "/docker");
  assert.deepEqual(config.restartPolicy, { kind: "no" });
  assert.deepEqual(config.networks, [{ network: "bridge", aliases: [], ports: [] }]);
  assert.deepEqual(config.namespaces, {
    network: { kind: "new" },
    pid: { kind: "new" },
    ipc: { kind: "private" },
    uts: { kind: "new" },
    cgroup: "private",
  });
  assert.deepEqual(config.log, { driver: "json-file", maxBytes: 0, maxFiles: 1 });
});

test("every part of a full request arrives", () => {
  const config = make({
    Image: "busybox",
    Cmd: "ls",
    Tty: true,
    OpenStdin: true,
    StdinOnce: true,
    User: "app",
    Hostname: "h",
    StopSignal: "SIGQUIT",
    StopTimeout: 3,
    ExposedPorts: { "80/tcp": {} },
    HostConfig: {
      NetworkMode: "front",
      PortBindings: { "80/tcp": [{ HostPort: "8080" }] },
      Memory: 64 * 1024 * 1024,
      RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 },
      ExtraHosts: ["gw:host-gateway"],
      Dns: ["1.1.1.1"],
      Ulimits: [{ Name: "nofile", Soft: 1, Hard: 2 }],
      Sysctls: { "net.core.somaxconn": "5" },
      DeviceCgroupRules: ["c 1:3 r"],
      LogConfig: { Type: "local", Config: { compress: "false" } },
      Init: true,
      PidMode: "host",
      CgroupnsMode: "host",
    },
    NetworkingConfig: {
      EndpointsConfig: { front: { Aliases: ["a"], IPAMConfig: { IPv4Address: "10.0.0.9" } }, back: null },
    },
  });
  assert.deepEqual(config.args, ["ls"]);
  assert.equal(config.stdin, "once");
  assert.equal(config.stopSignal, 3);
  assert.deepEqual(config.networks, [
    {
      network: "front",
      aliases: ["a"],
      ipv4: "10.0.0.9",
      ports: [{ containerPort: 80, protocol: "tcp", hostAddress: "", hostPort: 8080 }],
    },
    { network: "back", aliases: [], ports: [] },
  ]);
  assert.deepEqual(config.extraHosts, ["gw:172.17.0.1"]);
  assert.deepEqual(config.dns, { servers: ["1.1.1.1"], search: [], options: [] });
  assert.deepEqual(config.rlimits, [{ type: "RLIMIT_NOFILE", soft: 1, hard: 2 }]);
  assert.deepEqual(config.resources.devices, [{ allow: true, type: "c", major: 1, minor: 3, access: "r" }]);
  assert.deepEqual(config.log, { driver: "local", maxBytes: 20 * 1024 * 1024, maxFiles: 5 });
  assert.equal(config.namespaces.pid.kind, "host");
  assert.equal(config.init, true);
});

test("field names match without regard to case, as Go's decoder does it", () => {
  assert.deepEqual(make({ image: "busybox", cmd: ["a"], hostconfig: { networkmode: "none" } }).networks, []);
});

test("what Docker refuses", () => {
  const refused = (request: object, message: string | RegExp, version?: number): void =>
    assert.throws(() => make(request, version), { code: "invalid", message });
  refused({ Image: 5 }, "invalid JSON: json: cannot unmarshal number 5 into Go struct field Image of type string");
  refused(
    { HostConfig: { Memory: "1" } },
    "invalid JSON: json: cannot unmarshal string into Go struct field HostConfig.Memory of type int64",
  );
  refused({ HostConfig: { NetworkMode: "container:gone" } }, "No such container: gone");
  refused(
    { HostConfig: { LogConfig: { Type: "json-file", Config: { "max-file": "0" } } } },
    "max-file cannot be less than 1",
  );
  refused(
    { HostConfig: { LogConfig: { Type: "syslog" } } },
    'error looking up logging plugin syslog: plugin "syslog" not found',
  );
  refused(
    { HostConfig: { LogConfig: { Type: "json-file", Config: { nope: "1" } } } },
    "unknown log opt 'nope' for json-file log driver",
  );
  refused(
    { NetworkingConfig: { EndpointsConfig: { a: {}, b: {} } } },
    "Container cannot be created with multiple network endpoints: a, b",
    43,
  );
});
