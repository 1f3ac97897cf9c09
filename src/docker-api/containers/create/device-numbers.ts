import { statSync } from "node:fs";
import { GantryError, errorText } from "#base/errors.ts";

/** Major and minor number of a device's path (glibc's encoding of st_rdev). Throws `invalid` when it is not there. */
export function deviceNumbers(path: string): { major: number; minor: number } {
  const device = BigInt(deviceOf(path));
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn & 0xffffffffn);
  return { major: Number(major), minor: Number(minor) };
}

function deviceOf(path: string): bigint {
  try {
    return statSync(path, { bigint: true }).rdev;
  } catch (error) {
    throw new GantryError("invalid", `stat ${path}: ${errorText(error)}`, { path }, error);
  }
}
