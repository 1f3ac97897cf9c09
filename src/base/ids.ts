import { systemRandom, type Random } from "./random.ts";

/** A container-style id: 64 lower-case hexadecimal digits. */
export function hexId(random: Random = systemRandom, bytes = 32): string {
  return Buffer.from(random.bytes(bytes)).toString("hex");
}

/** A version 4 UUID (RFC 9562, section 5.4). */
export function uuid(random: Random = systemRandom): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Kubernetes' name suffix alphabet: no vowels, no look-alikes (k8s.io/apimachinery util/rand). */
const SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/** A random suffix as in generated object names. */
export function nameSuffix(length = 5, random: Random = systemRandom): string {
  let text = "";
  while (text.length < length) text += SUFFIX_ALPHABET.charAt(Math.floor(random.next() * SUFFIX_ALPHABET.length));
  return text;
}
