import { existsSync, readdirSync, readFileSync, statfsSync, statSync } from "node:fs";
import { lookup } from "node:dns/promises";
import { connect, isIP, Socket } from "node:net";
import { cpus, totalmem } from "node:os";
import { dirname } from "node:path";
import { GantryError, isGantryError } from "#base/errors.ts";
import { cgroupCapabilities } from "#linux/cgroup-capabilities.ts";
import { openListener, openLocalConnection, openUnconnected } from "#linux/inet-sockets.ts";
import {
  mount,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_REMOUNT,
  readMounts,
  unmount,
} from "#linux/mounts.ts";
import { inNetns } from "#linux/netns.ts";
import { isSyscallError } from "#linux/syscalls.ts";
import type { RootMount } from "#images/image-store.ts";
import type { HostPort } from "#kube-node/ports.ts";

export interface HostPortOptions {
  readonly dataDir: string;
  /** Where the node's network namespace is mounted; undefined: the node is this machine. */
  readonly netns: string | undefined;
  /** Among how many nodes the machine is shared now. */
  readonly sharedBy: () => number;
}

/** What the kubelet does to this machine besides running containers. */
export function hostPort({ dataDir, netns, sharedBy }: HostPortOptions): HostPort {
  const disk = statfsSync(dataDir);
  return {
    capacity: () => capacityShare(disk.blocks * disk.bsize, sharedBy()),
    connect: (host, port) =>
      netns === undefined ? Promise.resolve(connect({ host, port })) : dialFrom(netns, host, port),
    listen(address, port) {
      const open = () => openListener({ protocol: "tcp", address, port });
      return netns === undefined ? open() : inNetns(netns, open);
    },
    lowestOomScoreAdj: lowestOomScoreAdj(),
    mountTmpfs(path, sizeBytes) {
      mount("tmpfs", path, {
        type: "tmpfs",
        flags: MS_NOSUID | MS_NODEV,
        data: sizeBytes > 0 ? `size=${sizeBytes},mode=0777` : "mode=0777",
      });
    },
    appArmor: existsSync("/sys/kernel/security/apparmor/profiles"),
    limitsHugePages: cgroupCapabilities().hugePages,
    hugePages: () => hugePages(sharedBy()),
    mountImage,
    isMountPoint: (path) => statSync(path).dev !== statSync(dirname(path)).dev || isBound(path),
    unmount: (path) => void unmount(path),
    userOf: processUser,
    dial: async (pid, port) => dialInside(pid, port),
  };
}

/** Read once: asking takes half a millisecond. */
const PROCESSORS = cpus().length;

/** Each node has an equal part of processors and memory; the disk is one and the same, and shared as it is used. */
function capacityShare(diskBytes: number, nodes: number): ReturnType<HostPort["capacity"]> {
  return {
    cpuMillis: Math.floor((PROCESSORS * 1000) / nodes),
    memoryBytes: Math.floor(totalmem() / nodes),
    diskBytes,
  };
}

const HUGE_PAGES = "/sys/kernel/mm/hugepages";

/** What the kernel has set aside now, in whole pages for each node. */
function hugePages(nodes: number): Map<number, number> {
  const sizes = existsSync(HUGE_PAGES) ? readdirSync(HUGE_PAGES) : [];
  return new Map(
    sizes.map((name) => {
      const pageBytes = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1]) * 1024;
      const pages = Number(readFileSync(`${HUGE_PAGES}/${name}/nr_hugepages`, "utf8"));
      return [pageBytes, Math.floor(pages / nodes) * pageBytes];
    }),
  );
}

/** The socket is made in the node's namespace, and connected like any other. */
async function dialFrom(netns: string, host: string, port: number): Promise<Socket> {
  const address = isIP(host) === 0 ? (await lookup(host)).address : host;
  const fd = inNetns(netns, () => openUnconnected(address));
  // Not read before it is connected: the kernel would refuse that.
  const socket = new Socket({ fd, pauseOnCreate: true } as ConstructorParameters<typeof Socket>[0]);
  socket.connect({ host: address, port });
  socket.resume();
  return socket;
}

/** The top-most lower directory holds what only containers need (image-store.ts, RootMount). */
function mountImage(path: string, root: RootMount): void {
  const flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const layers = root.kind === "overlay" ? root.lower.slice(1) : [root.source];
  const [only = "", second] = layers;
  if (second === undefined) {
    mount(only, path, { flags: MS_BIND });
    // A bind takes its flags by being mounted again.
    mount("none", path, { flags: MS_BIND | MS_REMOUNT | flags });
  } else mount("overlay", path, { type: "overlay", flags, data: `lowerdir=${layers.join(":")}` });
}

/** Whether a directory is the top of a mount of the very file system that its parent is on. */
function isBound(path: string): boolean {
  return readMounts().some(({ target }) => target === path);
}

/** proc_pid_status(5): the effective ids and the supplementary groups. */
function processUser(pid: number): ReturnType<HostPort["userOf"]> {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return undefined;
  }
  const numbers = (name: string): number[] =>
    (new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(text)?.[1] ?? "").split(/\s+/).filter(Boolean).map(Number);
  const [uid, gid] = [numbers("Uid")[1], numbers("Gid")[1]];
  if (uid === undefined || gid === undefined) return undefined;
  return { uid, gid, supplementalGroups: numbers("Groups") };
}

/** CAP_SYS_RESOURCE (capabilities(7)): without it the kernel lets nobody lower a score. */
const CAP_SYS_RESOURCE = 24n;

function lowestOomScoreAdj(): number {
  if ((effectiveCapabilities() >> CAP_SYS_RESOURCE) & 1n) return -1000;
  return Number(readFileSync("/proc/self/oom_score_adj", "utf8"));
}

function effectiveCapabilities(): bigint {
  const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return BigInt(`0x${hex}`);
}

/** Pure in the kernel's word: those of `names`, in order of their numbers, that this process has and may give. */
export function grantable(names: readonly string[]): string[] {
  const held = effectiveCapabilities();
  return names.filter((_, number) => (held >> BigInt(number)) & 1n);
}

/** Both loopbacks of the pod are tried, as `localhost` means either. */
function dialInside(pid: number, port: number): Socket {
  for (const address of ["127.0.0.1", "::1"]) {
    try {
      const fd = inNetns(pid, () => openLocalConnection(address, port));
      return new Socket({ fd, allowHalfOpen: true });
    } catch (error) {
      if (!isSyscallError(error) && !isGantryError(error)) throw error;
    }
  }
  throw new GantryError("unavailable", `failed to connect to localhost:${port} inside the pod: connection refused`);
}
