/**
 * The system calls that Node has no function for: here and in sockets.ts is where Gantry calls the kernel by itself.
 * Each is named after its manual page (section 2), takes path arguments as strings and bytes as buffers, and throws
 * SyscallError. Descriptors are close-on-exec.
 */
import { native, restarting } from "./syscalls/native.ts";

export { SyscallError, isSyscallError, errnoName, errnoText } from "./syscalls/native.ts";

/** A path: text, or, for names that are not UTF-8, bytes that end in a zero. */
export type Path = string | Buffer;

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EMPTY_PATH = 0x1000;
export const AT_RECURSIVE = 0x8000;

// ---- descriptors

export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
/** The two that differ between architectures (asm/fcntl.h). */
export const O_DIRECTORY = process.arch === "arm64" ? 0o40000 : 0o200000;
export const O_NOFOLLOW = process.arch === "arm64" ? 0o100000 : 0o400000;

/** For openat2: struct open_how, field resolve. */
export const RESOLVE_NO_XDEV = 0x01;
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;
export const RESOLVE_IN_ROOT = 0x10;

export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const LOCK_UN = 8;

/** Call numbers from 424 on are the same on every architecture. */
const NR_pidfd_send_signal = 424;
const NR_open_tree = 428;
const NR_move_mount = 429;
const NR_pidfd_open = 434;
const NR_openat2 = 437;
const NR_mount_setattr = 442;

const nativeOpenat = native<[number, Path, number, number]>(
  "openat",
  "int openat(int directory, const char *path, int flags, uint mode)",
  (_directory, path) => String(path),
);
const nativeOpenat2 = native<[number, number, Path, Buffer, number]>(
  "openat2",
  "long syscall(long number, int directory, const char *path, const uint8_t *how, size_t size)",
  (_number, _directory, path) => String(path),
);
const nativeClose = native<[number]>("close", "int close(int fd)");
const nativeFlock = native<[number, number]>("flock", "int flock(int fd, int operation)");
const nativeSyncfs = native<[number]>("syncfs", "int syncfs(int fd)");
const nativeMemfdCreate = native<[string, number]>("memfd_create", "int memfd_create(const char *name, uint flags)");
const nativeFcntl = native<[number, number, number]>("fcntl", "int fcntl(int fd, int command, long argument)");
const nativeIoctl = native<[number, number, Buffer]>("ioctl", "int ioctl(int fd, ulong request, uint8_t *argument)");

/** Opens `path`; returns the descriptor. */
export function open(path: string, flags: number, mode = 0): number {
  return openat(AT_FDCWD, path, flags, mode);
}

/** Opens `path` relative to the directory `directory`. For paths inside containers and images use openat2. */
export function openat(directory: number, path: Path, flags: number, mode = 0): number {
  return restarting(() => nativeOpenat(directory, path, flags | O_CLOEXEC, mode));
}

/** Opens `path` relative to `directory` as `resolve` allows: RESOLVE_IN_ROOT makes `directory` the root of all links. */
export function openat2(
  directory: number,
  path: Path,
  how: { readonly flags: number; readonly mode?: number; readonly resolve: number },
): number {
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64LE(BigInt(how.flags | O_CLOEXEC), 0);
  bytes.writeBigUInt64LE(BigInt(how.mode ?? 0), 8);
  bytes.writeBigUInt64LE(BigInt(how.resolve), 16);
  // EAGAIN: a rename or mount raced with the walk, and the kernel could not prove that it stayed inside (openat2(2)).
  return restarting(() => nativeOpenat2(NR_openat2, directory, path, bytes, bytes.length));
}

export function close(fd: number): void {
  nativeClose(fd);
}

/** For the few descriptors that are born without it. */
export function setCloseOnExec(fd: number): void {
  const [F_SETFD, FD_CLOEXEC] = [2, 1];
  nativeFcntl(fd, F_SETFD, FD_CLOEXEC);
}

/** Locks a whole open file; throws EWOULDBLOCK's name EAGAIN with LOCK_NB when another holds it. */
export function flock(fd: number, operation: number): void {
  restarting(() => nativeFlock(fd, operation));
}

/** Writes everything of the file system that `fd` lies on to its disk. */
export function syncfs(fd: number): void {
  nativeSyncfs(fd);
}

