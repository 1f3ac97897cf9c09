import { existsSync, readFileSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { GantryError } from "#base/errors.ts";
import type { Cgroup, CgroupStats } from "#linux/cgroups.ts";
import { isAlive, openContainer, runningProcess, type Container } from "./container.ts";
import type { RuntimeContext } from "./context.ts";

/** `events --stats`: one reading. `events`: one each interval, and out-of-memory kills, for as long as the container runs. */
export async function eventsCommand(
  context: RuntimeContext,
  id: string,
  options: { readonly once: boolean; readonly intervalMs: number },
): Promise<void> {
  const container = openContainer(context.root, id);
  const process = runningProcess(container);
  const tell = (type: string, data?: object): void =>
    context.out(`${JSON.stringify({ type, id, ...(data && { data }) })}\n`);
  if (options.once) return tell("stats", statsDocument(container.cgroup.stats()));
  let kills = oomKills(container.cgroup);
  const stop = watchProcess(container);
  try {
    while (isAlive(process)) {
      await Promise.race([delay(options.intervalMs), stop.ended]);
      const now = oomKills(container.cgroup);
      for (; kills < now; kills++) tell("oom");
      if (isAlive(process)) tell("stats", statsDocument(container.cgroup.stats()));
    }
  } finally {
    stop.close();
  }
}

/** "5s", "100ms", "1m": Go's durations. Throws `invalid`. */
export function parseDuration(text: string): number {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  const parts = Array.from(text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g));
  const whole = parts.map(([part]) => part).join("");
  if (whole === "" || whole !== text) throw new GantryError("invalid", `invalid duration "${text}"`, { text });
  return parts.reduce((sum, [, number, unit = "s"]) => sum + Number(number) * (units[unit] ?? 0), 0);
}

/** Resolves when the container is deleted; its end alone is seen at the next reading. */
function watchProcess({ directory }: Container): { readonly ended: Promise<void>; close(): void } {
  const ended = Promise.withResolvers<void>();
  const watcher = watch(directory, () => {
    if (!existsSync(directory)) ended.resolve();
  });
  watcher.on("error", () => ended.resolve());
  return { ended: ended.promise, close: () => watcher.close() };
}

function oomKills({ memory }: Cgroup): number {
  if (!memory) return 0;
  const file = join(memory.directory, memory.version === 1 ? "memory.oom_control" : "memory.events");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** In runc's terms (types/events.go). */
function statsDocument({ cpu, memory, pids, blockIo }: CgroupStats): object {
  const limit = (value: number): number => (Number.isFinite(value) ? value : 0);
  return {
    cpu: {
      usage: {
        total: cpu.usageNanos,
        percpu: cpu.perCpuNanos,
        kernel: cpu.systemNanos,
        user: cpu.userNanos,
      },
      throttling: { periods: cpu.periods, throttledPeriods: cpu.throttledPeriods, throttledTime: cpu.throttledNanos },
    },
    memory: {
      usage: {
        limit: limit(memory.limitBytes),
        usage: memory.usageBytes,
        max: memory.maxBytes,
        failcnt: memory.failures,
      },
      raw: memory.detail,
    },
    pids: { current: pids.current, limit: limit(pids.limit) },
    blkio: { ioServiceBytesRecursive: blockIo },
    hugetlb: {},
    intel_rdt: {},
    network_interfaces: null,
  };
}
