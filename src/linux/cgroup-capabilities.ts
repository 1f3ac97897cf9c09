import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cgroupLayout, type CgroupLayout } from "./cgroups.ts";
import { controllerRoot } from "./cgroups/layout.ts";

/** Which limits this kernel can keep: the facts behind `docker info` and behind the warnings when a container asks for one of them. */
export interface CgroupCapabilities {
  /** What `docker info` calls CgroupVersion. */
  readonly version: "1" | "2";
  readonly memoryLimit: boolean;
  readonly swapLimit: boolean;
  readonly memoryReservation: boolean;
  readonly memorySwappiness: boolean;
  readonly oomKillDisable: boolean;
  readonly kernelMemoryTcp: boolean;
  readonly cpuShares: boolean;
  readonly cpuQuota: boolean;
  readonly cpuPeriod: boolean;
  readonly cpuRealtime: boolean;
  /** The CPUs and memory nodes there are ("0-3", "0"); undefined without the cpuset controller. */
  readonly cpuset: { readonly cpus: string; readonly mems: string } | undefined;
  readonly pidsLimit: boolean;
  readonly blockIoWeight: boolean;
  readonly blockIoWeightDevice: boolean;
  readonly blockIoThrottle: boolean;
  readonly devices: boolean;
  readonly freezer: boolean;
  readonly hugePages: boolean;
}

/** Looks at the files of the controllers' root directories. Nothing is kept: a few stat calls. */
export function cgroupCapabilities(layout: CgroupLayout = cgroupLayout()): CgroupCapabilities {
  return layout.mode === "v2" ? capabilitiesV2(layout) : capabilitiesV1(layout);
}

function capabilitiesV1(layout: CgroupLayout): CgroupCapabilities {
  const has = (controller: string, file = "cgroup.procs"): boolean => {
    const root = controllerRoot(layout, controller);
    return root !== undefined && existsSync(join(root.mountpoint, file));
  };
  const blkio = (file: string): boolean => has("blkio", `blkio.${file}`);
  return {
    version: "1",
    memoryLimit: has("memory"),
    swapLimit: has("memory", "memory.memsw.limit_in_bytes"),
    memoryReservation: has("memory", "memory.soft_limit_in_bytes"),
    memorySwappiness: has("memory", "memory.swappiness"),
    oomKillDisable: has("memory", "memory.oom_control"),
    kernelMemoryTcp: has("memory", "memory.kmem.tcp.limit_in_bytes"),
    cpuShares: has("cpu", "cpu.shares"),
    cpuQuota: has("cpu", "cpu.cfs_quota_us"),
    cpuPeriod: has("cpu", "cpu.cfs_period_us"),
    cpuRealtime: has("cpu", "cpu.rt_runtime_us"),
    cpuset: cpuset(layout, "cpuset.cpus", "cpuset.mems"),
    pidsLimit: has("pids"),
    blockIoWeight: blkio("weight") || blkio("bfq.weight"),
    blockIoWeightDevice: blkio("weight_device") || blkio("bfq.weight_device"),
    blockIoThrottle: blkio("throttle.read_bps_device"),
    devices: has("devices"),
    freezer: has("freezer"),
    hugePages: has("hugetlb"),
  };
}

/** Version 2 names its controllers; most of their files are missing in the root of the tree. */
function capabilitiesV2(layout: CgroupLayout): CgroupCapabilities {
  const controllers = new Set(layout.unified?.controllers);
  return {
    version: "2",
    memoryLimit: controllers.has("memory"),
    swapLimit: controllers.has("memory") && existsSync("/proc/swaps"),
    memoryReservation: controllers.has("memory"),
    memorySwappiness: false,
    oomKillDisable: false,
    kernelMemoryTcp: false,
    cpuShares: controllers.has("cpu"),
    cpuQuota: controllers.has("cpu"),
    cpuPeriod: controllers.has("cpu"),
    cpuRealtime: false,
    cpuset: cpuset(layout, "cpuset.cpus.effective", "cpuset.mems.effective"),
    pidsLimit: controllers.has("pids"),
    blockIoWeight: controllers.has("io"),
    blockIoWeightDevice: controllers.has("io"),
    blockIoThrottle: controllers.has("io"),
    devices: true,
    freezer: true,
    hugePages: controllers.has("hugetlb"),
  };
}

function cpuset(layout: CgroupLayout, cpus: string, mems: string): CgroupCapabilities["cpuset"] {
  const root = controllerRoot(layout, "cpuset");
  if (root === undefined || !existsSync(join(root.mountpoint, cpus))) return undefined;
  const read = (file: string): string => readFileSync(join(root.mountpoint, file), "utf8").trim();
  return { cpus: read(cpus), mems: read(mems) };
}

/** What `docker info` warns of, in dockerd's words (daemon/info_unix.go). */
export function capabilityWarnings(capabilities: CgroupCapabilities): readonly string[] {
  const isV1 = capabilities.version === "1";
  const throttles = isV1
    ? ["read_bps_device", "write_bps_device", "read_iops_device", "write_iops_device"].map(
        (file) => `blkio throttle.${file}`,
      )
    : ["rbps", "wbps", "riops", "wiops"].map((limit) => `io.max (${limit})`);
  const checks: readonly [boolean, string][] = [
    [capabilities.memoryLimit, "memory limit"],
    [capabilities.swapLimit, "swap limit"],
    [capabilities.kernelMemoryTcp || !isV1, "kernel memory TCP limit"],
    [capabilities.oomKillDisable || !isV1, "oom kill disable"],
    [capabilities.cpuQuota, "cpu cfs quota"],
    [capabilities.cpuPeriod, "cpu cfs period"],
    [capabilities.cpuShares, "cpu shares"],
    [capabilities.cpuset !== undefined, "cpuset"],
    [capabilities.blockIoWeight, isV1 ? "blkio weight" : "io.weight"],
    [capabilities.blockIoWeightDevice, isV1 ? "blkio weight_device" : "io.weight (per device)"],
    ...throttles.map((name): [boolean, string] => [capabilities.blockIoThrottle, name]),
  ];
  return checks.filter(([supported]) => !supported).map(([, name]) => `WARNING: No ${name} support`);
}
