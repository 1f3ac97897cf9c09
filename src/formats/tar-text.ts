import { isUtf8 } from "node:buffer";

/**
 * File names are bytes. They are kept as strings; where they are not UTF-8, each byte from 0x80 up becomes the lone surrogate
 * U+DC80 to U+DCFF (Python's "surrogateescape", PEP 383), which no UTF-8 text contains, so that nothing is lost.
 */
export function decodeName(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  return bytes.toString("latin1").replace(/[\x80-\xff]/g, (char) => String.fromCharCode(0xdc00 + char.charCodeAt(0)));
}

/** The bytes of a name. */
export function encodeName(name: string): Buffer {
  if (name.isWellFormed()) return Buffer.from(name, "utf8");
  const parts = name.split(/([\udc80-\udcff])/);
  const bytes = parts.map((part, at) =>
    at % 2 ? Buffer.from([part.charCodeAt(0) - 0xdc00]) : Buffer.from(part, "utf8"),
  );
  return Buffer.concat(bytes);
}

/** The name as a system call takes it: a string, or, when it is not UTF-8, bytes that end in a zero. */
export function systemName(name: string): string | Buffer {
  return name.isWellFormed() ? name : Buffer.concat([encodeName(name), Buffer.alloc(1)]);
}
