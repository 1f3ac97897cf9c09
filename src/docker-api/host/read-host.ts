import { readFileSync } from "node:fs";
import { arch, cpus, hostname, release, totalmem } from "node:os";
import type { LimitSupport } from "#formats/docker-resources.ts";
import type { Host, KernelLimits } from "./host.ts";

const ARCHITECTURES: Readonly<Record<string, readonly [machine: string, go: string, scmp: string]>> = {
  x64: ["x86_64", "amd64", "SCMP_ARCH_X86_64"],
  arm64: ["aarch64", "arm64", "SCMP_ARCH_AARCH64"],
};

/** Reads the machine's facts from /proc, /sys and /etc/os-release, beside what the kernel can limit. */
export function readHost(kernel: KernelLimits, limitWarnings: readonly string[]): Host {
  const [machine, goArch, scmpArch] = ARCHITECTURES[arch()] ?? [arch(), arch(), ""];
  const os = parseOsRelease(readText("/etc/os-release") ?? readText("/usr/lib/os-release") ?? "");
  return {
    name: hostname(),
    kernelVersion: release(),
    operatingSystem: os["PRETTY_NAME"] ?? "Linux",
    osVersion: os["VERSION_ID"] ?? "",
    machine,
    goArch,
    scmpArch,
    memoryBytes: totalmem(),
    cgroupVersion: kernel.version,
    limits: limitSupport(kernel),
    limitWarnings,
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

function limitSupport(kernel: KernelLimits): LimitSupport {
  return {
    memory: kernel.memoryLimit,
    swap: kernel.swapLimit,
    memoryReservation: kernel.memoryReservation,
    swappiness: kernel.memorySwappiness,
    oomKillDisable: kernel.oomKillDisable,
    pids: kernel.pidsLimit,
    cpuShares: kernel.cpuShares,
    cpuCfs: kernel.cpuQuota,
    cpuRealtime: kernel.cpuRealtime,
    cpuset: kernel.cpuset !== undefined,
    blkioWeight: kernel.blockIoWeight,
    blkioThrottle: kernel.blockIoThrottle,
    cpus: cpus().length,
    cpuList: kernel.cpuset?.cpus || (readText("/sys/devices/system/cpu/online")?.trim() ?? "0"),
    memoryNodes: kernel.cpuset?.mems || "0",
  };
}

/** The file's text; undefined when it cannot be read: a fact that this machine does not have. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
