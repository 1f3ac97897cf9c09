/** Network settings below /proc/sys/net, of the namespace that the calling thread is in. */
import { readFileSync, writeFileSync } from "node:fs";

/** `name` as sysctl(8) writes it, with slashes: `ipv4/conf/br0/route_localnet`. undefined when the kernel has none. */
export function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/net/${name}`, "utf8").trim();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** False when the kernel has no such setting (IPv6 switched off). */
export function writeSysctl(name: string, value: string): boolean {
  try {
    writeFileSync(`/proc/sys/net/${name}`, value);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
