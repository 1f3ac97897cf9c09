import { GantryError } from "#base/errors.ts";
import type { DockerResources } from "./docker-config.ts";
import type { OciResources, OciThrottle } from "./oci-spec.ts";

/** Which limits the kernel here can enforce. */
export interface LimitSupport {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly memoryReservation: boolean;
  readonly swappiness: boolean;
  readonly oomKillDisable: boolean;
  readonly pids: boolean;
  readonly cpuShares: boolean;
  readonly cpuCfs: boolean;
  readonly cpuRealtime: boolean;
  readonly cpuset: boolean;
  readonly blkioWeight: boolean;
  readonly blkioThrottle: boolean;
  /** Processors, and the ids that a cpuset may name ("0-1"). */
  readonly cpus: number;
  readonly cpuList: string;
  readonly memoryNodes: string;
}

/** 6 MiB: Docker's minimum for a container's memory limits. */
const MINIMUM_MEMORY = 6 * 1024 * 1024;
const MIN_SHARES = 2;
const MAX_SHARES = 262144;

export interface CheckedResources<T> {
  /** With what the kernel cannot do taken out, and Docker's defaults filled in. */
  readonly resources: T;
  readonly warnings: readonly string[];
}

/**
 * Docker's rules for limits, in Docker's words (moby daemon/daemon_unix.go verifyPlatformContainerResources, adaptContainerSettings).
 * `update`: memory-swap alone may change. Throws `invalid`.
 */
export function checkResources<T extends DockerResources>(
  asked: T,
  support: LimitSupport,
  update: boolean,
): CheckedResources<T> {
  const resources = { ...asked };
  const warnings: string[] = [];
  refuseUnsupported(resources);
  checkMemory(resources, support, warnings, update);
  checkOom(resources, support, warnings);
  checkCpu(resources, support, warnings);
  checkCpuset(resources, support, warnings);
  checkBlockIo(resources, support, warnings);
  if (resources.PidsLimit !== undefined && resources.PidsLimit <= 0 && !update) delete resources.PidsLimit;
  if (resources.PidsLimit !== undefined && !support.pids) {
    warnings.push(
      "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
    );
    delete resources.PidsLimit;
  }
  return { resources, warnings };
}

function refuseUnsupported(resources: DockerResources): void {
  if (resources.DeviceRequests?.length) {
    const request = resources.DeviceRequests[0];
    const capabilities = `[${(request?.Capabilities ?? []).map((each) => `[${each.join(" ")}]`).join(" ")}]`;
    throw new GantryError(
      "invalid",
      `could not select device driver ${JSON.stringify(request?.Driver ?? "")} with capabilities: ${capabilities}`,
      { field: "DeviceRequests" },
    );
  }
  if (resources.IOMaximumBandwidth || resources.IOMaximumIOps) {
    throw invalid(
      "Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps",
      "IOMaximumBandwidth",
    );
  }
  if (resources.CpuCount)
    throw new GantryError("unsupported", "CpuCount is not supported on linux", { field: "CpuCount" });
}

