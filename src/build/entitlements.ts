import { GantryError } from "#base/errors.ts";
import type { Instruction } from "#formats/dockerfile-instruction.ts";
import type { BuildOptions } from "./types.ts";

/** What a build may be allowed beyond what every build may (BuildKit's entitlements). */
export type Entitlement = "network.host" | "security.insecure";

/** Throws `invalid` for what is none, in BuildKit's words. */
export function parseEntitlement(text: string): Entitlement {
  if (text === "network.host" || text === "security.insecure") return text;
  throw new GantryError("invalid", `unknown entitlement ${text}`, { entitlement: text });
}

/** The one place that decides: whether a RUN asks for what its build is not allowed. Throws `forbidden` in BuildKit's words. */
export function checkEntitlements(options: Pick<BuildOptions, "allow" | "network">, instruction: Instruction): void {
  if (instruction.kind !== "run") return;
  if (instruction.security === "insecure") need(options, "security.insecure");
  // Who gives the whole build the host's network has said so already.
  if (instruction.network === "host" && options.network !== "host") need(options, "network.host");
}

function need({ allow }: Pick<BuildOptions, "allow">, entitlement: Entitlement): void {
  if (allow?.has(entitlement)) return;
  throw new GantryError("forbidden", `${entitlement} is not allowed`, { entitlement });
}
