import { GantryError } from "#base/errors.ts";
import type { OciDeviceRule } from "./oci-spec.ts";

/** A `DeviceCgroupRules` entry such as `c 1:3 rwm` or `a *:* rwm`. Throws `invalid` in Docker's words. */
export function parseDeviceRule(rule: string): OciDeviceRule {
  const match = /^([acb]) (\d{1,10}|\*):(\d{1,10}|\*) ([rwm]{1,3})$/.exec(rule);
  if (!match)
    throw new GantryError("invalid", `invalid device cgroup rule format: '${rule}'`, { field: "DeviceCgroupRules" });
  const [, type = "", major = "", minor = "", access = ""] = match;
  return {
    allow: true,
    type: type as "a" | "b" | "c",
    ...(major !== "*" && { major: Number(major) }),
    ...(minor !== "*" && { minor: Number(minor) }),
    access,
  };
}

/** A `Devices` entry with Docker's defaults. Throws `invalid` for an access that is not of r, w and m. */
export function parseDevice(device: { PathOnHost?: string; PathInContainer?: string; CgroupPermissions?: string }): {
  hostPath: string;
  containerPath: string;
  access: string;
} {
  const hostPath = device.PathOnHost ?? "";
  const access = device.CgroupPermissions || "rwm";
  if (hostPath === "")
    throw new GantryError("invalid", "invalid device: PathOnHost must not be empty", { field: "Devices" });
  if (!/^[rwm]{1,3}$/.test(access))
    throw new GantryError("invalid", `invalid device mode: ${access}`, { field: "Devices" });
  return { hostPath, containerPath: device.PathInContainer || hostPath, access };
}

const ULIMITS = new Set([
  "core",
  "cpu",
  "data",
  "fsize",
  "locks",
  "memlock",
  "msgqueue",
  "nice",
  "nofile",
  "nproc",
  "rss",
  "rtprio",
  "rttime",
  "sigpending",
  "stack",
]);

/** `Ulimits` as the OCI runtime specification's rlimits; -1 is unlimited. Throws `invalid` in Docker's words. */
export function parseUlimits(
  ulimits: readonly { Name?: string; Soft?: number; Hard?: number }[],
): { type: string; hard: number; soft: number }[] {
  return ulimits.map(({ Name = "", Soft = 0, Hard = 0 }) => {
    if (!ULIMITS.has(Name)) throw new GantryError("invalid", `invalid ulimit type: ${Name}`, { field: "Ulimits" });
    if (Hard !== -1 && (Soft > Hard || Soft === -1)) {
      throw new GantryError(
        "invalid",
        `ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`,
        { field: "Ulimits" },
      );
    }
    return { type: `RLIMIT_${Name.toUpperCase()}`, hard: Hard, soft: Soft };
  });
}
