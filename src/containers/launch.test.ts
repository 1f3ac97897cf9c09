import assert from "node:assert/strict";
import { test } from "node:test";
import { isGantryError } from "#base/errors.ts";
import { MASKED_PATHS, READONLY_PATHS } from "#formats/docker-defaults.ts";
import type { OciProcess, OciSpec } from "#formats/oci-spec.ts";
import type { CgroupLayout } from "#linux/cgroups.ts";
import { golden } from "#test/golden.ts";
import { planExec, planLaunch, type LaunchHost } from "./launch.ts";
import { planText } from "./plan/plan-text.ts";
import { DEFAULT_MOUNTS } from "./spec/defaults.ts";

const HYBRID: CgroupLayout = {
  mode: "hybrid",
  hierarchies: [
    { mountpoint: "/sys/fs/cgroup/cpu,cpuacct", controllers: ["cpu", "cpuacct"] },
    { mountpoint: "/sys/fs/cgroup/memory", controllers: ["memory"] },
    { mountpoint: "/sys/fs/cgroup/systemd", controllers: ["name=systemd"] },
  ],
  unified: { mountpoint: "/sys/fs/cgroup/unified", controllers: [] },
};
const V2: CgroupLayout = {
  mode: "v2",
  hierarchies: [],
  unified: { mountpoint: "/sys/fs/cgroup", controllers: ["cpu", "memory"] },
};
const overlay = { kind: "overlay", lower: ["/s/2", "/s/1"], upper: "/s/3/diff", work: "/s/3/work" } as const;
const host: LaunchHost = {
  id: "abc",
  pause: "notify",
  root: overlay,
  cgroup: {
    path: "/docker/abc",
    layout: HYBRID,
    procsFiles: ["/sys/fs/cgroup/memory/docker/abc/cgroup.procs"],
    memory: { directory: "/sys/fs/cgroup/memory/docker/abc", version: 1 },
  },
};
const process: OciProcess = {
  user: { uid: 0, gid: 0, additionalGids: [10] },
  args: ["sh", "-c", "echo hi"],
  env: ["PATH=/bin"],
  cwd: "/work",
  capabilities: { bounding: ["CAP_CHOWN", "CAP_KILL"], effective: ["CAP_CHOWN"], permitted: ["CAP_CHOWN"] },
};
const spec: OciSpec = {
  ociVersion: "1.2.0",
  process,
  root: { path: "" },
  hostname: "box",
  mounts: [...DEFAULT_MOUNTS],
  linux: {
    namespaces: (["mount", "network", "uts", "ipc", "pid", "cgroup"] as const).map((type) => ({ type })),
    maskedPaths: [...MASKED_PATHS],
    readonlyPaths: [...READONLY_PATHS],
    seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["reboot"], action: "SCMP_ACT_KILL_PROCESS" }] },
  },
};

const withLinux = (linux: Partial<NonNullable<OciSpec["linux"]>>): OciSpec => ({
  ...spec,
  linux: { ...spec.linux, ...linux },
});
const withProcess = (change: Partial<OciProcess>): OciSpec => ({ ...spec, process: { ...process, ...change } });
const refuses = (wrong: OciSpec, message: RegExp, code: "invalid" | "unsupported" = "invalid"): void =>
  assert.throws(
    () => planLaunch(wrong, host),
    (error) => isGantryError(error, code) && message.test(error.message),
  );

test("a container as docker run makes it", () => golden("plan-default.txt", planText(planLaunch(spec, host))));

test("a terminal, a read-only root, volumes, limits, devices, joined namespaces, version 2 cgroups", () => {
  const full: OciSpec = {
    ...withProcess({
      terminal: true,
      noNewPrivileges: true,
      oomScoreAdj: 500,
      user: { uid: 1000, gid: 1000, umask: 0o077 },
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 1024, hard: -1 }],
      ioPriority: { class: "IOPRIO_CLASS_BE", priority: 4 },
    }),
    root: { path: "/", readonly: true },
    domainname: "example",
    mounts: [
      ...DEFAULT_MOUNTS.map((mount) =>
        mount.destination === "/dev" ? { ...mount, options: ["ro", "nosuid"] } : mount,
      ),
      { destination: "/data/../data", type: "bind", source: "/srv", options: ["rbind", "rro", "rslave"] },
      { destination: "/sub", type: "bind", source: "/vol", options: ["bind", "ro", "noatime"] },
      { destination: "/proc/meminfo", type: "bind", source: "/lxcfs/meminfo", options: ["bind"] },
    ],
    linux: {
      ...spec.linux,
      namespaces: [
        { type: "mount" },
        { type: "network", path: "/proc/7/ns/net" },
        { type: "ipc" },
        { type: "pid", path: "/proc/7/ns/pid" },
      ],
      sysctl: { "kernel.shm_rmid_forced": "1", "net/ipv4/conf/eth0.100/forwarding": "1" },
      devices: [{ type: "c", path: "/dev/fuse", major: 10, minor: 229, fileMode: 0o600, uid: 1, gid: 2 }],
      rootfsPropagation: "rslave",
      personality: { domain: "LINUX32" },
    },
  };
  const plan = planLaunch(full, {
    ...host,
    pause: "none",
    init: true,
    cgroup: {
      path: "/kubepods/x",
      layout: V2,
      procsFiles: ["/sys/fs/cgroup/kubepods/x/cgroup.procs"],
      memory: { directory: "/sys/fs/cgroup/kubepods/x", version: 2 },
    },
    subpaths: new Map([["/sub", "a/b"]]),
  });
  golden("plan-full.txt", planText(plan));
});

