import { constants } from "node:os";
import { addressOf, native, restarting, SyscallError } from "./native.ts";

const nativePosixSpawn = native<[Buffer, string, null, null, Buffer, Buffer]>(
  "posix_spawn",
  "int posix_spawn(uint8_t *pid, const char *path, void *actions, void *attributes, const uint8_t *arguments, const uint8_t *environment)",
);
const nativeWaitpid = native<[number, Buffer, number]>("waitpid", "int waitpid(int pid, uint8_t *status, int options)");

/**
 * Executes `path` as a child that inherits exactly the descriptors without close-on-exec; returns its process id, and the caller
 * sees to its end (`reapWhenEnded`). For a program that is started often: child_process copies the whole address space's tables (6 ms
 * in a daemon of usual size), this call does not (0.6 ms). posix_spawn(3).
 */
export function posixSpawn(path: string, args: readonly string[]): number {
  const pid = Buffer.alloc(4);
  const strings = args.map((argument) => Buffer.from(`${argument}\0`));
  const pointers = Buffer.alloc((strings.length + 1) * 8);
  strings.forEach((bytes, index) => pointers.writeBigUInt64LE(addressOf(bytes), index * 8));
  // Unlike other calls it returns the error number.
  const error = nativePosixSpawn(pid, path, null, null, pointers, Buffer.alloc(8));
  if (error !== 0) throw new SyscallError("posix_spawn", error, path);
  return pid.readInt32LE(0);
}

/** Children that are to be forgotten as soon as they end. */
const children = new Set<number>();

/** Sees to it that a child of ours leaves no zombie behind, whenever it ends. */
export function reapWhenEnded(pid: number): void {
  if (children.size === 0) process.on("SIGCHLD", reap);
  children.add(pid);
  // It may have ended before we listened.
  reap();
}

function reap(): void {
  for (const pid of children) if (hasEnded(pid)) children.delete(pid);
  if (children.size === 0) process.removeListener("SIGCHLD", reap);
}

function hasEnded(pid: number): boolean {
  const WNOHANG = 1;
  try {
    return restarting(() => nativeWaitpid(pid, Buffer.alloc(4), WNOHANG)) === pid;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === constants.errno.ECHILD) return true;
    throw error;
  }
}
