import { GantryError } from "#base/errors.ts";
import type { OciDeviceRule } from "#formats/oci-spec.ts";

/** A rule with everything spelled out: `undefined` numbers stand for all. */
export interface DeviceRule {
  readonly allow: boolean;
  readonly type: "a" | "b" | "c";
  readonly major: number | undefined;
  readonly minor: number | undefined;
  readonly access: string;
}

/**
 * OCI device rules, checked. A rule without a type, or of type "a", is for all devices and stands alone (OCI runtime-spec
 * config-linux.md, "Allowed Device list"): numbers and access are dropped, as version 1 of the kernel does.
 */
export function normalizeDeviceRules(rules: readonly OciDeviceRule[]): readonly DeviceRule[] {
  return rules.map((rule) => {
    const type = rule.type ?? "a";
    const access = rule.access ?? "rwm";
    if (!/^[rwm]+$/.test(access))
      throw new GantryError("invalid", `device rule: invalid access "${access}"`, { field: "access" });
    if (type === "a") return { allow: rule.allow, type, major: undefined, minor: undefined, access: "rwm" };
    return { allow: rule.allow, type, major: wildcard(rule.major), minor: wildcard(rule.minor), access };
  });
}

/** In OCI documents a missing number and -1 both stand for all. */
function wildcard(number: number | undefined): number | undefined {
  return number === undefined || number < 0 ? undefined : number;
}

/** The line that version 1 takes in devices.allow and devices.deny. */
export function deviceRuleLine(rule: DeviceRule): string {
  if (rule.type === "a") return "a";
  return `${rule.type} ${rule.major ?? "*"}:${rule.minor ?? "*"} ${rule.access}`;
}
