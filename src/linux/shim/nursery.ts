import { AF_UNIX, SOCK_SEQPACKET, sendDescriptor, socketpair } from "../sockets.ts";
import { close, isSyscallError } from "../syscalls.ts";
import { posixSpawn, reapWhenEnded } from "../syscalls/spawn.ts";
import { shimProgram } from "./program.ts";

/*
 * The process that our shims are forked from (native/shim/nursery.c): a fork of a small program, where executing it ourselves would stop
 * this thread for milliseconds. It ends when this process does, its shims do not.
 */
let orders: number | undefined;

/** Room for the titles that its shims have in listings of processes: "gantry-shim DIRECTORY". */
const TITLE_BYTES = 1024;

function nursery(): number {
  const [ours, theirs] = socketpair(AF_UNIX, SOCK_SEQPACKET);
  try {
    reapWhenEnded(posixSpawn(shimProgram(), ["gantry-shim", "nursery", String(theirs), " ".repeat(TITLE_BYTES)]));
    return ours;
  } catch (error) {
    close(ours);
    throw error;
  } finally {
    close(theirs);
  }
}

/** Has a shim forked that serves `directory` and speaks first on `connection`, which stays the caller's. A nursery that has been killed is replaced. */
export function forkShim(directory: string, connection: number): void {
  orders ??= nursery();
  try {
    sendDescriptor(orders, Buffer.from(directory), connection);
  } catch (error) {
    if (!isSyscallError(error, "EPIPE", "ECONNRESET", "ENOTCONN")) throw error;
    close(orders);
    orders = nursery();
    sendDescriptor(orders, Buffer.from(directory), connection);
  }
}
