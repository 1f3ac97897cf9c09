import { native } from "./syscalls/native.ts";

const nativeSetfsuid = native<[number]>("setfsuid", "int setfsuid(uint uid)");
const nativeSetfsgid = native<[number]>("setfsgid", "int setfsgid(uint gid)");
const nativeCapget = native<[Buffer, Buffer]>("capget", "int capget(uint8_t *header, uint8_t *data)");
const nativeCapset = native<[Buffer, Buffer]>("capset", "int capset(uint8_t *header, const uint8_t *data)");

/** _LINUX_CAPABILITY_VERSION_3 (linux/capability.h): two halves of effective, permitted, inheritable. */
const VERSION = 0x20080522;
const HALF_BYTES = 12;

/**
 * Runs `task`, which must be synchronous, with these ids for what it does to files: what it makes belongs to them. Rights stay root's. For
 * file systems whose ids are mapped, where the host's root has none. On the calling thread alone; setfsuid(2).
 */
export function asFileUser<T>(uid: number, gid: number, task: () => T): T {
  become(uid, gid);
  try {
    return task();
  } finally {
    become(0, 0);
  }
}

/** The change takes capabilities about files out of the effective set; they are still permitted. */
function become(uid: number, gid: number): void {
  nativeSetfsgid(gid);
  nativeSetfsuid(uid);
  const header = Buffer.alloc(8);
  header.writeUInt32LE(VERSION, 0);
  const data = Buffer.alloc(2 * HALF_BYTES);
  nativeCapget(header, data);
  for (const half of [0, HALF_BYTES]) data.writeUInt32LE(data.readUInt32LE(half + 4), half);
  nativeCapset(header, data);
}
