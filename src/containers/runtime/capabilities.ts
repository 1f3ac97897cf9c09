import { readFileSync } from "node:fs";
import type { OciProcess } from "#formats/oci-spec.ts";
import { CAPABILITY_NAMES } from "../plan/capabilities.ts";
import type { RuntimeContext } from "./context.ts";

/**
 * A process without the capabilities that this machine does not know, or that we have not got ourselves: a warning, and no failure (OCI
 * runtime-spec config.md, "capabilities").
 */
export function grantable(context: RuntimeContext, process: OciProcess): OciProcess {
  const sets = process.capabilities;
  if (!sets) return process;
  const own = ownCapabilities();
  const lacking = new Set<string>();
  const filtered = Object.entries(sets).map(([set, names]) => [
    set,
    names.filter((name) => {
      if (own.has(name)) return true;
      lacking.add(name);
      return false;
    }),
  ]);
  if (lacking.size === 0) return process;
  context.log("warning", `ignoring unknown or unavailable capabilities: [${Array.from(lacking).join(" ")}]`);
  return { ...process, capabilities: Object.fromEntries(filtered) as NonNullable<OciProcess["capabilities"]> };
}

function ownCapabilities(): ReadonlySet<string> {
  const bits = BigInt(`0x${/^CapPrm:\s+(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`);
  return new Set(CAPABILITY_NAMES.filter((_, number) => (bits >> BigInt(number)) & 1n));
}
