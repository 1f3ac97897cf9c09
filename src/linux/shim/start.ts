import { Socket } from "node:net";
import { GantryError } from "#base/errors.ts";
import { AF_UNIX, SOCK_STREAM, socketpair } from "../sockets.ts";
import { close, isSyscallError } from "../syscalls.ts";
import { forkShim } from "./nursery.ts";

/**
 * Starts a shim for `directory`; the result is its first control connection. It is in a session of its own and outlives us.
 */
export function executeShim(directory: string): Socket {
  const [ours, theirs] = socketpair(AF_UNIX, SOCK_STREAM);
  try {
    forkShim(directory, theirs);
    return new Socket({ fd: ours, readable: true, writable: true, allowHalfOpen: true });
  } catch (error) {
    close(ours);
    if (!isSyscallError(error)) throw error;
    throw new GantryError("unavailable", `the shim cannot be executed: ${error.message}`, { directory }, error);
  } finally {
    close(theirs);
  }
}
