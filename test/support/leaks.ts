/** What is on the host: to see that a suite leaves it as it found it. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readMounts } from "#linux/mounts.ts";
import { sh } from "./isolated-network.ts";

/** One line for each thing that a suite could leave behind. */
export interface HostSnapshot {
  readonly lines: ReadonlySet<string>;
}

export interface WatchedHost {
  /** Files, mounts and processes of this root count. */
  readonly root: string;
  /** Cgroups below this path count, on every hierarchy: "/gantry-test-1". */
  readonly cgroupParent: string;
}

/** Mounts, shims and other processes of the root, cgroups, links, nf_tables tables, and this process's own descriptors. */
export function hostSnapshot({ root, cgroupParent }: WatchedHost): HostSnapshot {
  return {
    lines: new Set([
      ...readMounts()
        .filter(({ target }) => target.startsWith(root))
        .map(({ target }) => `mount ${target}`),
      ...processesOf(root),
      ...cgroupsBelow(cgroupParent),
      ...readdirSync("/sys/class/net")
        .filter((name) => name.startsWith("veth"))
        .map((name) => `link ${name}`),
      ...sh("nft list tables 2>/dev/null").out.split("\n").filter(Boolean),
      ...ownDescriptors(root),
    ]),
  };
}

/** Fails with what is there now and was not before; what goes by itself gets a moment. */
export async function assertNothingLeft(before: HostSnapshot, watched: WatchedHost): Promise<void> {
  let left: string[] = [];
  for (let check = 0; check < 40; check++) {
    left = Array.from(hostSnapshot(watched).lines).filter((line) => !before.lines.has(line));
    if (left.length === 0) return;
    await delay(50);
  }
  assert.deepEqual(left, [], "left behind on the host");
}

/** Processes with the root on their command line: shims, daemons. */
function processesOf(root: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => [pid, read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim()] as const)
    .filter(([, command]) => command.includes(root))
    .map(([pid, command]) => `process ${pid} ${command}`);
}

function cgroupsBelow(path: string): string[] {
  const found: string[] = [];
  for (const { target, type } of readMounts()) {
    if (type !== "cgroup" && type !== "cgroup2") continue;
    for (const name of directoriesIn(join(target, path))) found.push(`cgroup ${join(target, path, name)}`);
  }
  return found;
}

function ownDescriptors(root: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(root) && /containers|shims|volumes/.test(target) ? [`descriptor of ${target}`] : [];
    } catch {
      // The descriptor of the listing itself.
      return [];
    }
  });
}

function directoriesIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It has ended meanwhile.
    return "";
  }
}
