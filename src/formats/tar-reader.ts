import { GantryError } from "#base/errors.ts";
import { readHeader, type RawHeader } from "./tar-header.ts";
import { noRecords, readPax, type PaxRecords } from "./tar-pax.ts";
import { checkSparseMap, readOldSparseMap, readSparseMap1, sparseMapOf, type SparseMap } from "./tar-sparse.ts";
import {
  badTar,
  TAR_BLOCK,
  TAR_LIMITS,
  tarPadding,
  truncatedTar,
  type TarEntry,
  type TarLimits,
  type TarType,
} from "./tar-entry.ts";
import { decodeName, encodeName } from "./tar-text.ts";

/** What is told of an archive, in its order. `data` and `end` belong to the entry before. */
export interface TarHandler {
  entry(entry: TarEntry): void;
  /** Bytes of the file at `offset`; what no call covers is a hole. The chunk is only valid during the call. */
  data(chunk: Buffer, offset: number): void;
  end(): void;
}

/** A push parser: bytes go in as they come, in chunks of any size; nothing is held but an unfinished header. */
export interface TarReader {
  write(chunk: Uint8Array): void;
  /** Throws `invalid` ("unexpected EOF") when the archive stops in the middle of an entry. */
  close(): void;
}

/**
 * Reads ustar, PAX, GNU (long names, old and new sparse files), star and v7 archives.
 * Throws `invalid` for damaged ones and `unsupported` for entries of a type that no file system has.
 */
export function tarReader(handler: TarHandler, limits: TarLimits = TAR_LIMITS): TarReader {
  const steps = readArchive(handler, limits);
  let wanted = steps.next().value as Wanted | undefined;
  let held: Buffer[] = [];
  let heldBytes = 0;
  const advance = (bytes: Buffer): void => {
    wanted = steps.next(bytes).value as Wanted | undefined;
  };
  /** Takes what is wanted from `chunk` at `at`; returns how much was taken. */
  const feed = (chunk: Buffer, at: number, want: Wanted): number => {
    const available = chunk.length - at;
    if (want.some !== undefined) {
      const taken = Math.min(available, want.some);
      advance(chunk.subarray(at, at + taken));
      return taken;
    }
    const missing = want.all - heldBytes;
    const piece = chunk.subarray(at, at + Math.min(available, missing));
    if (piece.length === missing && heldBytes === 0) {
      advance(piece);
      return piece.length;
    }
    held.push(Buffer.from(piece));
    heldBytes += piece.length;
    if (piece.length < missing) return piece.length;
    const whole = Buffer.concat(held);
    held = [];
    heldBytes = 0;
    advance(whole);
    return piece.length;
  };
  return {
    write(bytes) {
      const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let at = 0; at < chunk.length && wanted !== undefined;) at += feed(chunk, at, wanted);
    },
    close() {
      // An archive may lack its end marker, as long as it ends between two entries.
      const between = wanted?.all !== undefined && wanted.between && heldBytes === 0;
      if (wanted !== undefined && !between) throw truncatedTar();
    },
  };
}

/** `all`: this many bytes in one piece (between two entries, the archive may end instead); `some`: up to this many. */
type Wanted =
  | { readonly all: number; readonly between: boolean; readonly some?: never }
  | { readonly some: number; readonly all?: never };
type Steps<T> = Generator<Wanted, T, Buffer>;

function all(count: number, between = false): Wanted {
  return { all: count, between };
}

function* readArchive(handler: TarHandler, limits: TarLimits): Steps<void> {
  const global = noRecords();
  for (;;) {
    const found = yield* readEntryHeader(global, limits);
    if (!found) return;
    const { entry, stored, map } = found;
    handler.entry(entry);
    if (map) yield* readRegions(handler, map);
    else yield* readData(handler, 0, stored);
    handler.end();
    yield* skip(tarPadding(stored));
  }
}

interface Found {
  readonly entry: TarEntry;
  /** Bytes of data in the archive that are still to be read. */
  readonly stored: number;
  readonly map?: SparseMap;
}

/** Headers up to that of the next file, with the extensions before it applied; undefined at the archive's end. */
function* readEntryHeader(global: PaxRecords, limits: TarLimits): Steps<Found | undefined> {
  const records = copyRecords(global);
  for (let first = true; ; first = false) {
    const block = yield all(TAR_BLOCK, first);
    const header = readHeader(block);
    if (!header) {
      if (!first) throw badTar();
      return undefined;
    }
    if (header.size < 0) throw badTar();
    if (header.flag === "x" || header.flag === "g") {
      const bytes = yield* readExtension(header, limits);
      readPax(bytes, header.flag === "g" ? global : records);
      if (header.flag === "g") readPax(bytes, records);
    } else if (header.flag === "L" || header.flag === "K") {
      const name = cString(yield* readExtension(header, limits));
      if (header.flag === "L") records.path ??= name;
      else records.linkPath ??= name;
    } else {
      return yield* finishHeader(header, Buffer.from(block), records, limits);
    }
  }
}

