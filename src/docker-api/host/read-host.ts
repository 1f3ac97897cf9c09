import { existsSync, readFileSync } from "node:fs";
import { arch, cpus, hostname, release, totalmem } from "node:os";
import { join } from "node:path";
import type { LimitSupport } from "#formats/docker-resources.ts";
import type { Host } from "./host.ts";

const ARCHITECTURES: Readonly<Record<string, readonly [machine: string, go: string, scmp: string]>> = {
  x64: ["x86_64", "amd64", "SCMP_ARCH_X86_64"],
  arm64: ["aarch64", "arm64", "SCMP_ARCH_AARCH64"],
};

/** Reads the machine's facts from /proc, /sys and /etc/os-release. */
export function readHost(): Host {
  const [machine, goArch, scmpArch] = ARCHITECTURES[arch()] ?? [arch(), arch(), ""];
  const os = parseOsRelease(readText("/etc/os-release") ?? readText("/usr/lib/os-release") ?? "");
  const mounts = parseCgroupMounts(readText("/proc/mounts") ?? "");
  return {
    name: hostname(),
    kernelVersion: release(),
    operatingSystem: os["PRETTY_NAME"] ?? "Linux",
    osVersion: os["VERSION_ID"] ?? "",
    machine,
    goArch,
    scmpArch,
    memoryBytes: totalmem(),
    cgroupVersion: mounts.v1.size > 0 ? "1" : "2",
    limits: mounts.v1.size > 0 ? limitsV1(mounts.v1) : limitsV2(mounts.v2),
    appArmor: readText("/sys/module/apparmor/parameters/enabled")?.startsWith("Y") ?? false,
    ipv4Forwarding: () => readText("/proc/sys/net/ipv4/ip_forward")?.trim() === "1",
  };
}

/** `KEY="value"` lines (os-release(5)). */
export function parseOsRelease(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/^([A-Z_]+)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(\S*))$/gm)];
  return Object.fromEntries(
    pairs.map(([, key = "", double, single, bare]) => [key, double?.replace(/\\(.)/g, "$1") ?? single ?? bare ?? ""]),
  );
}

/** Where each cgroup v1 controller is mounted, and the v2 tree, from /proc/mounts. */
export function parseCgroupMounts(text: string): { v1: ReadonlyMap<string, string>; v2: string | undefined } {
  const v1 = new Map<string, string>();
  let v2: string | undefined;
  for (const line of text.split("\n")) {
    const [, path = "", type, options = ""] = line.split(" ");
    if (type === "cgroup2") v2 ??= path;
    if (type !== "cgroup") continue;
    for (const option of options.split(",")) if (CONTROLLERS.has(option)) v1.set(option, path);
  }
  return { v1, v2 };
}

const CONTROLLERS = new Set(["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"]);

/** The files that a controller offers tell what it can (moby pkg/sysinfo). */
function limitsV1(controllers: ReadonlyMap<string, string>): LimitSupport {
  const has = (controller: string, file: string): boolean =>
    existsSync(join(controllers.get(controller) ?? "/nonexistent", file));
  return {
    memory: has("memory", "memory.limit_in_bytes"),
    swap: has("memory", "memory.memsw.limit_in_bytes"),
    memoryReservation: has("memory", "memory.soft_limit_in_bytes"),
    swappiness: has("memory", "memory.swappiness"),
    oomKillDisable: has("memory", "memory.oom_control"),
    pids: controllers.has("pids"),
    cpuShares: has("cpu", "cpu.shares"),
    cpuCfs: has("cpu", "cpu.cfs_quota_us"),
    cpuRealtime: has("cpu", "cpu.rt_period_us"),
    cpuset: controllers.has("cpuset"),
    blkioWeight: has("blkio", "blkio.weight"),
    blkioThrottle: has("blkio", "blkio.throttle.read_bps_device"),
    cpus: cpus().length,
    cpuList: readText(join(controllers.get("cpuset") ?? "/", "cpuset.cpus"))?.trim() || onlineCpus(),
    memoryNodes: readText(join(controllers.get("cpuset") ?? "/", "cpuset.mems"))?.trim() || "0",
  };
}

function limitsV2(root: string | undefined): LimitSupport {
  const controllers = new Set(
    readText(join(root ?? "/nonexistent", "cgroup.controllers"))
      ?.trim()
      .split(" ") ?? [],
  );
  return {
    memory: controllers.has("memory"),
    swap: controllers.has("memory") && existsSync("/proc/swaps"),
    memoryReservation: controllers.has("memory"),
    swappiness: false,
    oomKillDisable: false,
    pids: controllers.has("pids"),
    cpuShares: controllers.has("cpu"),
    cpuCfs: controllers.has("cpu"),
    cpuRealtime: false,
    cpuset: controllers.has("cpuset"),
    blkioWeight: controllers.has("io"),
    blkioThrottle: controllers.has("io"),
    cpus: cpus().length,
    cpuList: readText(join(root ?? "/", "cpuset.cpus.effective"))?.trim() || onlineCpus(),
    memoryNodes: readText(join(root ?? "/", "cpuset.mems.effective"))?.trim() || "0",
  };
}

function onlineCpus(): string {
  return readText("/sys/devices/system/cpu/online")?.trim() ?? "0";
}

/** The file's text; undefined when it cannot be read: a fact that this machine does not have. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
