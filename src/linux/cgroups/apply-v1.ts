import { existsSync } from "node:fs";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { OciResources } from "#formats/oci-spec.ts";
import { deviceRuleLine, normalizeDeviceRules } from "./devices.ts";
import { readNumber, writeCgroupFile, writeCgroupValues } from "./files.ts";

/** Finds the directory of a version 1 controller; throws `unsupported` when a limit needs one that the machine lacks. */
export type DirectoryOf = (controller: string, wanted: string) => string;

type Memory = NonNullable<OciResources["memory"]>;
type Cpu = NonNullable<OciResources["cpu"]>;
type BlockIo = NonNullable<OciResources["blockIO"]>;

/** Writes limits to version 1 controllers (Documentation/admin-guide/cgroup-v1). Zero means "not set", as in OCI documents. */
export function applyV1(resources: OciResources, directoryOf: DirectoryOf): void {
  if (resources.unified && Object.keys(resources.unified).length > 0) {
    throw new GantryError("unsupported", "unified resources need cgroup version 2 controllers", { field: "unified" });
  }
  if (resources.devices && resources.devices.length > 0) {
    const directory = directoryOf("devices", "device rules");
    applyDevices(normalizeDeviceRules(resources.devices), directory);
  }
  if (resources.memory) applyMemory(resources.memory, directoryOf);
  if (resources.cpu) applyCpu(resources.cpu, directoryOf);
  if (resources.pids?.limit) {
    const { limit } = resources.pids;
    writeCgroupFile(directoryOf("pids", "pids limit"), "pids.max", limit > 0 ? limit : "max");
  }
  if (resources.blockIO) applyBlockIo(resources.blockIO, directoryOf);
  for (const { pageSize, limit } of resources.hugepageLimits ?? []) {
    const directory = directoryOf("hugetlb", "huge page limit");
    writeCgroupFile(directory, `hugetlb.${pageSize}.limit_in_bytes`, limit);
    // Reservations too, where the kernel counts them (5.7).
    const reserved = `hugetlb.${pageSize}.rsvd.limit_in_bytes`;
    if (existsSync(join(directory, reserved))) writeCgroupFile(directory, reserved, limit);
  }
  applyNetwork(resources, directoryOf);
}

/** In their order; those that go to the same file follow each other through one opening of it. */
function applyDevices(rules: ReturnType<typeof normalizeDeviceRules>, directory: string): void {
  for (let at = 0; at < rules.length;) {
    const allow = rules[at]?.allow ?? false;
    const other = rules.findIndex((rule, index) => index > at && rule.allow !== allow);
    const end = other < 0 ? rules.length : other;
    writeCgroupValues(directory, allow ? "devices.allow" : "devices.deny", rules.slice(at, end).map(deviceRuleLine));
    at = end;
  }
}

function applyMemory(memory: Memory, directoryOf: DirectoryOf): void {
  const set = (["limit", "swap", "reservation", "kernelTCP"] as const).filter((field) => memory[field]);
  const swappiness = memory.swappiness === undefined || memory.swappiness === -1 ? undefined : memory.swappiness;
  if (set.length === 0 && swappiness === undefined && !memory.disableOOMKiller) return;
  const directory = directoryOf("memory", "memory limit");
  setMemoryAndSwap(directory, memory);
  if (memory.reservation) writeCgroupFile(directory, "memory.soft_limit_in_bytes", memory.reservation);
  if (memory.kernelTCP) writeCgroupFile(directory, "memory.kmem.tcp.limit_in_bytes", memory.kernelTCP);
  if (memory.disableOOMKiller) writeCgroupFile(directory, "memory.oom_control", 1);
  if (swappiness !== undefined) writeCgroupFile(directory, "memory.swappiness", swappiness);
}

/** The kernel keeps memory ≤ memory+swap at every moment, so which of the two is written first depends on where they are. */
function setMemoryAndSwap(directory: string, memory: Memory): void {
  const limit = memory.limit ?? 0;
  let swap = memory.swap ?? 0;
  const accounted = existsSync(join(directory, "memory.memsw.limit_in_bytes"));
  if (limit === -1 && swap === 0 && accounted) swap = -1;
  const writeLimit = (): void => {
    if (limit !== 0) writeCgroupFile(directory, "memory.limit_in_bytes", limit);
  };
  const writeSwap = (): void => {
    if (swap !== 0) writeCgroupFile(directory, "memory.memsw.limit_in_bytes", swap);
  };
  const raising = limit !== 0 && (swap === -1 || (swap !== 0 && readNumber(directory, "memory.limit_in_bytes") < swap));
  for (const write of raising ? [writeSwap, writeLimit] : [writeLimit, writeSwap]) write();
}