function copyRecords(records: PaxRecords): PaxRecords {
  return { ...records, xattrs: new Map(records.xattrs), sparse: { ...records.sparse } };
}

function* readExtension(header: RawHeader, limits: TarLimits): Steps<Buffer> {
  if (header.size > limits.headerBytes) throw badTar();
  const bytes = header.size === 0 ? Buffer.alloc(0) : Buffer.from(yield all(header.size));
  yield* skip(tarPadding(header.size));
  return bytes;
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return decodeName(end < 0 ? bytes : bytes.subarray(0, end));
}

const TYPES: ReadonlyMap<string, TarType> = new Map([
  ["0", "file"],
  ["1", "link"],
  ["2", "symlink"],
  ["3", "character-device"],
  ["4", "block-device"],
  ["5", "directory"],
  ["6", "fifo"],
  ["7", "file"],
  ["S", "file"],
]);

function* finishHeader(header: RawHeader, block: Buffer, records: PaxRecords, limits: TarLimits): Steps<Found> {
  const path = records.sparse.name ?? records.path ?? header.path;
  const known = TYPES.get(header.flag);
  if (!known) {
    throw new GantryError(
      "unsupported",
      `tar entry ${JSON.stringify(path)} has type ${JSON.stringify(header.flag)}, which is no file`,
    );
  }
  const type = known === "file" && path.endsWith("/") ? "directory" : known;
  const size = type === "file" ? (records.size ?? header.size) : 0;
  const { map, stored } = yield* readMap(header, block, records, type === "file" ? size : undefined, limits);
  const entry: TarEntry = {
    path,
    type,
    mode: header.mode,
    uid: asId(records.uid ?? header.uid),
    gid: asId(records.gid ?? header.gid),
    size: map?.realSize ?? size,
    modifiedNanos: records.modifiedNanos ?? BigInt(header.modifiedSeconds) * 1_000_000_000n,
    linkPath: records.linkPath ?? header.linkPath,
    device: { major: header.major, minor: header.minor },
    xattrs: records.xattrs,
  };
  for (const name of [entry.path, entry.linkPath]) {
    if (name.length > limits.nameBytes || encodeName(name).length > limits.nameBytes) {
      throw new GantryError(
        "invalid",
        `tar entry name ${JSON.stringify(name.slice(0, 60))}... is longer than ${limits.nameBytes} bytes`,
      );
    }
  }
  return { entry, stored, ...(map ? { map } : {}) };
}

/** An owner that the kernel can hold: 2^32 - 1 means "no change" to chown. */
function asId(id: number): number {
  if (id < 0 || id >= 2 ** 32 - 1) throw badTar();
  return id;
}

function* readMap(
  header: RawHeader,
  block: Buffer,
  records: PaxRecords,
  size: number | undefined,
  limits: TarLimits,
): Steps<{ map?: SparseMap; stored: number }> {
  if (size === undefined) return { stored: 0 };
  const { major, minor, realSize, map: numbers } = records.sparse;
  let map: SparseMap | undefined;
  let stored = size;
  if (header.flag === "S" && header.dialect === "gnu") {
    map = yield* wantAll(readOldSparseMap(block, limits));
  } else if (major === 1 && minor === 0 && realSize !== undefined) {
    const read = yield* wantAll(readSparseMap1(realSize, limits));
    map = read.map;
    stored -= read.bytes;
  } else if (numbers && realSize !== undefined) {
    map = sparseMapOf(numbers, realSize, limits);
  }
  if (map) checkSparseMap(map, stored);
  return map ? { map, stored } : { stored };
}

function* wantAll<T>(steps: Generator<number, T, Buffer>): Steps<T> {
  let step = steps.next();
  while (!step.done) step = steps.next(yield all(step.value));
  return step.value;
}

function* readRegions(handler: TarHandler, map: SparseMap): Steps<void> {
  for (const { offset, length } of map.regions) yield* readData(handler, offset, length);
}

function* readData(handler: TarHandler, offset: number, length: number): Steps<void> {
  const end = offset + length;
  for (let at = offset; at < end;) {
    const chunk = yield { some: end - at };
    handler.data(chunk, at);
    at += chunk.length;
  }
}

function* skip(count: number): Steps<void> {
  for (let left = count; left > 0;) left -= (yield { some: left }).length;
}
