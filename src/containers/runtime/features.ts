import { NAMESPACES } from "../plan/namespaces.ts";
import { CAPABILITY_NAMES } from "../plan/capabilities.ts";
import { SECCOMP_ACTIONS, SECCOMP_ARCHITECTURES, SECCOMP_FLAGS, SECCOMP_OPERATORS } from "#linux/seccomp.ts";
import { MOUNT_OPTIONS } from "../plan/mount-options.ts";

/** OCI runtime-spec features.md: what this runtime knows, whatever the machine it runs on. */
export function featuresDocument(version: string): object {
  return {
    ociVersionMin: "1.0.0",
    ociVersionMax: "1.2.0",
    hooks: ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
    mountOptions: MOUNT_OPTIONS,
    linux: {
      namespaces: NAMESPACES.toSorted(),
      capabilities: CAPABILITY_NAMES,
      cgroup: { v1: true, v2: true, systemd: false, systemdUser: false, rdma: true },
      seccomp: {
        enabled: true,
        actions: SECCOMP_ACTIONS,
        operators: SECCOMP_OPERATORS,
        archs: SECCOMP_ARCHITECTURES,
        knownFlags: SECCOMP_FLAGS,
        supportedFlags: SECCOMP_FLAGS,
      },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: false },
      mountExtensions: { idmap: { enabled: true } },
    },
    annotations: { "org.gantry.version": version },
    potentiallyUnsafeConfigAnnotations: [],
  };
}
