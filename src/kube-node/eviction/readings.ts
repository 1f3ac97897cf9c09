import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import type { NodeUsage } from "../server/usage.ts";
import type { Readings } from "../eviction-thresholds.ts";

/** What is left of memory, disk and processes. `memoryBytes`: what the node has of the machine's memory. */
export async function readSignals(directory: string, node: NodeUsage, memoryBytes: number): Promise<Readings> {
  const disk = await statfs(directory);
  const nodefs = { available: disk.bavail * disk.bsize, capacity: disk.blocks * disk.bsize };
  const inodes = { available: disk.ffree, capacity: disk.files };
  return {
    "memory.available": { available: node.memory.availableBytes, capacity: memoryBytes },
    "nodefs.available": nodefs,
    // Images and containers are on the same file system.
    "imagefs.available": nodefs,
    // Some file systems make inodes as they are needed and tell of none.
    ...(disk.files > 0 ? { "nodefs.inodesFree": inodes, "imagefs.inodesFree": inodes } : {}),
    "pid.available": pids(),
  };
}

/** proc_loadavg(5): the fourth field is runnable and existing tasks. */
function pids(): { available: number; capacity: number } {
  const capacity = Math.min(numberIn("pid_max"), numberIn("threads-max"));
  const tasks = Number(/\d+\/(\d+)/.exec(readFileSync("/proc/loadavg", "utf8"))?.[1] ?? 0);
  return { available: Math.max(0, capacity - tasks), capacity };
}

function numberIn(name: string): number {
  return Number(readFileSync(`/proc/sys/kernel/${name}`, "utf8"));
}
