import { readFileSync } from "node:fs";
import { ALL_CAPABILITIES } from "#formats/docker-capabilities.ts";

let held: readonly string[] | undefined;

/** What "every capability" means on this machine: those that this process may give (its bounding set), as with Docker. */
export function heldCapabilities(): readonly string[] {
  held ??= capabilitiesIn(readFileSync("/proc/self/status", "utf8"));
  return held;
}

/** The names in a status document's bounding set (proc(5)). */
export function capabilitiesIn(status: string): string[] {
  const bits = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return ALL_CAPABILITIES.filter((_, number) => (bits >> BigInt(number)) & 1n);
}
