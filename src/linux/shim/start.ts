import { Socket } from "node:net";
import { GantryError } from "#base/errors.ts";
import { AF_UNIX, SOCK_STREAM, socketpair } from "../sockets.ts";
import { close, isSyscallError } from "../syscalls.ts";
import { posixSpawn, reapWhenEnded } from "../syscalls/spawn.ts";
import { shimProgram } from "./program.ts";

/**
 * Executes a shim for `directory`; the result is its first control connection. It is in a session of its own and outlives us;
 * for as long as we live it is our child, and reaped by us.
 */
export function executeShim(directory: string): Socket {
  const [ours, theirs] = socketpair(AF_UNIX, SOCK_STREAM);
  try {
    reapWhenEnded(posixSpawn(shimProgram(), ["gantry-shim", directory, String(theirs)]));
    return new Socket({ fd: ours, readable: true, writable: true, allowHalfOpen: true });
  } catch (error) {
    close(ours);
    if (!isSyscallError(error)) throw error;
    throw new GantryError("unavailable", `the shim cannot be executed: ${error.message}`, { directory }, error);
  } finally {
    close(theirs);
  }
}
