import assert from "node:assert/strict";
import { test } from "node:test";
import { golden } from "#test/golden.ts";
import { DEFAULT_CAPABILITIES } from "#formats/docker-capabilities.ts";
import type { ContainerConfig } from "../engine.ts";
import { buildSpec, type SpecFacts } from "./build-spec.ts";
import { environment } from "./environment.ts";
import { mergeTmpfsOptions, mountPoint, userMounts } from "./mount-points.ts";

const config: ContainerConfig = {
  image: "busybox",
  imageId: "sha256:1",
  args: ["sh", "-c", "true"],
  env: ["A=1"],
  workingDir: "/work",
  user: "",
  hostname: "abc",
  terminal: false,
  stdin: "none",
  labels: {},
  mounts: [],
  readonlyRoot: false,
  namespaces: {
    network: { kind: "new" },
    pid: { kind: "new" },
    ipc: { kind: "private" },
    uts: { kind: "new" },
    cgroup: "private",
  },
  networks: [],
  resources: { memory: { limit: 1 << 26 } },
  cgroupParent: "/docker",
  oomScoreAdj: 0,
  security: { privileged: false, capabilities: DEFAULT_CAPABILITIES, noNewPrivileges: false },
  shmBytes: 1 << 26,
  restartPolicy: { kind: "no" },
  autoRemove: false,
  stopSignal: 15,
  log: { driver: "json-file", maxBytes: 0, maxFiles: 1 },
};
const facts: SpecFacts = {
  id: "0123",
  user: { uid: 0, gid: 0, additionalGids: [0, 10], home: "/root" },
  mounts: [],
  nameFiles: { hosts: "/d/hosts", hostname: "/d/hostname", resolvConf: "/d/resolv.conf" },
  joined: {},
  sharedMemory: undefined,
  devices: { nodes: [], rules: [] },
  seccomp: undefined,
};

test("a plain container", () => golden("spec-plain.json", `${JSON.stringify(buildSpec(config, facts), null, 2)}\n`));

test("privileged, in the host's namespaces, with a read-only root", () => {
  const spec = buildSpec(
    {
      ...config,
      readonlyRoot: true,
      namespaces: {
        network: { kind: "host" },
        pid: { kind: "host" },
        ipc: { kind: "host" },
        uts: { kind: "host" },
        cgroup: "host",
      },
      security: { ...config.security, privileged: true },
    },
    { ...facts, sharedMemory: "/dev/shm" },
  );
  golden("spec-privileged.json", `${JSON.stringify(spec, null, 2)}\n`);
});

test("joined namespaces go by path, and the user's mounts replace the defaults", () => {
  const mounts = [
    { kind: "tmpfs", target: "/dev/shm", options: ["size=1m"] },
    { kind: "bind", source: "/srv", target: "/a/b/c/", readonly: true, create: false, recursive: true },
    {
      kind: "bind",
      source: "/one",
      target: "/a",
      readonly: true,
      create: false,
      recursive: false,
      propagation: "rslave",
    },
    { kind: "volume", name: "v", target: "/etc/hosts", readonly: false, copyUp: true },
  ] as const;
  const points = mounts.map((mount) =>
    mountPoint(mount, { volume: { name: "v", mountpoint: "/volumes/v/_data", driver: "local" } }),
  );
  const spec = buildSpec(
    {
      ...config,
      namespaces: {
        ...config.namespaces,
        network: { kind: "container", id: "1" },
        pid: { kind: "container", id: "1" },
      },
    },
    {
      ...facts,
      joined: { network: "/proc/7/ns/net", pid: "/proc/7/ns/pid" },
      mounts: userMounts(mounts, points),
    },
  );
  assert.deepEqual(
    spec.linux?.namespaces?.filter(({ path }) => path),
    [
      { type: "network", path: "/proc/7/ns/net" },
      { type: "pid", path: "/proc/7/ns/pid" },
    ],
  );
  assert.deepEqual(spec.linux?.sysctl, {});
  assert.equal(spec.linux?.rootfsPropagation, "rslave");
  assert.deepEqual(
    spec.mounts?.slice(-6).map(({ destination, source, options }) => [destination, source, options?.join(",")]),
    [
      ["/a", "/one", "bind,ro,rslave"],
      ["/etc/resolv.conf", "/d/resolv.conf", "rbind,rprivate"],
      ["/etc/hostname", "/d/hostname", "rbind,rprivate"],
      ["/dev/shm", "tmpfs", "noexec,nosuid,nodev,rprivate,size=1m"],
      ["/etc/hosts", "/volumes/v/_data", "rbind,rprivate"],
      ["/a/b/c", "/srv", "rbind,rro,rprivate"],
    ],
  );
  assert.equal(spec.mounts?.filter(({ destination }) => destination === "/dev/shm").length, 1);
});

test("environments: later values win in place, names without a value are taken away", () => {
  const own = { hostname: "h", terminal: true, home: "/root" };
  assert.deepEqual(environment(own, ["PATH=/bin", "B=1", "HOME="], ["B=2", "TERM", "C=x=y"]), [
    "PATH=/bin",
    "HOSTNAME=h",
    "B=2",
    "HOME=/root",
    "C=x=y",
  ]);
});

test("tmpfs options: of opposites and of named values the last one counts", () => {
  assert.deepEqual(mergeTmpfsOptions(["noexec", "nosuid", "size=1m", "exec", "ro", "size=2m", "rw"]), [
    "nosuid",
    "exec",
    "size=2m",
    "rw",
  ]);
});
