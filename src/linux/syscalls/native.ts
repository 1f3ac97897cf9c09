import { createRequire } from "node:module";
import { constants } from "node:os";
import { getSystemErrorMessage } from "node:util";

/** A system call that failed: which, the error number, and its name ("ENOENT"). */
export class SyscallError extends Error {
  readonly syscall: string;
  readonly errno: number;
  readonly code: string;

  constructor(syscall: string, errno: number, subject?: string) {
    const code = errnoName(errno);
    super(`${syscall}${subject === undefined ? "" : ` ${subject}`}: ${errnoText(errno)}`);
    this.name = "SyscallError";
    this.syscall = syscall;
    this.errno = errno;
    this.code = code;
  }
}

/** True when `error` is a SyscallError, and with one of `codes` when some are given. */
export function isSyscallError(error: unknown, ...codes: readonly string[]): error is SyscallError {
  return error instanceof SyscallError && (codes.length === 0 || codes.includes(error.code));
}

/** Names that share a number with the one that everybody writes. */
const ALIASES: ReadonlySet<string> = new Set(["EWOULDBLOCK", "ENOTSUP"]);

const names: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => !ALIASES.has(name))
    .map(([name, number]) => [number, name]),
);

/** "ENOENT" for 2; "E2000" for a number that the system does not know. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/** "no such file or directory" for 2, as Go's syscall package (and so Docker) writes it. */
export function errnoText(errno: number): string {
  return names.has(errno) ? getSystemErrorMessage(-errno) : `error ${errno}`;
}

/** What the functions of the C library take: numbers, strings, bytes by reference. */
export type NativeArgument = number | bigint | string | Buffer | null;

interface NativeFunction {
  (...args: NativeArgument[]): number;
  /** The last argument is called back with the result. */
  async(...args: (NativeArgument | ((error: unknown, result: number) => void))[]): void;
}

interface Library {
  func(prototype: string): NativeFunction;
}

interface Koffi {
  load(path: null): Library;
  errno(): number;
  address(bytes: Buffer): bigint;
}

/**
 * Loading the whole of koffi's wrapper takes 20 ms, its platform package 5 ms: the wrapper adds deprecated spellings only.
 * Nothing is loaded before the first system call.
 */
function loadKoffi(): Koffi {
  const require = createRequire(import.meta.url);
  try {
    return createRequire(require.resolve("koffi"))(`@koromix/koffi-linux-${process.arch}`) as Koffi;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    return require("koffi") as Koffi;
  }
}

let koffi: Koffi | undefined;
let library: Library | undefined;

/**
 * A function of the C library by its C prototype, bound at its first call. The result throws SyscallError, named
 * `syscall`, when the function returns a negative number. `subject` picks what the error names.
 */
export function native<A extends NativeArgument[]>(
  syscall: string,
  prototype: string,
  subject?: (...args: A) => string,
): (...args: A) => number {
  let bound: ((...args: NativeArgument[]) => number) | undefined;
  return (...args) => {
    koffi ??= loadKoffi();
    library ??= koffi.load(null);
    bound ??= library.func(prototype);
    const result = bound(...args);
    if (result < 0) throw new SyscallError(syscall, koffi.errno(), subject?.(...args));
    return result;
  };
}

/** Where the bytes of a buffer are, for structures that hold pointers. The buffer must outlive their use. */
export function addressOf(bytes: Buffer): bigint {
  koffi ??= loadKoffi();
  return koffi.address(bytes);
}

/**
 * Like `native`, on a thread of libuv's pool: for the few calls that keep the kernel busy for long. Such a thread is in the
 * process's own namespaces. Buffers must not be touched until the promise is settled. The error number is lost.
 */
export function nativeLater<A extends NativeArgument[]>(prototype: string): (...args: A) => Promise<number> {
  let bound: NativeFunction | undefined;
  return (...args) => {
    koffi ??= loadKoffi();
    library ??= koffi.load(null);
    const call = (bound ??= library.func(prototype));
    return new Promise((resolve, reject) => {
      call.async(...args, (error: unknown, result: number) => (error ? reject(error) : resolve(result)));
    });
  };
}

/** Calls again for as long as the call is interrupted by a signal. */
export function restarting<T>(call: () => T): T {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (!isSyscallError(error, "EINTR")) throw error;
    }
  }
}