/** An anonymous file in memory. */
export function memfdCreate(name: string): number {
  const MFD_CLOEXEC = 1;
  return nativeMemfdCreate(name, MFD_CLOEXEC);
}

/** Sets a terminal's window size: ioctl TIOCSWINSZ. */
export function setWindowSize(fd: number, rows: number, columns: number): void {
  const TIOCSWINSZ = 0x5414;
  const size = Buffer.alloc(8);
  size.writeUInt16LE(rows, 0);
  size.writeUInt16LE(columns, 2);
  nativeIoctl(fd, TIOCSWINSZ, size);
}

/** Any ioctl whose argument is a structure; the kernel reads and writes `argument` in place. */
export function ioctl(fd: number, request: number, argument: Buffer): number {
  return restarting(() => nativeIoctl(fd, request, argument));
}

// ---- files relative to a directory handle

const nativeMkdirat = native<[number, Path, number]>(
  "mkdirat",
  "int mkdirat(int directory, const char *path, uint mode)",
  (_directory, path) => String(path),
);
const nativeMknodat = native<[number, Path, number, bigint]>(
  "mknodat",
  "int mknodat(int directory, const char *path, uint mode, uint64_t device)",
  (_directory, path) => String(path),
);
const nativeSymlinkat = native<[Path, number, Path]>(
  "symlinkat",
  "int symlinkat(const char *target, int directory, const char *path)",
  (_target, _directory, path) => String(path),
);
const nativeLinkat = native<[number, Path, number, Path, number]>(
  "linkat",
  "int linkat(int fromDirectory, const char *from, int directory, const char *path, int flags)",
  (_fromDirectory, _from, _directory, path) => String(path),
);
const nativeUnlinkat = native<[number, Path, number]>(
  "unlinkat",
  "int unlinkat(int directory, const char *path, int flags)",
  (_directory, path) => String(path),
);
const nativeRenameat2 = native<[number, Path, number, Path, number]>(
  "renameat2",
  "int renameat2(int fromDirectory, const char *from, int directory, const char *path, uint flags)",
  (_fromDirectory, _from, _directory, path) => String(path),
);
const nativeReadlinkat = native<[number, Path, Buffer, number]>(
  "readlinkat",
  "long readlinkat(int directory, const char *path, uint8_t *target, size_t size)",
  (_directory, path) => String(path),
);
const nativeFchownat = native<[number, Path, number, number, number]>(
  "fchownat",
  "int fchownat(int directory, const char *path, uint uid, uint gid, int flags)",
  (_directory, path) => String(path),
);
const nativeFchmodat = native<[number, Path, number, number]>(
  "fchmodat",
  "int fchmodat(int directory, const char *path, uint mode, int flags)",
  (_directory, path) => String(path),
);
const nativeUtimensat = native<[number, Path, Buffer, number]>(
  "utimensat",
  "int utimensat(int directory, const char *path, const uint8_t *times, int flags)",
  (_directory, path) => String(path),
);

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const RENAME_WHITEOUT = 4;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const S_IFREG = 0o100000;
export const S_IFSOCK = 0o140000;

export function mkdirat(directory: number, path: Path, mode: number): void {
  nativeMkdirat(directory, path, mode);
}

/** `mode` holds the file type (S_IFCHR, …) and the permission bits. */
export function mknodat(
  directory: number,
  path: Path,
  mode: number,
  device: { readonly major: number; readonly minor: number },
): void {
  nativeMknodat(directory, path, mode, makedev(device.major, device.minor));
}

export function symlinkat(target: Path, directory: number, path: Path): void {
  nativeSymlinkat(target, directory, path);
}

export function linkat(fromDirectory: number, from: Path, directory: number, path: Path, flags = 0): void {
  nativeLinkat(fromDirectory, from, directory, path, flags);
}

/** Removes a file, or with AT_REMOVEDIR an empty directory. */
export function unlinkat(directory: number, path: Path, flags = 0): void {
  nativeUnlinkat(directory, path, flags);
}

export function renameat2(fromDirectory: number, from: Path, directory: number, path: Path, flags = 0): void {
  nativeRenameat2(fromDirectory, from, directory, path, flags);
}

/** The target of a symbolic link (of the descriptor itself when `path` is empty and it was opened with O_PATH). */
export function readlinkat(directory: number, path: Path): string {
  return readlinkatBytes(directory, path).toString("utf8");
}

