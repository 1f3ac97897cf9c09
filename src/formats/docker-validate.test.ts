import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDevice, parseDeviceRule, parseUlimits } from "./docker-devices.ts";
import { parseSecurityOptions } from "./docker-security.ts";
import { parseExtraHosts, validateConfig, validateModes, validateSysctls } from "./docker-validate.ts";

const refused = (run: () => unknown, message: string | RegExp): void =>
  assert.throws(run, { code: "invalid", message });

test("modes that Docker refuses, in its words", () => {
  validateModes({}, { IpcMode: "container:x", NetworkMode: "bridge" });
  refused(() => validateModes({}, { IpcMode: "nope" }), "invalid IPC mode: nope");
  refused(() => validateModes({}, { PidMode: "container:" }), "invalid PID mode: container:");
  refused(
    () => validateModes({ Hostname: "h" }, { NetworkMode: "container:x" }),
    "conflicting options: hostname and the network mode",
  );
  refused(
    () => validateModes({}, { NetworkMode: "container:x", PublishAllPorts: true }),
    "conflicting options: port publishing and the container type network mode",
  );
  refused(
    () => validateModes({}, { OomScoreAdj: 2000 }),
    "Invalid value 2000, range for oom score adj is [-1000, 1000]",
  );
});

test("configurations that Docker refuses", () => {
  refused(
    () => validateConfig({ WorkingDir: "a" }),
    "the working directory 'a' is invalid, it needs to be an absolute path",
  );
  refused(() => validateConfig({ Env: ["=x"] }), "invalid environment variable: =x");
  refused(() => validateConfig({ Healthcheck: { Interval: 5 } }), "Interval in Healthcheck cannot be less than 1ms");
});

test("sysctls stay in the container's namespaces and carry no second one", () => {
  validateSysctls({ "net.core.somaxconn": "1", "kernel.shmmax": "2" }, {});
  refused(
    () => validateSysctls({ "kernel.core_pattern": "|x" }, {}),
    'sysctl "kernel.core_pattern" is not in a separate kernel namespace',
  );
  refused(
    () => validateSysctls({ "net.core.x": "1" }, { NetworkMode: "host" }),
    /not allowed in host network namespace/,
  );
  for (const name of ["net.core.x+kernel.y", "net.core.x=1\nkernel.y", "net/../kernel/core_pattern"])
    refused(() => validateSysctls({ [name]: "1" }, {}), /invalid sysctl/);
  refused(() => validateSysctls({ "net.core.somaxconn": "1\n2" }, {}), /invalid sysctl/);
});

test("extra hosts, devices, ulimits, security options", () => {
  assert.deepEqual(parseExtraHosts(["a:1.2.3.4", "b=::1", "gw:host-gateway"], "172.17.0.1"), [
    "a:1.2.3.4",
    "b:::1",
    "gw:172.17.0.1",
  ]);
  refused(() => parseExtraHosts(["a"], undefined), 'bad format for add-host: "a"');
  refused(() => parseExtraHosts(["a:x"], undefined), 'invalid IP address in add-host: "x"');
  assert.deepEqual(parseDeviceRule("c 1:* rw"), { allow: true, type: "c", major: 1, access: "rw" });
  refused(() => parseDeviceRule("c 1 rw"), "invalid device cgroup rule format: 'c 1 rw'");
  assert.deepEqual(parseDevice({ PathOnHost: "/dev/null" }), {
    hostPath: "/dev/null",
    containerPath: "/dev/null",
    access: "rwm",
  });
  assert.deepEqual(parseUlimits([{ Name: "nofile", Soft: 1, Hard: 2 }]), [{ type: "RLIMIT_NOFILE", soft: 1, hard: 2 }]);
  refused(
    () => parseUlimits([{ Name: "nofile", Soft: 3, Hard: 2 }]),
    "ulimit soft limit must be less than or equal to hard limit: 3 > 2",
  );
  assert.deepEqual(parseSecurityOptions(["no-new-privileges:true", "seccomp=unconfined", "label=disable"]), {
    noNewPrivileges: true,
    seccomp: "unconfined",
    apparmor: undefined,
    labels: ["disable"],
  });
  refused(() => parseSecurityOptions(["nope"]), 'invalid --security-opt 1: "nope"');
  refused(() => parseSecurityOptions(["a=b"]), 'invalid --security-opt 2: "a=b"');
});