function applyCpu(cpu: Cpu, directoryOf: DirectoryOf): void {
  const scheduling =
    cpu.shares || cpu.quota || cpu.period || cpu.burst || cpu.idle || cpu.realtimePeriod || cpu.realtimeRuntime;
  if (scheduling) {
    const directory = directoryOf("cpu", "CPU limit");
    if (cpu.shares) writeCgroupFile(directory, "cpu.shares", cpu.shares);
    setQuota(directory, cpu);
    if (cpu.burst !== undefined) writeCgroupFile(directory, "cpu.cfs_burst_us", cpu.burst);
    if (cpu.realtimePeriod) writeCgroupFile(directory, "cpu.rt_period_us", cpu.realtimePeriod);
    if (cpu.realtimeRuntime) writeCgroupFile(directory, "cpu.rt_runtime_us", cpu.realtimeRuntime);
    if (cpu.idle !== undefined) writeCgroupFile(directory, "cpu.idle", cpu.idle);
  }
  if (cpu.cpus) writeCgroupFile(directoryOf("cpuset", "CPU set"), "cpuset.cpus", cpu.cpus);
  if (cpu.mems) writeCgroupFile(directoryOf("cpuset", "memory node set"), "cpuset.mems", cpu.mems);
}

/** A period may be refused for the quota that is there yet: then the quota goes first. */
function setQuota(directory: string, cpu: Cpu): void {
  const writeQuota = (): void => {
    if (cpu.quota) writeCgroupFile(directory, "cpu.cfs_quota_us", cpu.quota);
  };
  if (!cpu.period) return writeQuota();
  try {
    writeCgroupFile(directory, "cpu.cfs_period_us", cpu.period);
  } catch (error) {
    if (!cpu.quota || !(error instanceof GantryError) || error.details["errno"] !== "EINVAL") throw error;
    writeQuota();
    writeCgroupFile(directory, "cpu.cfs_period_us", cpu.period);
  }
  writeQuota();
}

function applyBlockIo(io: BlockIo, directoryOf: DirectoryOf): void {
  const lines: [string, string | number][] = [];
  const weightFile = (directory: string, suffix: string): string =>
    existsSync(join(directory, `blkio.bfq.weight${suffix}`)) ? `blkio.bfq.weight${suffix}` : `blkio.weight${suffix}`;
  const directory = (): string => directoryOf("blkio", "block I/O limit");
  if (io.weight) lines.push([weightFile(directory(), ""), io.weight]);
  if (io.leafWeight) lines.push(["blkio.leaf_weight", io.leafWeight]);
  for (const { major, minor, weight, leafWeight } of io.weightDevice ?? []) {
    if (weight) lines.push([weightFile(directory(), "_device"), `${major}:${minor} ${weight}`]);
    if (leafWeight) lines.push(["blkio.leaf_weight_device", `${major}:${minor} ${leafWeight}`]);
  }
  const throttles = [
    ["read_bps_device", io.throttleReadBpsDevice],
    ["write_bps_device", io.throttleWriteBpsDevice],
    ["read_iops_device", io.throttleReadIOPSDevice],
    ["write_iops_device", io.throttleWriteIOPSDevice],
  ] as const;
  for (const [file, devices] of throttles) {
    for (const { major, minor, rate } of devices ?? [])
      lines.push([`blkio.throttle.${file}`, `${major}:${minor} ${rate}`]);
  }
  for (const [file, value] of lines) writeCgroupFile(directory(), file, value);
}

function applyNetwork(resources: OciResources, directoryOf: DirectoryOf): void {
  if (resources.network?.classID) {
    writeCgroupFile(directoryOf("net_cls", "network class"), "net_cls.classid", resources.network.classID);
  }
  for (const { name, priority } of resources.network?.priorities ?? []) {
    writeCgroupFile(directoryOf("net_prio", "network priority"), "net_prio.ifpriomap", `${name} ${priority}`);
  }
  for (const [device, { hcaHandles, hcaObjects }] of Object.entries(resources.rdma ?? {})) {
    const limits = `${device} hca_handle=${hcaHandles ?? "max"} hca_object=${hcaObjects ?? "max"}`;
    writeCgroupFile(directoryOf("rdma", "RDMA limit"), "rdma.max", limits);
  }
}
