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

/** JSON with sorted fields, without absent, null and empty ones. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value)
    .filter(([, each]) => !isEmpty(each))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, each]) => `${JSON.stringify(name)}:${canonicalJson(each)}`);
  return `{${fields.join(",")}}`;
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.keys(value).length === 0;
}
