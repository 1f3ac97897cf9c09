import { badTar } from "./tar-entry.ts";
import { decodeName } from "./tar-text.ts";

/** The records of PAX headers that Gantry understands; others are skipped (POSIX pax, "pax Extended Header"). */
export interface PaxRecords {
  path?: string;
  linkPath?: string;
  size?: number;
  uid?: number;
  gid?: number;
  modifiedNanos?: bigint;
  xattrs: Map<string, Buffer>;
  sparse: SparseRecords;
}

/** GNU's three ways to describe a sparse file in PAX records (tar manual, "Storing Sparse Files"). */
export interface SparseRecords {
  major?: number;
  minor?: number;
  name?: string;
  realSize?: number;
  /** Offsets and lengths in turn (0.0 and 0.1). */
  map?: number[];
}

export function noRecords(): PaxRecords {
  return { xattrs: new Map(), sparse: {} };
}

/** Adds the records of one PAX header (`length key=value\n`, values are bytes) to what is known. */
export function readPax(bytes: Buffer, records: PaxRecords): void {
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 || space - at > 10 ? "" : bytes.toString("latin1", at, space);
    const end = at + Number(length);
    if (!/^\d+$/.test(length) || end > bytes.length || end <= space + 1 || bytes[end - 1] !== 0x0a) throw badTar();
    const record = bytes.subarray(space + 1, end - 1);
    const equals = record.indexOf(0x3d);
    if (equals < 1) throw badTar();
    applyRecord(records, record.toString("utf8", 0, equals), record.subarray(equals + 1));
    at = end;
  }
}

const SCHILY = "SCHILY.xattr.";
const LIBARCHIVE = "LIBARCHIVE.xattr.";

function applyRecord(records: PaxRecords, key: string, value: Buffer): void {
  if (key.includes("\0")) throw badTar();
  if (key.startsWith(SCHILY)) records.xattrs.set(key.slice(SCHILY.length), Buffer.from(value));
  else if (key.startsWith(LIBARCHIVE)) setLibarchive(records, key.slice(LIBARCHIVE.length), value);
  else if (key.startsWith("GNU.sparse.")) applySparse(records.sparse, key.slice("GNU.sparse.".length), value);
  else if (key === "path") records.path = asName(value);
  else if (key === "linkpath") records.linkPath = asName(value);
  else if (key === "size") records.size = asNumber(value);
  else if (key === "uid") records.uid = asNumber(value);
  else if (key === "gid") records.gid = asNumber(value);
  else if (key === "mtime") records.modifiedNanos = readTime(value.toString("latin1"));
}

/** The name is percent-encoded and the value base64. SCHILY's own record, which bsdtar writes beside it, wins. */
function setLibarchive(records: PaxRecords, name: string, value: Buffer): void {
  let decoded: string;
  try {
    decoded = decodeURIComponent(name);
  } catch {
    throw badTar();
  }
  if (!records.xattrs.has(decoded)) records.xattrs.set(decoded, Buffer.from(value.toString("latin1"), "base64"));
}

function applySparse(sparse: SparseRecords, key: string, value: Buffer): void {
  if (key === "major") sparse.major = asNumber(value);
  else if (key === "minor") sparse.minor = asNumber(value);
  else if (key === "name") sparse.name = asName(value);
  else if (key === "size" || key === "realsize") sparse.realSize = asNumber(value);
  else if (key === "offset" || key === "numbytes") (sparse.map ??= []).push(asNumber(value));
  else if (key === "map") sparse.map = value.length === 0 ? [] : value.toString("latin1").split(",").map(parseNumber);
}

function asName(value: Buffer): string {
  if (value.includes(0)) throw badTar();
  return decodeName(value);
}

function asNumber(value: Buffer): number {
  return parseNumber(value.toString("latin1"));
}

/** A decimal number in [0, 2^53). */
export function parseNumber(text: string): number {
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text))) throw badTar();
  return Number(text);
}

/** Seconds with a fraction of any length, maybe negative, to nanoseconds. */
function readTime(text: string): bigint {
  const match = /^(-?)(\d{1,18})(?:\.(\d*))?$/.exec(text);
  if (!match) throw badTar();
  const [, sign, seconds = "", fraction = ""] = match;
  const nanos = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  return sign ? -nanos : nanos;
}
