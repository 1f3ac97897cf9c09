import { readCgroupFile, readKeyed, readNumber } from "./files.ts";

/** One reading of a cgroup, in the terms that both versions share. What the kernel does not tell is zero or missing. */
export interface CgroupStats {
  readonly cpu: {
    readonly usageNanos: number;
    readonly userNanos: number;
    readonly systemNanos: number;
    readonly perCpuNanos: readonly number[];
    readonly throttledPeriods: number;
    readonly periods: number;
    readonly throttledNanos: number;
  };
  readonly memory: {
    readonly usageBytes: number;
    readonly maxBytes: number;
    /** Infinity when there is none. */
    readonly limitBytes: number;
    readonly failures: number;
    /** memory.stat as it is. */
    readonly detail: Readonly<Record<string, number>>;
  };
  readonly pids: {
    readonly current: number;
    /** Infinity when there is none. */
    readonly limit: number;
  };
  readonly blockIo: readonly BlockIoCount[];
}

export interface BlockIoCount {
  readonly major: number;
  readonly minor: number;
  /** "Read", "Write", and in version 1 also "Sync", "Async", "Discard", "Total". */
  readonly op: string;
  readonly value: number;
}

type Directories = (controller: string) => string | undefined;

/** From USER_HZ ticks, which are 100 a second on every architecture. */
const TICK_NANOS = 10_000_000;
/** "No limit" in version 1 is the largest number of whole pages. */
const UNLIMITED_BYTES = 2 ** 62;

export function readStatsV1(directoryOf: Directories): CgroupStats {
  const memory = directoryOf("memory");
  const pids = directoryOf("pids");
  const blkio = directoryOf("blkio");
  return {
    cpu: cpuV1(directoryOf("cpuacct"), directoryOf("cpu")),
    memory: memory === undefined ? NO_MEMORY : memoryV1(memory),
    pids:
      pids === undefined ? NO_PIDS : { current: readNumber(pids, "pids.current"), limit: readNumber(pids, "pids.max") },
    blockIo: blkio === undefined ? [] : blockIoV1(blkio),
  };
}

export function readStatsV2(directory: string): CgroupStats {
  const cpu = readKeyed(directory, "cpu.stat");
  const micros = (key: string): number => (cpu[key] ?? 0) * 1000;
  return {
    cpu: {
      usageNanos: micros("usage_usec"),
      userNanos: micros("user_usec"),
      systemNanos: micros("system_usec"),
      perCpuNanos: [],
      throttledPeriods: cpu["nr_throttled"] ?? 0,
      periods: cpu["nr_periods"] ?? 0,
      throttledNanos: micros("throttled_usec"),
    },
    memory: {
      usageBytes: readNumber(directory, "memory.current"),
      maxBytes: readNumber(directory, "memory.peak"),
      limitBytes: readNumber(directory, "memory.max") || Number.POSITIVE_INFINITY,
      failures: readKeyed(directory, "memory.events")["max"] ?? 0,
      detail: readKeyed(directory, "memory.stat"),
    },
    pids: {
      current: readNumber(directory, "pids.current"),
      limit: readNumber(directory, "pids.max") || Number.POSITIVE_INFINITY,
    },
    blockIo: blockIoV2(readCgroupFile(directory, "io.stat") ?? ""),
  };
}

const NO_MEMORY: CgroupStats["memory"] = {
  usageBytes: 0,
  maxBytes: 0,
  limitBytes: Number.POSITIVE_INFINITY,
  failures: 0,
  detail: {},
};
const NO_PIDS: CgroupStats["pids"] = { current: 0, limit: Number.POSITIVE_INFINITY };

function cpuV1(cpuacct: string | undefined, cpu: string | undefined): CgroupStats["cpu"] {
  const ticks = cpuacct === undefined ? {} : readKeyed(cpuacct, "cpuacct.stat");
  const bandwidth = cpu === undefined ? {} : readKeyed(cpu, "cpu.stat");
  const perCpu = cpuacct === undefined ? undefined : readCgroupFile(cpuacct, "cpuacct.usage_percpu");
  return {
    usageNanos: cpuacct === undefined ? 0 : readNumber(cpuacct, "cpuacct.usage"),
    userNanos: (ticks["user"] ?? 0) * TICK_NANOS,
    systemNanos: (ticks["system"] ?? 0) * TICK_NANOS,
    perCpuNanos: perCpu?.split(/\s+/).filter(Boolean).map(Number) ?? [],
    throttledPeriods: bandwidth["nr_throttled"] ?? 0,
    periods: bandwidth["nr_periods"] ?? 0,
    throttledNanos: bandwidth["throttled_time"] ?? 0,
  };
}

function memoryV1(directory: string): CgroupStats["memory"] {
  const limit = readNumber(directory, "memory.limit_in_bytes");
  return {
    usageBytes: readNumber(directory, "memory.usage_in_bytes"),
    maxBytes: readNumber(directory, "memory.max_usage_in_bytes"),
    limitBytes: limit >= UNLIMITED_BYTES ? Number.POSITIVE_INFINITY : limit,
    failures: readNumber(directory, "memory.failcnt"),
    detail: readKeyed(directory, "memory.stat"),
  };
}

/** The BFQ scheduler counts per cgroup when it is in use, the throttling layer otherwise. */
function blockIoV1(directory: string): readonly BlockIoCount[] {
  for (const file of [
    "blkio.bfq.io_service_bytes_recursive",
    "blkio.throttle.io_service_bytes_recursive",
    "blkio.throttle.io_service_bytes",
  ]) {
    const counts = parseBlockIoV1(readCgroupFile(directory, file) ?? "");
    if (counts.length > 0) return counts;
  }
  return [];
}

/** Lines such as "8:0 Read 4096"; the last line, a total over devices, is left out. */
export function parseBlockIoV1(text: string): readonly BlockIoCount[] {
  return text.split("\n").flatMap((line) => {
    const match = /^(\d+):(\d+) (\w+) (\d+)$/.exec(line);
    if (!match) return [];
    return [{ major: Number(match[1]), minor: Number(match[2]), op: match[3] ?? "", value: Number(match[4]) }];
  });
}

/** Lines such as "8:0 rbytes=4096 wbytes=0 rios=1 …". */
export function blockIoV2(text: string): readonly BlockIoCount[] {
  return text.split("\n").flatMap((line) => {
    const match = /^(\d+):(\d+) .*?rbytes=(\d+) wbytes=(\d+)/.exec(line);
    if (!match) return [];
    const device = { major: Number(match[1]), minor: Number(match[2]) };
    return [
      { ...device, op: "Read", value: Number(match[3]) },
      { ...device, op: "Write", value: Number(match[4]) },
    ];
  });
}
