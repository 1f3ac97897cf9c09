/** Network namespaces: the main thread goes in, does something synchronous, and comes back before the event loop runs again. */
import { GantryError } from "#base/errors.ts";
import { CLONE_NEWNET, close, O_RDONLY, open, setns } from "./syscalls.ts";

let own: number | undefined;
let inside = false;

/**
 * Runs `enter` with the calling thread in the network namespace of a process, or behind a path or descriptor. Sockets opened
 * there stay there; files below /proc/sys/net and /proc/net are that namespace's when `enter` reads them synchronously.
 * `enter` must not be async: the thread is back home when this returns or throws. Throws SyscallError ESRCH/ENOENT when the
 * process is gone.
 */
export function inNetns<T>(namespace: number | string | { readonly fd: number }, enter: () => T): T {
  if (inside) throw new GantryError("internal", "already in another network namespace");
  own ??= open("/proc/thread-self/ns/net", O_RDONLY);
  const target = typeof namespace === "object" ? namespace.fd : openNetns(namespace);
  try {
    setns(target, CLONE_NEWNET);
    inside = true;
    try {
      const result = enter();
      if (result instanceof Promise)
        throw new GantryError("internal", "work in another network namespace must be synchronous");
      return result;
    } finally {
      setns(own, CLONE_NEWNET);
      inside = false;
    }
  } finally {
    if (typeof namespace !== "object") close(target);
  }
}

/** A descriptor of the network namespace of a process, or at a path. It keeps the namespace alive until it is closed. */
export function openNetns(namespace: number | string): number {
  return open(typeof namespace === "number" ? `/proc/${namespace}/ns/net` : namespace, O_RDONLY);
}
