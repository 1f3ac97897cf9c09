import { GantryError } from "#base/errors.ts";

/** The API version that Gantry speaks, and the oldest that it still answers. */
export const API_VERSION = "1.51";
export const MIN_API_VERSION = "1.24";
/** The engine version that goes with the API version; clients print it, and some compare it. */
export const ENGINE_VERSION = "28.3.3";

/**
 * The minor number of a `/v1.xx` prefix; the newest without one. Throws `invalid` in Docker's words outside the
 * range (moby api/server/middleware/version.go).
 */
export function negotiate(prefix: string | undefined): number {
  if (prefix === undefined) return minor(API_VERSION);
  const [major = 0, asked = 0] = prefix.split(".").map(Number);
  if (major < 1 || (major === 1 && asked < minor(MIN_API_VERSION))) {
    throw new GantryError(
      "invalid",
      `client version ${prefix} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
    );
  }
  if (major > 1 || asked > minor(API_VERSION)) {
    throw new GantryError(
      "invalid",
      `client version ${prefix} is too new. Maximum supported API version is ${API_VERSION}`,
    );
  }
  return asked;
}

function minor(version: string): number {
  return Number(version.split(".")[1]);
}
