/** Network namespaces: the main thread goes in, does something synchronous, and comes back before the event loop runs again. */
import { closeSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { GantryError } from "#base/errors.ts";
import { mount, MS_BIND, unmount } from "./mounts.ts";
import { CLONE_NEWNET, close, O_RDONLY, open, setns, unshare } from "./syscalls.ts";

let own: number | undefined;
/** Descriptors of the namespaces that the thread is in, the innermost last. */
const inside: number[] = [];

/**
 * Runs `enter` with the calling thread in the network namespace of a process, or behind a path or descriptor. Sockets opened
 * there stay there; files below /proc/sys/net and /proc/net are that namespace's when `enter` reads them synchronously.
 * `enter` must not be async: the thread is back where it was when this returns or throws. It may go into a further one. Throws SyscallError ESRCH/ENOENT when the
 * process is gone.
 */
export function inNetns<T>(namespace: number | string | { readonly fd: number }, enter: () => T): T {
  own ??= open("/proc/thread-self/ns/net", O_RDONLY);
  const back = inside.at(-1) ?? own;
  const target = typeof namespace === "object" ? namespace.fd : openNetns(namespace);
  try {
    setns(target, CLONE_NEWNET);
    inside.push(target);
    try {
      const result = enter();
      if (result instanceof Promise)
        throw new GantryError("internal", "work in another network namespace must be synchronous");
      return result;
    } finally {
      setns(back, CLONE_NEWNET);
      inside.pop();
    }
  } finally {
    if (typeof namespace !== "object") close(target);
  }
}

/** A descriptor of the network namespace of a process, or at a path. It keeps the namespace alive until it is closed. */
export function openNetns(namespace: number | string): number {
  return open(typeof namespace === "number" ? `/proc/${namespace}/ns/net` : namespace, O_RDONLY);
}

/**
 * Makes a network namespace that lasts without any process, at `path` (ip-netns(8)); one that is there stays as it is. True when it was made.
 */
export function ensureNetns(path: string): boolean {
  if (isNetns(path)) return false;
  mkdirSync(dirname(path), { recursive: true, mode: 0o710 });
  closeSync(openSync(path, "w", 0o600));
  own ??= open("/proc/thread-self/ns/net", O_RDONLY);
  const back = inside.at(-1) ?? own;
  // The thread alone leaves its namespace, and is back before the event loop runs again.
  unshare(CLONE_NEWNET);
  try {
    mount("/proc/thread-self/ns/net", path, { flags: MS_BIND });
  } finally {
    setns(back, CLONE_NEWNET);
  }
  return true;
}

/** Lets go of it: it ends with the last process in it. */
export function removeNetns(path: string): void {
  unmount(path);
  rmSync(path, { force: true });
}

/** Whether something is mounted there, which a namespace's place has only while it lasts. */
function isNetns(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.dev !== statSync(dirname(path)).dev;
}
