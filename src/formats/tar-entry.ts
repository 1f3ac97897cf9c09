import { GantryError } from "#base/errors.ts";

/** One entry of a tar archive, whatever dialect it was written in. */
export interface TarEntry {
  /** As written: may be absolute, may hold `..`, may end in a slash. See tar-text.ts for bytes that are not UTF-8. */
  readonly path: string;
  readonly type: TarType;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Length of the file, holes included; 0 for everything but files. */
  readonly size: number;
  /** Nanoseconds since the epoch. */
  readonly modifiedNanos: bigint;
  /** Target of a symbolic or hard link. */
  readonly linkPath: string;
  readonly device: { readonly major: number; readonly minor: number };
  /** Extended attributes (`SCHILY.xattr.` or `LIBARCHIVE.xattr.` records): full names and raw values. */
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

export type TarType = "file" | "link" | "symlink" | "directory" | "character-device" | "block-device" | "fifo";

/** The block size of the format. */
export const TAR_BLOCK = 512;

/** Bytes that fill up the last block after `size` bytes of data. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

/** Bounds on what an archive may make a reader hold. */
export interface TarLimits {
  /** Of one PAX header or GNU long name. */
  readonly headerBytes: number;
  readonly nameBytes: number;
  /** Regions of data in one sparse file. */
  readonly sparseRegions: number;
}

/** Go's reader stops at the same header size; PATH_MAX is Linux' limit on a path. */
export const TAR_LIMITS: TarLimits = { headerBytes: 1024 * 1024, nameBytes: 4096, sparseRegions: 1_000_000 };

/** A damaged archive, in the words of Go's archive/tar, which Docker's clients see. */
export function badTar(): GantryError {
  return new GantryError("invalid", "archive/tar: invalid tar header");
}

export function truncatedTar(): GantryError {
  return new GantryError("invalid", "unexpected EOF");
}
