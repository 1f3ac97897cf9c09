import { mkdirSync, rmdirSync } from "node:fs";
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, mount, unmount } from "#linux/mounts.ts";
import type { EngineContext } from "./context.ts";
import type { Entry } from "./entry.ts";

/*
 * /dev/shm of a container whose IPC namespace others may join lies on the host, because they bind the same one: a tmpfs cannot be bound
 * out of another container's mounts. It is there while the container runs.
 */

type Context = Pick<EngineContext, "places" | "registry">;

/** Where the container's /dev/shm lies on the host; undefined: it has one of its own. */
export function sharedMemoryOf({ places, registry }: Context, entry: Entry): string | undefined {
  const { ipc } = entry.record.config.namespaces;
  if (ipc.kind === "host") return "/dev/shm";
  if (ipc.kind === "shareable") return places.sharedMemory(entry.id);
  if (ipc.kind !== "container") return undefined;
  const target = registry.find(ipc.id);
  return target && sharedMemoryOf({ places, registry }, target);
}

export function mountSharedMemory({ places }: Context, { id, record }: Entry): void {
  if (record.config.namespaces.ipc.kind !== "shareable") return;
  const target = places.sharedMemory(id);
  mkdirSync(target, { recursive: true, mode: 0o700 });
  unmount(target);
  mount("shm", target, {
    type: "tmpfs",
    flags: MS_NOEXEC | MS_NOSUID | MS_NODEV,
    data: `mode=1777,size=${record.config.shmBytes}`,
  });
}

/** Harmless when there is none. */
export function unmountSharedMemory({ places }: Pick<EngineContext, "places">, id: string): void {
  const target = places.sharedMemory(id);
  unmount(target);
  try {
    rmdirSync(target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
