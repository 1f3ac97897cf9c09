import { canonicalJson } from "../../shared/canonical-json.ts";

/** The alphabet of generated names (apimachinery util/rand): no vowels, nothing that looks like something else. */
const SAFE = "bcdfghjklmnpqrstvwxz2456789";

/**
 * A short name for a document, the same for the same content whatever the order of its fields: FNV-1a over its canonical JSON, in
 * letters that spell no words. `collisions` makes another one when two documents happened to have the same.
 */
export function contentHash(document: unknown, collisions: number | undefined): string {
  let hash = 0x811c9dc5;
  const mix = (byte: number): void => {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  };
  for (const byte of Buffer.from(canonicalJson(document))) mix(byte);
  if (collisions !== undefined) for (let shift = 0; shift < 32; shift += 8) mix((collisions >>> shift) & 0xff);
  return Array.from(String(hash), (digit) => SAFE.charAt(digit.charCodeAt(0) % SAFE.length)).join("");
}
