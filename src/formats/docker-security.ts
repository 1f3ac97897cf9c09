import { GantryError } from "#base/errors.ts";

/** `SecurityOpt`, taken apart. */
export interface SecurityOptions {
  readonly noNewPrivileges: boolean;
  /** "builtin", "unconfined", or a profile as JSON text; undefined: not given. */
  readonly seccomp: string | undefined;
  readonly apparmor: string | undefined;
  /** SELinux label options; "disable" included. */
  readonly labels: readonly string[];
}

/** Reads `no-new-privileges`, `seccomp=...`, `apparmor=...`, `label=...`. Throws `invalid` in Docker's words. */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  let noNewPrivileges = false;
  let seccomp: string | undefined;
  let apparmor: string | undefined;
  const labels: string[] = [];
  for (const option of options) {
    if (option === "no-new-privileges") {
      noNewPrivileges = true;
      continue;
    }
    if (option === "disable") {
      labels.push("disable");
      continue;
    }
    const [key, value] = cut(option);
    if (key === "label") labels.push(value);
    else if (key === "apparmor") apparmor = value;
    else if (key === "seccomp") seccomp = value;
    else if (key === "no-new-privileges") noNewPrivileges = parseBool(value, option);
    else
      throw new GantryError("invalid", `invalid --security-opt 2: ${JSON.stringify(option)}`, { field: "SecurityOpt" });
  }
  return { noNewPrivileges, seccomp, apparmor, labels };
}

function cut(option: string): [string, string] {
  const equals = option.indexOf("=");
  const at = equals >= 0 ? equals : option.indexOf(":");
  if (at < 0)
    throw new GantryError("invalid", `invalid --security-opt 1: ${JSON.stringify(option)}`, { field: "SecurityOpt" });
  return [option.slice(0, at), option.slice(at + 1)];
}

function parseBool(value: string, option: string): boolean {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(value)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(value)) return false;
  throw new GantryError("invalid", `invalid --security-opt 2: ${JSON.stringify(option)}`, { field: "SecurityOpt" });
}