function checkMemory(resources: DockerResources, support: LimitSupport, warnings: string[], update: boolean): void {
  const memory = resources.Memory ?? 0;
  if (memory !== 0 && memory < MINIMUM_MEMORY) throw invalid("Minimum memory limit allowed is 6MB", "Memory");
  if (memory > 0 && !support.memory) {
    warnings.push(
      "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
    );
    resources.Memory = 0;
    resources.MemorySwap = -1;
  }
  if ((resources.Memory ?? 0) > 0 && resources.MemorySwap !== -1 && !support.swap) {
    warnings.push(
      "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
    );
    resources.MemorySwap = -1;
  }
  checkSwap(resources, update);
  if (resources.MemorySwappiness === -1) delete resources.MemorySwappiness;
  if (resources.MemorySwappiness !== undefined && !support.swappiness) {
    warnings.push(
      "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
    );
    delete resources.MemorySwappiness;
  }
  const swappiness = resources.MemorySwappiness;
  if (swappiness !== undefined && (swappiness < 0 || swappiness > 100)) {
    throw invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`, "MemorySwappiness");
  }
  checkReservation(resources, support, warnings);
  // Removed from the API in 1.42; dockerd ignores it too.
  delete resources.KernelMemory;
  if (resources.KernelMemoryTCP)
    throw new GantryError("unsupported", "KernelMemoryTCP is not supported by the kernel", {
      field: "KernelMemoryTCP",
    });
}

/** Unset or 0: as much swap again as memory; equal to memory: none; -1: unlimited. */
function checkSwap(resources: DockerResources, update: boolean): void {
  const memory = resources.Memory ?? 0;
  const swap = resources.MemorySwap ?? 0;
  if (memory > 0 && swap > 0 && swap < memory) {
    throw invalid("Minimum memoryswap limit should be larger than memory limit, see usage", "MemorySwap");
  }
  if (memory === 0 && swap > 0 && !update) {
    throw invalid("You should always set the Memory limit when using Memoryswap limit, see usage", "MemorySwap");
  }
  if (memory > 0 && swap === 0 && !update) resources.MemorySwap = memory * 2;
}

function checkReservation(resources: DockerResources, support: LimitSupport, warnings: string[]): void {
  const reservation = resources.MemoryReservation ?? 0;
  if (reservation > 0 && !support.memoryReservation) {
    warnings.push(
      "Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.",
    );
    resources.MemoryReservation = 0;
    return;
  }
  if (reservation > 0 && reservation < MINIMUM_MEMORY)
    throw invalid("Minimum memory reservation allowed is 6MB", "MemoryReservation");
  const memory = resources.Memory ?? 0;
  if (memory > 0 && reservation > 0 && memory < reservation) {
    throw invalid("Minimum memory limit can not be less than memory reservation limit, see usage", "MemoryReservation");
  }
}

function checkOom(resources: DockerResources, support: LimitSupport, warnings: string[]): void {
  if (!resources.OomKillDisable) return;
  if (!support.oomKillDisable) {
    warnings.push("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
    delete resources.OomKillDisable;
  } else if (!resources.Memory) {
    warnings.push(
      "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.",
    );
  }
}

function checkCpu(resources: DockerResources, support: LimitSupport, warnings: string[]): void {
  const nano = resources.NanoCpus ?? 0;
  if (nano > 0 && (resources.CpuPeriod ?? 0) > 0)
    throw invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set", "NanoCpus");
  if (nano > 0 && (resources.CpuQuota ?? 0) > 0)
    throw invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set", "NanoCpus");
  if (nano > 0 && !support.cpuCfs) {
    throw invalid(
      "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted",
      "NanoCpus",
    );
  }
  if (nano < 0 || nano > support.cpus * 1e9) {
    throw invalid(
      `range of CPUs is from 0.01 to ${support.cpus}.00, as there are only ${support.cpus} CPUs available`,
      "NanoCpus",
    );
  }
  const shares = resources.CpuShares ?? 0;
  if (shares < 0) throw invalid("shares: invalid argument", "CpuShares");
  if (shares > 0 && !support.cpuShares) {
    warnings.push("Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.");
    resources.CpuShares = 0;
  } else if (shares > 0) {
    resources.CpuShares = Math.min(Math.max(shares, MIN_SHARES), MAX_SHARES);
  }
  checkCfs(resources, support, warnings);
}

function checkCfs(resources: DockerResources, support: LimitSupport, warnings: string[]): void {
  if ((resources.CpuPeriod || resources.CpuQuota) && !support.cpuCfs) {
    warnings.push("Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.");
    resources.CpuPeriod = 0;
    resources.CpuQuota = 0;
  }
  const period = resources.CpuPeriod ?? 0;
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    throw invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)", "CpuPeriod");
  }
  const quota = resources.CpuQuota ?? 0;
  if (quota > 0 && quota < 1000) throw invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)", "CpuQuota");
  if (resources.CpuPercent) {
    warnings.push("linux does not support CPU percent. Percent discarded.");
    resources.CpuPercent = 0;
  }
  const realtime = resources.CpuRealtimePeriod || resources.CpuRealtimeRuntime;
  if (realtime && !support.cpuRealtime) {
    throw invalid("Your kernel does not support CPU real-time scheduler", "CpuRealtimeRuntime");
  }
}

function checkCpuset(resources: DockerResources, support: LimitSupport, warnings: string[]): void {
  if ((resources.CpusetCpus || resources.CpusetMems) && !support.cpuset) {
    warnings.push("Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.");
    resources.CpusetCpus = "";
    resources.CpusetMems = "";
  }
  checkSet(resources.CpusetCpus ?? "", support.cpuList, "cpus", "CPUs");
  checkSet(resources.CpusetMems ?? "", support.memoryNodes, "mems", "memory nodes");
}

function checkSet(asked: string, available: string, kind: string, noun: string): void {
  if (asked === "") return;
  const wanted = parseIdList(asked);
  if (wanted === undefined)
    throw invalid(`Invalid value ${asked} for cpuset ${kind}`, `Cpuset${kind === "cpus" ? "Cpus" : "Mems"}`);
  const present = new Set(parseIdList(available) ?? []);
  if (wanted.every((id) => present.has(id))) return;
  throw invalid(
    `Requested ${noun} are not available - requested ${asked}, available: ${available}`,
    `Cpuset${kind === "cpus" ? "Cpus" : "Mems"}`,
  );
}

/** The ids of a kernel list such as `0-2,5`; undefined when it is none, or names more than 8,192. */
export function parseIdList(text: string): number[] | undefined {
  const ids: number[] = [];
  for (const part of text.split(",")) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (!match || last < first || last > 8191) return undefined;
    for (let id = first; id <= last; id++) ids.push(id);
  }
  return ids;
}

function checkBlockIo(resources: DockerResources, support: LimitSupport, warnings: string[]): void {
  const weight = resources.BlkioWeight ?? 0;
  if (weight > 0 && !support.blkioWeight) {
    warnings.push("Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.");
    resources.BlkioWeight = 0;
  } else if (weight !== 0 && (weight < 10 || weight > 1000)) {
    throw invalid("Range of blkio weight is from 10 to 1000", "BlkioWeight");
  }
  if (resources.BlkioWeightDevice?.length && !support.blkioWeight) {
    warnings.push(
      "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
    );
    resources.BlkioWeightDevice = [];
  }
  const rates = [
    ["BlkioDeviceReadBps", "BPS Block I/O read limit", "Block I/O BPS read limit"],
    ["BlkioDeviceWriteBps", "BPS Block I/O write limit", "Block I/O BPS write limit"],
    ["BlkioDeviceReadIOps", "IOPS Block read limit", "Block I/O IOPS read limit"],
    ["BlkioDeviceWriteIOps", "IOPS Block write limit", "Block I/O IOPS write limit"],
  ] as const;
  for (const [field, lacking, discarded] of rates) {
    if (!resources[field]?.length || support.blkioThrottle) continue;
    warnings.push(`Your kernel does not support ${lacking} or the cgroup is not mounted. ${discarded} discarded.`);
    resources[field] = [];
  }
}

function invalid(message: string, field: string): GantryError {
  return new GantryError("invalid", message, { field });
}

/** Device numbers of a block device's path; throws when there is none. */
export type DeviceNumbers = (path: string) => { major: number; minor: number };

/** Checked limits as the OCI runtime specification's resources. */
export function ociResources(resources: DockerResources, deviceNumbers: DeviceNumbers): OciResources {
  const memory = memoryResources(resources);
  const cpu = cpuResources(resources);
  const blockIO = blockIoResources(resources, deviceNumbers);
  const pids =
    resources.PidsLimit === undefined ? undefined : { limit: resources.PidsLimit > 0 ? resources.PidsLimit : -1 };
  return { ...(memory && { memory }), ...(cpu && { cpu }), ...(pids && { pids }), ...(blockIO && { blockIO }) };
}

function memoryResources(resources: DockerResources): OciResources["memory"] {
  const { Memory, MemoryReservation, MemorySwap, MemorySwappiness, OomKillDisable } = resources;
  return filled({
    limit: Memory || undefined,
    reservation: MemoryReservation || undefined,
    // Docker hands -1 on only with a limit beside it: without one, memory and swap are unlimited anyway.
    swap: MemorySwap && (MemorySwap > 0 || Memory) ? MemorySwap : undefined,
    swappiness: MemorySwappiness,
    disableOOMKiller: OomKillDisable || undefined,
  });
}

/** 100 ms: the period that `--cpus` is measured in. */
const NANO_CPUS_PERIOD_US = 100_000;

function cpuResources(resources: DockerResources): OciResources["cpu"] {
  const { NanoCpus, CpuShares, CpuPeriod, CpuQuota, CpuRealtimePeriod, CpuRealtimeRuntime, CpusetCpus, CpusetMems } =
    resources;
  return filled({
    shares: CpuShares || undefined,
    period: NanoCpus ? NANO_CPUS_PERIOD_US : CpuPeriod || undefined,
    quota: NanoCpus ? Math.floor((NanoCpus * NANO_CPUS_PERIOD_US) / 1e9) : CpuQuota || undefined,
    realtimePeriod: CpuRealtimePeriod || undefined,
    realtimeRuntime: CpuRealtimeRuntime || undefined,
    cpus: CpusetCpus || undefined,
    mems: CpusetMems || undefined,
  });
}

function blockIoResources(resources: DockerResources, deviceNumbers: DeviceNumbers): OciResources["blockIO"] {
  const throttles = (rates: DockerResources["BlkioDeviceReadBps"]): OciThrottle[] | undefined =>
    rates?.length ? rates.map(({ Path = "", Rate = 0 }) => ({ ...deviceNumbers(Path), rate: Rate })) : undefined;
  return filled({
    weight: resources.BlkioWeight || undefined,
    weightDevice: resources.BlkioWeightDevice?.length
      ? resources.BlkioWeightDevice.map(({ Path = "", Weight = 0 }) => ({ ...deviceNumbers(Path), weight: Weight }))
      : undefined,
    throttleReadBpsDevice: throttles(resources.BlkioDeviceReadBps),
    throttleWriteBpsDevice: throttles(resources.BlkioDeviceWriteBps),
    throttleReadIOPSDevice: throttles(resources.BlkioDeviceReadIOps),
    throttleWriteIOPSDevice: throttles(resources.BlkioDeviceWriteIOps),
  });
}

/** Without what is undefined; undefined when nothing is left. */
function filled<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } | undefined {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return entries.length > 0
    ? (Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> })
    : undefined;
}
