import { TAR_BLOCK, tarPadding, type TarEntry, type TarType } from "./tar-entry.ts";
import { encodeName } from "./tar-text.ts";

/** What ends an archive. */
export const TAR_END = Buffer.alloc(2 * TAR_BLOCK);

const FLAGS: Readonly<Record<TarType, string>> = {
  file: "0",
  link: "1",
  symlink: "2",
  "character-device": "3",
  "block-device": "4",
  directory: "5",
  fifo: "6",
};

const MAX_OCTAL_7 = 0o7777777;
const MAX_OCTAL_11 = 0o77777777777;

/**
 * The header of an entry; its data and `tarPadding(size)` zero bytes follow. Plain ustar where that suffices, otherwise with a
 * PAX header before it. Times are written in whole seconds, as Docker's layers have them. The same entry gives the same bytes.
 */
export function encodeTarHeader(entry: TarEntry): Buffer {
  const path = encodeName(entry.path);
  const link = encodeName(entry.linkPath);
  const seconds = floorSeconds(entry.modifiedNanos);
  const split = isAscii(path) ? splitPath(path) : undefined;
  const records: [string, Buffer][] = [];
  const record = (key: string, value: Buffer | string): void => void records.push([key, Buffer.from(value)]);
  for (const [name, value] of entry.xattrs) record(`SCHILY.xattr.${name}`, value);
  if (entry.gid > MAX_OCTAL_7) record("gid", String(entry.gid));
  if (link.length > 100 || !isAscii(link)) record("linkpath", link);
  if (seconds < 0n || seconds > BigInt(MAX_OCTAL_11)) record("mtime", String(seconds));
  if (!split) record("path", path);
  if (entry.size > MAX_OCTAL_11) record("size", String(entry.size));
  if (entry.uid > MAX_OCTAL_7) record("uid", String(entry.uid));
  const main = encodeBlock({
    name: split?.name ?? path.subarray(0, 100),
    prefix: split?.prefix ?? Buffer.alloc(0),
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    size: entry.type === "file" ? entry.size : 0,
    seconds: Number(seconds),
    flag: FLAGS[entry.type],
    link: link.subarray(0, 100),
    device: entry.device,
  });
  return records.length === 0 ? main : Buffer.concat([encodePax(path, records), main]);
}

function floorSeconds(nanos: bigint): bigint {
  const seconds = nanos / 1_000_000_000n;
  return seconds * 1_000_000_000n > nanos ? seconds - 1n : seconds;
}

function isAscii(bytes: Buffer): boolean {
  return bytes.every((byte) => byte < 0x80);
}

/** A path in ustar's two fields (100 and 155 bytes, split at a slash); undefined when it does not fit. */
function splitPath(path: Buffer): { name: Buffer; prefix: Buffer } | undefined {
  if (path.length <= 100) return { name: path, prefix: Buffer.alloc(0) };
  // A directory's slash at the end is part of its name.
  const at = path.lastIndexOf(0x2f, Math.min(155, path.length - 2));
  const nameLength = path.length - at - 1;
  if (at <= 0 || nameLength > 100 || nameLength === 0) return undefined;
  return { name: path.subarray(at + 1), prefix: path.subarray(0, at) };
}

interface Block {
  readonly name: Buffer;
  readonly prefix: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly seconds: number;
  readonly flag: string;
  readonly link: Buffer;
  readonly device: { readonly major: number; readonly minor: number };
}

function encodeBlock(fields: Block): Buffer {
  const block = Buffer.alloc(TAR_BLOCK);
  fields.name.copy(block, 0);
  writeOctal(block, 100, 7, fields.mode & 0o7777);
  writeOctal(block, 108, 7, fields.uid);
  writeOctal(block, 116, 7, fields.gid);
  writeOctal(block, 124, 11, fields.size);
  writeOctal(block, 136, 11, fields.seconds);
  block.write(fields.flag, 156, "latin1");
  fields.link.copy(block, 157);
  block.write("ustar\x0000", 257, "latin1");
  writeOctal(block, 329, 7, fields.device.major);
  writeOctal(block, 337, 7, fields.device.minor);
  fields.prefix.copy(block, 345);
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** A number that does not fit is written as zero: its PAX record has it. */
function writeOctal(block: Buffer, offset: number, digits: number, value: number): void {
  const text = value < 0 ? "0" : value.toString(8);
  block.write((text.length > digits ? "0" : text).padStart(digits, "0"), offset, "latin1");
}

function encodePax(path: Buffer, records: readonly [string, Buffer][]): Buffer {
  const sorted = records.toSorted(([a], [b]) => (a < b ? -1 : 1));
  const data = Buffer.concat(sorted.map(([key, value]) => encodeRecord(key, value)));
  const base = path.subarray(path.lastIndexOf(0x2f, path.length - 2) + 1).toString("latin1");
  const name = `PaxHeaders.0/${base.replace(/[^\x20-\x7e]/g, "_")}`.slice(0, 100);
  const header = encodeBlock({
    name: Buffer.from(name),
    prefix: Buffer.alloc(0),
    mode: 0,
    uid: 0,
    gid: 0,
    size: data.length,
    seconds: 0,
    flag: "x",
    link: Buffer.alloc(0),
    device: { major: 0, minor: 0 },
  });
  return Buffer.concat([header, data, Buffer.alloc(tarPadding(data.length))]);
}

/** `length key=value\n`, where the length counts its own digits. */
function encodeRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}