/** The same for targets that may not be UTF-8. */
export function readlinkatBytes(directory: number, path: Path): Buffer {
  const PATH_MAX = 4096;
  const target = Buffer.alloc(PATH_MAX);
  return target.subarray(0, nativeReadlinkat(directory, path, target, target.length));
}

export function fchownat(directory: number, path: Path, uid: number, gid: number, flags = AT_SYMLINK_NOFOLLOW): void {
  nativeFchownat(directory, path, uid, gid, flags);
}

/** Follows a symbolic link at the end of `path`: the kernel has no other way. */
export function fchmodat(directory: number, path: Path, mode: number): void {
  nativeFchmodat(directory, path, mode, 0);
}

/** Times in nanoseconds since the epoch. */
export function utimensat(
  directory: number,
  path: Path,
  times: { readonly accessedNanos: bigint; readonly modifiedNanos: bigint },
  flags = AT_SYMLINK_NOFOLLOW,
): void {
  const bytes = Buffer.alloc(32);
  writeTimespec(bytes, 0, times.accessedNanos);
  writeTimespec(bytes, 16, times.modifiedNanos);
  nativeUtimensat(directory, path, bytes, flags);
}

// ---- extended attributes

const nativeLsetxattr = native<[Path, string, Buffer, number, number]>(
  "lsetxattr",
  "int lsetxattr(const char *path, const char *name, const uint8_t *value, size_t size, int flags)",
  (path, name) => `${String(path)} ${name}`,
);
const nativeLgetxattr = native<[Path, string, Buffer, number]>(
  "lgetxattr",
  "long lgetxattr(const char *path, const char *name, uint8_t *value, size_t size)",
  (path, name) => `${String(path)} ${name}`,
);
const nativeLlistxattr = native<[Path, Buffer, number]>(
  "llistxattr",
  "long llistxattr(const char *path, uint8_t *list, size_t size)",
  (path) => String(path),
);
const nativeLremovexattr = native<[Path, string]>(
  "lremovexattr",
  "int lremovexattr(const char *path, const char *name)",
  (path, name) => `${String(path)} ${name}`,
);

/** The kernel's own limit on one value and on the list of names (XATTR_SIZE_MAX, XATTR_LIST_MAX). */
const XATTR_MAX_BYTES = 65536;
const xattrBytes = Buffer.alloc(XATTR_MAX_BYTES);

export function lsetxattr(path: Path, name: string, value: Buffer): void {
  nativeLsetxattr(path, name, value, value.length, 0);
}

/** Throws ENODATA when there is no such attribute. */
export function lgetxattr(path: Path, name: string): Buffer {
  return Buffer.from(xattrBytes.subarray(0, nativeLgetxattr(path, name, xattrBytes, XATTR_MAX_BYTES)));
}

export function llistxattr(path: Path): readonly string[] {
  const length = nativeLlistxattr(path, xattrBytes, XATTR_MAX_BYTES);
  return xattrBytes
    .toString("utf8", 0, length)
    .split("\0")
    .filter((name) => name !== "");
}

export function lremovexattr(path: Path, name: string): void {
  nativeLremovexattr(path, name);
}

// ---- mounts and namespaces

const nativeMount = native<[string | null, string, string | null, number, string | null]>(
  "mount",
  "int mount(const char *source, const char *target, const char *type, ulong flags, const char *data)",
  (_source, target) => target,
);
const nativeUmount2 = native<[string, number]>(
  "umount2",
  "int umount2(const char *target, int flags)",
  (target) => target,
);
const nativeOpenTree = native<[number, number, string, number]>(
  "open_tree",
  "long syscall(long number, int directory, const char *path, uint flags)",
  (_number, _directory, path) => path,
);
const nativeMoveMount = native<[number, number, string, number, string, number]>(
  "move_mount",
  "long syscall(long number, int fromDirectory, const char *from, int directory, const char *path, uint flags)",
  (_number, _fromDirectory, _from, _directory, path) => path,
);
const nativeMountSetattr = native<[number, number, string, number, Buffer, number]>(
  "mount_setattr",
  "long syscall(long number, int directory, const char *path, uint flags, const uint8_t *attributes, size_t size)",
  (_number, _directory, path) => path,
);
const nativeUnshare = native<[number]>("unshare", "int unshare(int flags)");
const nativeSetns = native<[number, number]>("setns", "int setns(int fd, int type)");

