import type { Host } from "../host/host.ts";

/** What the kernel here cannot limit, in Docker's words (moby daemon/info_unix.go). */
export function limitWarnings({ limits, cgroupVersion, ipv4Forwarding }: Host): string[] {
  const v1Only = cgroupVersion === "1";
  const checks: readonly (readonly [boolean, string])[] = [
    [limits.memory, "WARNING: No memory limit support"],
    [limits.swap, "WARNING: No swap limit support"],
    [limits.oomKillDisable || !v1Only, "WARNING: No oom kill disable support"],
    [limits.cpuCfs, "WARNING: No cpu cfs quota support"],
    [limits.cpuCfs, "WARNING: No cpu cfs period support"],
    [limits.cpuShares, "WARNING: No cpu shares support"],
    [limits.cpuset, "WARNING: No cpuset support"],
    [limits.pids, "WARNING: No pids limit support"],
    [limits.blkioWeight || !v1Only, "WARNING: No blkio weight support"],
    [limits.blkioWeight || !v1Only, "WARNING: No blkio weight_device support"],
    [limits.blkioThrottle, "WARNING: No blkio throttle.read_bps_device support"],
    [limits.blkioThrottle, "WARNING: No blkio throttle.write_bps_device support"],
    [limits.blkioThrottle, "WARNING: No blkio throttle.read_iops_device support"],
    [limits.blkioThrottle, "WARNING: No blkio throttle.write_iops_device support"],
    [ipv4Forwarding(), "WARNING: IPv4 forwarding is disabled"],
  ];
  return checks.filter(([supported]) => !supported).map(([, warning]) => warning);
}
