import type { ContainerStats } from "#containers/engine.ts";
import { formatTime, ZERO_TIME } from "#formats/docker-time.ts";

/** One reading, with the machine's processor time at that moment. */
export interface Sample {
  readonly stats: ContainerStats;
  readonly systemNanos: number;
}

export interface StatsIdentity {
  readonly id: string;
  readonly name: string;
  readonly cpus: number;
  /** Of the machine: the limit of a container without one. */
  readonly memoryBytes: number;
}

/** GET /containers/{id}/stats: a reading and the one before it. */
export function statsDocument(identity: StatsIdentity, now: Sample, before: Sample | undefined): object {
  const { stats } = now;
  const v2 = stats.memory.detail["total_inactive_file"] === undefined;
  return {
    name: `/${identity.name}`,
    id: identity.id,
    read: formatTime(stats.readAt),
    preread: before ? formatTime(before.stats.readAt) : ZERO_TIME,
    pids_stats: { current: stats.pids.current, ...(stats.pids.limit > 0 && { limit: stats.pids.limit }) },
    blkio_stats: blockIoDocument(stats),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpuDocument(now, identity.cpus),
    precpu_stats: before ? cpuDocument(before, identity.cpus) : EMPTY_CPU,
    memory_stats: {
      usage: stats.memory.usageBytes,
      // cgroup v2 keeps no maximum of its own here, and Docker shows none.
      ...(!v2 && { max_usage: stats.memory.maxBytes, failcnt: stats.memory.failures }),
      stats: stats.memory.detail,
      limit: Math.min(stats.memory.limitBytes || identity.memoryBytes, identity.memoryBytes),
    },
    networks: Object.fromEntries(
      Object.entries(stats.networks).map(([name, counters]) => [name, networkDocument(counters)]),
    ),
  };
}

/** A container that does not run: Docker sends its names and zeros. */
export function stoppedStatsDocument(identity: StatsIdentity): object {
  return {
    name: `/${identity.name}`,
    id: identity.id,
    read: ZERO_TIME,
    preread: ZERO_TIME,
    pids_stats: {},
    blkio_stats: EMPTY_BLOCK_IO,
    num_procs: 0,
    storage_stats: {},
    cpu_stats: EMPTY_CPU,
    precpu_stats: EMPTY_CPU,
    memory_stats: {},
  };
}

const EMPTY_BLOCK_IO = {
  io_service_bytes_recursive: null,
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
};

const EMPTY_CPU = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

function cpuDocument({ stats, systemNanos }: Sample, cpus: number): object {
  const { cpu } = stats;
  return {
    cpu_usage: {
      total_usage: cpu.usageNanos,
      ...(cpu.perCpuNanos.length > 0 && { percpu_usage: cpu.perCpuNanos }),
      usage_in_kernelmode: cpu.systemNanos,
      usage_in_usermode: cpu.userNanos,
    },
    system_cpu_usage: systemNanos,
    online_cpus: cpus,
    throttling_data: {
      periods: cpu.periods,
      throttled_periods: cpu.throttledPeriods,
      throttled_time: cpu.throttledNanos,
    },
  };
}

function blockIoDocument({ blockIo }: ContainerStats): object {
  const entries = blockIo.map(({ major, minor, op, value }) => ({ major, minor, op, value }));
  return { ...EMPTY_BLOCK_IO, io_service_bytes_recursive: entries.length > 0 ? entries : null };
}

function networkDocument(counters: ContainerStats["networks"][string]): object {
  return {
    rx_bytes: counters.rxBytes,
    rx_packets: counters.rxPackets,
    rx_errors: counters.rxErrors,
    rx_dropped: counters.rxDropped,
    tx_bytes: counters.txBytes,
    tx_packets: counters.txPackets,
    tx_errors: counters.txErrors,
    tx_dropped: counters.txDropped,
  };
}
