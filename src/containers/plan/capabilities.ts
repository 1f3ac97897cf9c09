import { GantryError } from "#base/errors.ts";
import type { OciProcess } from "#formats/oci-spec.ts";

/** In the kernel's order (linux/capability.h): a name's place is its number. */
const NAMES =
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

const NUMBERS: ReadonlyMap<string, bigint> = new Map(
  NAMES.split(" ").map((name, index) => [`CAP_${name}`, BigInt(index)]),
);

/** All that there are, in the kernel's order. */
export const CAPABILITY_NAMES: readonly string[] = Array.from(NUMBERS.keys());

export interface CapabilitySets {
  readonly bounding: bigint;
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly ambient: bigint;
}

/** The sets as bit masks; a set that is not given is empty. Throws `invalid` for a name that is none. */
export function capabilitySets(process: OciProcess): CapabilitySets {
  const set = (name: keyof CapabilitySets): bigint => mask(process.capabilities?.[name] ?? [], name);
  return {
    bounding: set("bounding"),
    effective: set("effective"),
    permitted: set("permitted"),
    inheritable: set("inheritable"),
    ambient: set("ambient"),
  };
}

function mask(names: readonly string[], set: string): bigint {
  return names.reduce((bits, name) => {
    const number = NUMBERS.get(name);
    if (number === undefined)
      throw new GantryError("invalid", `unknown capability ${JSON.stringify(name)}`, {
        field: `process.capabilities.${set}`,
      });
    return bits | (1n << number);
  }, 0n);
}
