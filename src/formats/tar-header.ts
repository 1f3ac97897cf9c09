import { badTar, TAR_BLOCK } from "./tar-entry.ts";
import { decodeName } from "./tar-text.ts";

/** A header block as it stands, before PAX and GNU extensions are applied. */
export interface RawHeader {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly modifiedSeconds: number;
  /** The type flag's character; "0" for the old NUL. */
  readonly flag: string;
  readonly linkPath: string;
  readonly major: number;
  readonly minor: number;
  /** The dialect, by its magic. */
  readonly dialect: "ustar" | "gnu" | "star" | "v7";
}

/** Reads one header block; undefined for a block of zeros. Throws `invalid` when the checksum or a number is wrong. */
export function readHeader(block: Buffer): RawHeader | undefined {
  if (!checkSum(block)) return undefined;
  const dialect = readDialect(block);
  const name = readText(block, 0, 100);
  const prefix = dialect === "ustar" ? readText(block, 345, 155) : dialect === "star" ? readText(block, 345, 131) : "";
  const extended = dialect !== "v7";
  const flag = String.fromCharCode(block[156] || 0x30);
  return {
    path: prefix ? `${prefix}/${name}` : name,
    mode: readNumber(block, 100, 8) & 0o7777,
    uid: readNumber(block, 108, 8),
    gid: readNumber(block, 116, 8),
    size: readNumber(block, 124, 12),
    modifiedSeconds: readNumber(block, 136, 12),
    flag,
    linkPath: readText(block, 157, 100),
    major: extended ? readNumber(block, 329, 8) : 0,
    minor: extended ? readNumber(block, 337, 8) : 0,
    dialect,
  };
}

/** False for a block of zeros; throws when the sum is not the header's. Old tars summed signed bytes. */
function checkSum(block: Buffer): boolean {
  let unsigned = 8 * 0x20;
  let signed = unsigned;
  for (let at = 0; at < TAR_BLOCK; at++) {
    if (at === 148) at = 156;
    const byte = block[at] ?? 0;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  if (unsigned === 8 * 0x20 && block.subarray(148, 156).every((byte) => byte === 0)) return false;
  const written = readNumber(block, 148, 8);
  if (written !== unsigned && written !== signed) throw badTar();
  return true;
}

function readDialect(block: Buffer): RawHeader["dialect"] {
  const magic = block.toString("latin1", 257, 265);
  if (magic === "ustar  \0") return "gnu";
  if (!magic.startsWith("ustar\0")) return "v7";
  return block.toString("latin1", 508, 512) === "tar\0" ? "star" : "ustar";
}

function readText(block: Buffer, offset: number, length: number): string {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return decodeName(end < 0 ? field : field.subarray(0, end));
}

/** Octal digits, or, with the high bit set, a two's complement number in base 256 (GNU). Throws when it is neither. */
export function readNumber(block: Buffer, offset: number, length: number): number {
  const field = block.subarray(offset, offset + length);
  const value = (field[0] ?? 0) & 0x80 ? readBase256(field) : readOctal(field);
  if (!Number.isSafeInteger(value)) throw badTar();
  return value;
}

function readOctal(field: Buffer): number {
  const text = field.toString("latin1").replace(/^[ \0]+|[ \0]+$/g, "");
  if (text === "") return 0;
  // What follows a NUL is no part of the number.
  const digits = text.split("\0", 1)[0] ?? "";
  if (!/^[0-7]+$/.test(digits)) throw badTar();
  return Number.parseInt(digits, 8);
}

function readBase256(field: Buffer): number {
  const negative = ((field[0] ?? 0) & 0x40) !== 0;
  let value = negative ? -1n : 0n;
  field.forEach((byte, at) => {
    value = (value << 8n) | BigInt(at === 0 ? (negative ? byte | 0x80 : byte & 0x7f) : byte);
  });
  return Number(value);
}
