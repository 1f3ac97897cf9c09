import { statfsSync } from "node:fs";
import { Socket } from "node:net";
import { cpus, totalmem } from "node:os";
import { GantryError, isGantryError } from "#base/errors.ts";
import { openLocalConnection } from "#linux/inet-sockets.ts";
import { mount, MS_NODEV, MS_NOSUID, unmount } from "#linux/mounts.ts";
import { inNetns } from "#linux/netns.ts";
import { isSyscallError } from "#linux/syscalls.ts";
import type { HostPort } from "#kube-node/ports.ts";

/** What the kubelet does to this machine besides running containers. */
export function hostPort(dataDir: string): HostPort {
  const disk = statfsSync(dataDir);
  return {
    capacity: { cpus: cpus().length, memoryBytes: totalmem(), diskBytes: disk.blocks * disk.bsize },
    mountTmpfs(path, sizeBytes) {
      mount("tmpfs", path, {
        type: "tmpfs",
        flags: MS_NOSUID | MS_NODEV,
        data: sizeBytes > 0 ? `size=${sizeBytes},mode=0777` : "mode=0777",
      });
    },
    unmount: (path) => void unmount(path),
    dial: async (pid, port) => dialInside(pid, port),
  };
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
