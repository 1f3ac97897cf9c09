import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerStats } from "#containers/engine.ts";
import { statsDocument, stoppedStatsDocument } from "./stats-document.ts";

const stats: ContainerStats = {
  readAt: Date.UTC(2026, 0, 1),
  cpu: {
    usageNanos: 100,
    userNanos: 60,
    systemNanos: 40,
    perCpuNanos: [50, 50],
    throttledPeriods: 1,
    periods: 2,
    throttledNanos: 3,
  },
  memory: { usageBytes: 10, maxBytes: 20, limitBytes: 0, failures: 4, detail: { total_inactive_file: 1 } },
  pids: { current: 2, limit: 0 },
  blockIo: [],
  networks: {
    eth0: { rxBytes: 1, rxPackets: 2, rxErrors: 3, rxDropped: 4, txBytes: 5, txPackets: 6, txErrors: 7, txDropped: 8 },
  },
};
const identity = { id: "abc", name: "web", cpus: 2, memoryBytes: 1000 };

interface Document {
  read: string;
  preread: string;
  cpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage: number; online_cpus: number };
  precpu_stats: { system_cpu_usage?: number };
  memory_stats: { limit: number; max_usage?: number };
  networks: Record<string, { rx_bytes: number; tx_dropped: number }>;
}

test("a reading and the one before it", () => {
  const document = statsDocument(identity, { stats, systemNanos: 7 }, { stats, systemNanos: 5 }) as unknown as Document;
  assert.equal(document.read, "2026-01-01T00:00:00Z");
  assert.deepEqual(
    [document.cpu_stats.system_cpu_usage, document.precpu_stats.system_cpu_usage, document.cpu_stats.online_cpus],
    [7, 5, 2],
  );
  assert.deepEqual([document.networks["eth0"]?.rx_bytes, document.networks["eth0"]?.tx_dropped], [1, 8]);
});

test("without a limit of its own a container is shown the machine's memory", () => {
  const limit = (limitBytes: number): number =>
    (
      statsDocument(
        identity,
        { stats: { ...stats, memory: { ...stats.memory, limitBytes } }, systemNanos: 0 },
        undefined,
      ) as unknown as Document
    ).memory_stats.limit;
  assert.deepEqual([limit(0), limit(500), limit(9e15)], [1000, 500, 1000]);
});

test("one that is down has zeros and no earlier reading", () => {
  const document = stoppedStatsDocument(identity) as unknown as Document;
  assert.equal(document.preread, "0001-01-01T00:00:00Z");
  assert.equal(document.cpu_stats.cpu_usage.total_usage, 0);
});
