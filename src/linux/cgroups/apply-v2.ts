import { existsSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { OciResources } from "#formats/oci-spec.ts";
import { normalizeDeviceRules } from "./devices.ts";
import { deviceFilter } from "./device-filter.ts";
import {
  attachDeviceProgram,
  detachDeviceProgram,
  deviceProgramIds,
  loadDeviceProgram,
  openProgram,
} from "../syscalls/bpf.ts";
import { close, O_DIRECTORY, O_RDONLY, open } from "../syscalls.ts";
import { readNumber, writeCgroupFile } from "./files.ts";

/**
 * Writes limits to version 2 controllers (Documentation/admin-guide/cgroup-v2.rst), with the conversions from version 1's
 * terms that OCI runtimes agree on.
 */
export function applyV2(resources: OciResources, directory: string): void {
  if (resources.devices && resources.devices.length > 0) guardDevices(resources, directory);
  applyMemory(resources, directory);
  applyCpu(resources, directory);
  if (resources.pids?.limit) {
    writeCgroupFile(directory, "pids.max", resources.pids.limit > 0 ? resources.pids.limit : "max");
  }
  applyIo(resources, directory);
  for (const { pageSize, limit } of resources.hugepageLimits ?? []) {
    writeCgroupFile(directory, `hugetlb.${pageSize}.max`, limit);
    const reserved = `hugetlb.${pageSize}.rsvd.max`;
    if (existsSync(join(directory, reserved))) writeCgroupFile(directory, reserved, limit);
  }
  for (const [device, { hcaHandles, hcaObjects }] of Object.entries(resources.rdma ?? {})) {
    const limits = `${device} hca_handle=${hcaHandles ?? "max"} hca_object=${hcaObjects ?? "max"}`;
    writeCgroupFile(directory, "rdma.max", limits);
  }
  if (resources.network?.classID || resources.network?.priorities?.length) {
    throw new GantryError("unsupported", "network classes and priorities need cgroup version 1 controllers", {
      field: "network",
    });
  }
  for (const [file, value] of Object.entries(resources.unified ?? {})) {
    if (!/^[a-z0-9_]+(\.[a-zA-Z0-9_]+)+$/.test(file)) {
      throw new GantryError("invalid", `unified: invalid file name "${file}"`, { field: "unified" });
    }
    writeCgroupFile(directory, file, value);
  }
}

type Memory = NonNullable<OciResources["memory"]>;

/** Version 1's shares (2 to 262,144, default 1,024) as a weight (1 to 10,000, default 100): a curve through all three. */
export function cpuWeight(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const bits = Math.log2(shares);
  return Math.ceil(10 ** ((bits * bits + 125 * bits) / 612 - 7 / 34));
}

/** Memory plus swap as swap alone; undefined: leave it. Throws `invalid` when the sum is below the memory limit. */
export function swapMax(limit: number, swap: number): number | "max" | undefined {
  if (swap === -1 || (limit === -1 && swap === 0)) return "max";
  if (swap === 0) return undefined;
  if (limit === -1) return swap;
  if (limit === 0)
    throw new GantryError("invalid", "unable to set swap limit without memory limit", { field: "memory.swap" });
  if (swap < limit)
    throw new GantryError("invalid", "memory+swap limit should be >= memory limit", { field: "memory.swap" });
  return swap - limit;
}

function applyMemory({ memory }: OciResources, directory: string): void {
  if (!memory) return;
  if (memory.disableOOMKiller) {
    throw new GantryError("unsupported", "disabling the OOM killer needs cgroup version 1 controllers", {
      field: "memory.disableOOMKiller",
    });
  }
  checkUsage(memory, directory);
  const swap = swapMax(memory.limit ?? 0, memory.swap ?? 0);
  // Without swap accounting there is no file, and then nothing can be swapped beyond a limit of none.
  if (swap !== undefined && (existsSync(join(directory, "memory.swap.max")) || typeof swap === "number")) {
    writeCgroupFile(directory, "memory.swap.max", swap);
  }
  if (memory.limit) writeCgroupFile(directory, "memory.max", memory.limit === -1 ? "max" : memory.limit);
  if (memory.reservation)
    writeCgroupFile(directory, "memory.low", memory.reservation === -1 ? "max" : memory.reservation);
}

/** Version 2 would kill rather than refuse a limit below what is in use. OCI runtime-spec config-linux.md, "checkBeforeUpdate". */
function checkUsage({ limit = 0, checkBeforeUpdate }: Memory, directory: string): void {
  if (!checkBeforeUpdate || limit <= 0) return;
  const used = readNumber(directory, "memory.current");
  if (used <= limit) return;
  throw new GantryError("invalid", `memory limit ${limit} is below the ${used} bytes in use`, {
    field: "memory.limit",
  });
}

function applyCpu({ cpu }: OciResources, directory: string): void {
  if (!cpu) return;
  if (cpu.realtimePeriod || cpu.realtimeRuntime) {
    throw new GantryError("unsupported", "real-time CPU limits need cgroup version 1 controllers", {
      field: "cpu.realtimeRuntime",
    });
  }
  if (cpu.idle !== undefined) writeCgroupFile(directory, "cpu.idle", cpu.idle);
  // An idle group has no weight.
  if (cpu.shares && !cpu.idle) writeCgroupFile(directory, "cpu.weight", cpuWeight(cpu.shares));
  if (cpu.quota || cpu.period) {
    const quota = cpu.quota && cpu.quota > 0 ? cpu.quota : "max";
    writeCgroupFile(directory, "cpu.max", `${quota} ${cpu.period || 100_000}`);
  }
  if (cpu.burst !== undefined) writeCgroupFile(directory, "cpu.max.burst", cpu.burst);
  if (cpu.cpus) writeCgroupFile(directory, "cpuset.cpus", cpu.cpus);
  if (cpu.mems) writeCgroupFile(directory, "cpuset.mems", cpu.mems);
}

function applyIo({ blockIO }: OciResources, directory: string): void {
  if (!blockIO) return;
  const bfq = existsSync(join(directory, "io.bfq.weight"));
  const weight = (version1: number): number => (bfq ? version1 : 1 + Math.floor(((version1 - 10) * 9999) / 990));
  const weightFile = bfq ? "io.bfq.weight" : "io.weight";
  if (blockIO.weight) writeCgroupFile(directory, weightFile, weight(blockIO.weight));
  for (const device of blockIO.weightDevice ?? []) {
    if (device.weight)
      writeCgroupFile(directory, weightFile, `${device.major}:${device.minor} ${weight(device.weight)}`);
  }
  if (blockIO.leafWeight || blockIO.weightDevice?.some(({ leafWeight }) => leafWeight)) {
    throw new GantryError("unsupported", "leaf weights need cgroup version 1 controllers", {
      field: "blockIO.leafWeight",
    });
  }
  const throttles = [
    ["rbps", blockIO.throttleReadBpsDevice],
    ["wbps", blockIO.throttleWriteBpsDevice],
    ["riops", blockIO.throttleReadIOPSDevice],
    ["wiops", blockIO.throttleWriteIOPSDevice],
  ] as const;
  for (const [limit, devices] of throttles) {
    for (const { major, minor, rate } of devices ?? []) {
      writeCgroupFile(directory, "io.max", `${major}:${minor} ${limit}=${rate || "max"}`);
    }
  }
}

/** Puts a new device program in the place of those of earlier calls. */
function guardDevices({ devices }: OciResources, directory: string): void {
  const cgroup = open(directory, O_RDONLY | O_DIRECTORY);
  try {
    const before = deviceProgramIds(cgroup);
    const program = loadDeviceProgram(deviceFilter(normalizeDeviceRules(devices ?? [])));
    try {
      attachDeviceProgram(cgroup, program);
    } finally {
      close(program);
    }
    for (const id of before) {
      const old = openProgram(id);
      try {
        detachDeviceProgram(cgroup, old);
      } finally {
        close(old);
      }
    }
  } finally {
    close(cgroup);
  }
}
