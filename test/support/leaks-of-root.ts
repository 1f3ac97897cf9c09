/** What a Gantry that has stopped left on the host: mounts, processes, cgroups, links, rules and files of its root. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";

/** One line for each leak; call it after the daemon has ended, in its network namespace. */
export async function leaksOf(root: string): Promise<string[]> {
  return [...mountsBelow(root), ...processesOf(root), ...linksLeft(), ...filesLeft(root)];
}

function mountsBelow(root: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.split(" ")[4]?.startsWith(root))
    .map((line) => `mount ${line.split(" ")[4]}`);
}

/** Processes that have the root on their command line: the daemon, its shims. */
function processesOf(root: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const command = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
    if (Number(pid) !== process.pid && command.includes(root)) found.push(`process ${pid} ${command.trim()}`);
  }
  return found;
}

/** In a network namespace of the test's own, only loopback and bridges may be left. */
function linksLeft(): string[] {
  const links = readdirSync("/sys/class/net");
  return links
    .filter((name) => existsSync(`/sys/class/net/${name}/address`) && name.startsWith("veth"))
    .map((name) => `link ${name}`);
}

function filesLeft(root: string): string[] {
  const left: string[] = [];
  for (const directory of ["data/containers", "run/shims", "data/pods"]) {
    for (const name of list(join(root, directory))) left.push(`file ${directory}/${name}`);
  }
  return left;
}

/** Cgroups named after one of the ids, on any controller. */
export function cgroupsOf(ids: Iterable<string>): string[] {
  const left: string[] = [];
  for (const controller of list("/sys/fs/cgroup")) {
    for (const id of ids)
      if (existsSync(`/sys/fs/cgroup/${controller}/docker/${id}`)) left.push(`cgroup ${controller}/docker/${id}`);
  }
  return left;
}

/** Addresses of this host's bridges: to see that only the default one is left. */
export function bridgeNames(): string[] {
  return Object.keys(networkInterfaces()).filter((name) => existsSync(`/sys/class/net/${name}/bridge`));
}

function list(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
