import { readFileSync } from "node:fs";
import type { ContainerStats } from "../engine.ts";
import type { EngineContext } from "../lifecycle/context.ts";
import type { Entry } from "../lifecycle/entry.ts";

type NetworkStats = ContainerStats["networks"];

/** One reading of a container; zeros when it has no process. */
export function containerStats({ clock }: Pick<EngineContext, "clock">, { run, record }: Entry): ContainerStats {
  const readAt = clock.now();
  if (!run || !("pid" in record.state)) return { readAt, ...NOTHING };
  const { network } = record.config.namespaces;
  const ownNetwork = network.kind === "new" || network.kind === "none";
  return { readAt, ...run.cgroup.stats(), networks: ownNetwork ? networkStats(record.state.pid) : {} };
}

const NOTHING: Omit<ContainerStats, "readAt"> = {
  cpu: {
    usageNanos: 0,
    userNanos: 0,
    systemNanos: 0,
    perCpuNanos: [],
    throttledPeriods: 0,
    periods: 0,
    throttledNanos: 0,
  },
  memory: { usageBytes: 0, maxBytes: 0, limitBytes: 0, failures: 0, detail: {} },
  pids: { current: 0, limit: 0 },
  blockIo: [],
  networks: {},
};

/** Counters of a process's network interfaces, loopback left out; proc_pid_net(5), "dev". */
function networkStats(pid: number): NetworkStats {
  try {
    return parseNetDev(readFileSync(`/proc/${pid}/net/dev`, "utf8"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH" || code === "EINVAL") return {};
    throw error;
  }
}

export function parseNetDev(text: string): NetworkStats {
  const networks: Record<string, NetworkStats[string]> = {};
  for (const line of text.split("\n").slice(2)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim();
    if (colon < 0 || name === "lo") continue;
    const numbers = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    const [rxBytes = 0, rxPackets = 0, rxErrors = 0, rxDropped = 0] = numbers;
    const [txBytes = 0, txPackets = 0, txErrors = 0, txDropped = 0] = numbers.slice(8);
    networks[name] = { rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped };
  }
  return networks;
}