export const CLONE_NEWTIME = 0x80;
export const CLONE_NEWNS = 0x20000;
export const CLONE_NEWCGROUP = 0x2000000;
export const CLONE_NEWUTS = 0x4000000;
export const CLONE_NEWIPC = 0x8000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;

export const OPEN_TREE_CLONE = 1;
export const MOVE_MOUNT_F_EMPTY_PATH = 4;
export const MOVE_MOUNT_T_EMPTY_PATH = 0x40;

/** `flags` are MS_ constants (mounts.ts); null leaves a part out. */
export function mount(
  source: string | null,
  target: string,
  type: string | null,
  flags: number,
  data: string | null = null,
): void {
  nativeMount(source, target, type, flags, data);
}

/** `flags`: MNT_FORCE 1, MNT_DETACH 2, MNT_EXPIRE 4, UMOUNT_NOFOLLOW 8. */
export function umount2(target: string, flags = 0): void {
  nativeUmount2(target, flags);
}

/** A descriptor of the mount at `path`; with OPEN_TREE_CLONE, of a detached copy of it. */
export function openTree(directory: number, path: string, flags: number): number {
  return nativeOpenTree(NR_open_tree, directory, path, flags | O_CLOEXEC);
}

export function moveMount(
  fromDirectory: number,
  from: string,
  directory: number,
  path: string,
  flags = MOVE_MOUNT_F_EMPTY_PATH,
): void {
  nativeMoveMount(NR_move_mount, fromDirectory, from, directory, path, flags);
}

/** struct mount_attr: MOUNT_ATTR_ bits to set and clear, a propagation type, a user namespace for MOUNT_ATTR_IDMAP. */
export function mountSetattr(
  directory: number,
  path: string,
  flags: number,
  attributes: {
    readonly set?: number;
    readonly clear?: number;
    readonly propagation?: number;
    readonly userns?: number;
  },
): void {
  const bytes = Buffer.alloc(32);
  bytes.writeBigUInt64LE(BigInt(attributes.set ?? 0), 0);
  bytes.writeBigUInt64LE(BigInt(attributes.clear ?? 0), 8);
  bytes.writeBigUInt64LE(BigInt(attributes.propagation ?? 0), 16);
  bytes.writeBigUInt64LE(BigInt(attributes.userns ?? 0), 24);
  nativeMountSetattr(NR_mount_setattr, directory, path, flags, bytes, bytes.length);
}

/**
 * Moves the calling thread into the namespace behind `fd`, of the CLONE_NEW… `type`. Only for code that moves back before
 * the event loop runs again (netns.ts): other threads stay where they are.
 */
export function setns(fd: number, type: number): void {
  nativeSetns(fd, type);
}

/** Gives the calling thread namespaces of its own. Only for code that moves back before the event loop runs again (netns.ts). */
export function unshare(flags: number): void {
  nativeUnshare(flags);
}

// ---- processes

const nativeKill = native<[number, number]>("kill", "int kill(int pid, int signal)");
const nativePidfdOpen = native<[number, number, number]>(
  "pidfd_open",
  "long syscall(long number, int pid, uint flags)",
);
const nativePidfdSendSignal = native<[number, number, number, null, number]>(
  "pidfd_send_signal",
  "long syscall(long number, int pidfd, int signal, void *info, uint flags)",
);

/** Throws ESRCH when there is no such process. */
export function kill(pid: number, signal: number): void {
  nativeKill(pid, signal);
}

/** A descriptor that names the process for good, and polls readable when it has ended. */
export function pidfdOpen(pid: number): number {
  return nativePidfdOpen(NR_pidfd_open, pid, 0);
}

export function pidfdSendSignal(pidfd: number, signal: number): void {
  nativePidfdSendSignal(NR_pidfd_send_signal, pidfd, signal, null, 0);
}

// ---- encodings

/** A device number as glibc's makedev packs it (sys/sysmacros.h). */
function makedev(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn);
}

function writeTimespec(bytes: Buffer, offset: number, nanos: bigint): void {
  const seconds = nanos >= 0n ? nanos / 1_000_000_000n : -((-nanos + 999_999_999n) / 1_000_000_000n);
  bytes.writeBigInt64LE(seconds, offset);
  bytes.writeBigInt64LE(nanos - seconds * 1_000_000_000n, offset + 8);
}