test("a pod's sandbox without files, and with the host's cgroup namespace", () => {
  const namespaces = (["mount", "network", "ipc", "uts"] as const).map((type) => ({ type }));
  const sandbox = { ...spec, process: { ...process, args: [] }, linux: { namespaces } };
  golden("plan-sandbox.txt", planText(planLaunch(sandbox, { id: "pod", pause: "notify", sandbox: true })));
});

test("a root by path, a shared one, and cgroups without a namespace of their own", () => {
  const namespaces = (["mount", "pid"] as const).map((type) => ({ type }));
  const bundle: OciSpec = {
    ...spec,
    root: { path: "/bundle/rootfs" },
    mounts: [{ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["ro", "nosuid"] }],
    linux: { namespaces, rootfsPropagation: "rshared" },
  };
  const { root: _root, ...rest } = host;
  golden("plan-bundle.txt", planText(planLaunch(bundle, { ...rest, pause: "none" })));
});

test("one more process in a running container", () => {
  const more = { ...process, terminal: true, args: ["ps"] };
  golden("plan-exec.txt", planText(planExec(more, spec, host)));
});

test("a user namespace: what needs the host's rights is opened before the container's process is born", () => {
  const ids = [{ containerID: 0, hostID: 100000, size: 65536 }];
  const mounts = [
    ...DEFAULT_MOUNTS,
    { destination: "/data", type: "bind", source: "/srv", options: ["rbind", "ro", "idmap"] },
  ];
  const namespaces = [...(spec.linux?.namespaces ?? []), { type: "user" } as const];
  const remapped = { ...withLinux({ namespaces, uidMappings: ids, gidMappings: ids }), mounts };
  golden("plan-users.txt", planText(planLaunch(remapped, host)));
});

test("what would reach the host, or is not done, is refused by name", () => {
  refuses(
    withLinux({ sysctl: { "kernel.core_pattern": "|/x" } }),
    /"kernel\.core_pattern" is not in a separate kernel namespace/,
  );
  refuses(withLinux({ sysctl: { "net.ipv4.../../sysrq-trigger": "b" } }), /invalid sysctl name/);
  refuses(withLinux({ sysctl: { "net.ipv4.ip_forward": "1\nkernel.core_pattern=x" } }), /more than one line/);
  refuses(
    withLinux({ namespaces: [{ type: "mount" }], sysctl: { "net.core.somaxconn": "1" } }),
    /not allowed in host network namespace/,
  );
  refuses(
    withLinux({ namespaces: [{ type: "mount" }, { type: "user" }] }),
    /User namespaces enabled, but no uid mappings found/,
  );
  refuses(withLinux({ namespaces: [{ type: "pid" }] }), /without a mount namespace/, "unsupported");
  refuses({ ...spec, hooks: { prestart: [{ path: "/x" }] } }, /hooks is not supported/, "unsupported");
  for (const destination of ["/proc", "/proc/sys", "/x/../proc/kcore"]) {
    const mounts = [{ destination, type: "bind", source: "/srv", options: ["bind"] }];
    refuses({ ...spec, mounts }, /cannot be mounted because it is inside \/proc/);
  }
  refuses(
    { ...spec, mounts: [{ destination: "/a", type: "bind", source: "/b", options: ["idmap"] }] },
    /idmap needs mappings or a user namespace/,
  );
  for (const uid of [-1, 2 ** 31, 2 ** 32, 1.5]) refuses(withProcess({ user: { uid, gid: 0 } }), /range 0-2147483647/);
  refuses(withProcess({ cwd: "relative" }), /Cwd must be an absolute path/);
  refuses(withProcess({ capabilities: { bounding: ["CAP_EVERYTHING"] } }), /unknown capability "CAP_EVERYTHING"/);
  refuses(withProcess({ rlimits: [{ type: "RLIMIT_X", soft: 1, hard: 1 }] }), /invalid rlimit type: RLIMIT_X/);
});
