import { statfsSync } from "node:fs";
import { ioctl, isSyscallError } from "./syscalls.ts";

/** f_type of btrfs (linux/magic.h). */
const BTRFS_SUPER_MAGIC = 0x9123683e;

/** struct btrfs_ioctl_vol_args (linux/btrfs.h): a file descriptor and a name. */
const ARGUMENT_BYTES = 4096;
const NAME_AT = 8;

/** _IOW(0x94, number, size): linux/btrfs.h and linux/fs.h. */
const request = (number: number, size: number): number => ((1 << 30) | (size << 16) | (0x94 << 8) | number) >>> 0;
const BTRFS_IOC_SNAP_CREATE = request(1, ARGUMENT_BYTES);
const BTRFS_IOC_SUBVOL_CREATE = request(14, ARGUMENT_BYTES);
const BTRFS_IOC_SNAP_DESTROY = request(15, ARGUMENT_BYTES);
const FICLONERANGE = request(13, 32);

export function isBtrfs(path: string): boolean {
  return statfsSync(path).type === BTRFS_SUPER_MAGIC;
}

function volume(fd: number, name: string): Buffer {
  const argument = Buffer.alloc(ARGUMENT_BYTES);
  argument.writeBigInt64LE(BigInt(fd), 0);
  if (argument.write(name, NAME_AT, "utf8") !== Buffer.byteLength(name))
    throw new RangeError(`name is too long: ${name}`);
  return argument;
}

/** Makes an empty subvolume in a directory. */
export function createSubvolume(directory: number, name: string): void {
  ioctl(directory, BTRFS_IOC_SUBVOL_CREATE, volume(0, name));
}

/** Makes a writable snapshot of a subvolume, given by a handle of its top. */
export function snapshotSubvolume(source: number, directory: number, name: string): void {
  ioctl(directory, BTRFS_IOC_SNAP_CREATE, volume(source, name));
}

/** Removes a subvolume with all that is in it; false when it is none, or the file system is another. */
export function destroySubvolume(directory: number, name: string): boolean {
  try {
    ioctl(directory, BTRFS_IOC_SNAP_DESTROY, volume(0, name));
    return true;
  } catch (error) {
    if (isSyscallError(error, "ENOTTY", "EINVAL", "ENOTDIR", "ENOENT", "EOPNOTSUPP")) return false;
    throw error;
  }
}

/** Lets a new file share the bytes of another on the same file system; false where that is not to be had. */
export function cloneFile(source: number, target: number): boolean {
  const argument = Buffer.alloc(32);
  argument.writeBigInt64LE(BigInt(source), 0);
  try {
    ioctl(target, FICLONERANGE, argument);
    return true;
  } catch (error) {
    if (isSyscallError(error, "EOPNOTSUPP", "ENOTTY", "EXDEV", "EINVAL")) return false;
    throw error;
  }
}
