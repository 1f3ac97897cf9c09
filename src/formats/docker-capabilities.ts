import { GantryError } from "#base/errors.ts";

/** Every capability of Linux 6.x (uapi/linux/capability.h), in order of its number. */
export const ALL_CAPABILITIES: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
];

/** What a container has when nothing is asked (moby oci/caps/defaults.go). */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

const ALL = "ALL";

/** `net_admin` and `CAP_NET_ADMIN` as the latter; `ALL` stays. Throws `invalid` for an unknown name, naming the field. */
export function normalizeCapabilities(names: readonly string[], field: "CapAdd" | "CapDrop"): string[] {
  return names.map((given) => {
    const upper = given.toUpperCase();
    if (upper === ALL) return ALL;
    const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (!ALL_CAPABILITIES.includes(name))
      throw new GantryError("invalid", `invalid ${field}: unknown capability: "${name}"`, { field });
    return name;
  });
}

/** The set a container gets (moby oci/caps TweakCapabilities): privileged takes everything; ALL is resolved before the single names. */
export function containerCapabilities(options: {
  privileged: boolean;
  add: readonly string[];
  drop: readonly string[];
}): string[] {
  if (options.privileged) return [...ALL_CAPABILITIES];
  const add = normalizeCapabilities(options.add, "CapAdd");
  const drop = normalizeCapabilities(options.drop, "CapDrop");
  if (add.includes(ALL)) return ALL_CAPABILITIES.filter((name) => !drop.includes(name));
  if (drop.includes(ALL)) return [...new Set(add)];
  return [...new Set([...DEFAULT_CAPABILITIES.filter((name) => !drop.includes(name)), ...add])];
}
