import { constants } from "node:os";
import { GantryError } from "#base/errors.ts";
import type { OciSeccomp } from "#formats/oci-spec.ts";
import { assembleFilter, type Rule } from "./seccomp/assemble.ts";
import { auditArchitecture, syscallNumbers, type Architecture } from "./seccomp/numbers.ts";
import { returnValue, ruleArguments } from "./seccomp/rules.ts";

export { SECCOMP_ACTIONS, SECCOMP_OPERATORS } from "./seccomp/rules.ts";
export type { Architecture } from "./seccomp/numbers.ts";

/** Filters by their profile; the one used longest ago is dropped. A profile is some 20 KB of text. */
const MOST_CACHED = 32;
const cache = new Map<string, Buffer>();

/** SECCOMP_FILTER_FLAG_ values (linux/seccomp.h). */
const FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 0x20,
};

/** OCI architecture names that we have numbers for, by the machine they belong to. */
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  SCMP_ARCH_X86_64: "x86_64",
  SCMP_ARCH_X86: "x86",
  SCMP_ARCH_AARCH64: "aarch64",
};

export const SECCOMP_FLAGS: readonly string[] = Object.keys(FLAGS);
export const SECCOMP_ARCHITECTURES: readonly string[] = Object.keys(ARCHITECTURES);

/** The architecture of this machine's own programs. */
export function nativeArchitecture(): Architecture {
  return process.arch === "arm64" ? "aarch64" : "x86_64";
}

/**
 * The profile as a classic BPF program (an array of struct sock_filter) for the machine `native`. Rules are asked in order, the
 * first that applies counts. Calls of architectures that the profile does not name, or that we have no numbers for, get the
 * default action. Where that is an error, calls newer than everything that the profile names are answered with ENOSYS, so that
 * C libraries fall back to older ones (as runc does). Throws `invalid` or `unsupported`, naming the field.
 */
export function compileSeccomp(profile: OciSeccomp, native: Architecture = nativeArchitecture()): Buffer {
  const key = `${native} ${JSON.stringify(profile)}`;
  const known = cache.get(key);
  const filter = known ?? compile(profile, native);
  cache.delete(key);
  cache.set(key, filter);
  for (const oldest of cache.keys()) {
    if (cache.size <= MOST_CACHED) break;
    cache.delete(oldest);
  }
  return filter;
}

/** The flags to load the filter with; without any, speculation mitigations are left as they are, as runc does. */
export function seccompFlags(profile: OciSeccomp): number {
  const names = profile.flags ?? ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"];
  return names.reduce((flags, name) => {
    const flag = FLAGS[name];
    if (flag === undefined)
      throw new GantryError("unsupported", `seccomp flag ${name} is not supported`, { field: "seccomp.flags" });
    return flags | flag;
  }, 0);
}

/** The flag with which loading a filter returns its listener. */
export const NEW_LISTENER = 8;

/** True when a filter asks someone about calls: `listenerPath` is where. */
export function notifies({ syscalls = [] }: OciSeccomp): boolean {
  return syscalls.some(({ action }) => action === "SCMP_ACT_NOTIFY");
}

/** As runc does; the call that hands the listener over cannot be asked about. */
function refuseNotify(profile: OciSeccomp): void {
  const refuse = (message: string, field: string): never => {
    throw new GantryError("invalid", `seccomp: ${message}`, { field: `seccomp.${field}` });
  };
  if (profile.defaultAction === "SCMP_ACT_NOTIFY")
    refuse("SCMP_ACT_NOTIFY cannot be used as default action", "defaultAction");
  const asked = profile.syscalls?.filter(({ action }) => action === "SCMP_ACT_NOTIFY") ?? [];
  if (asked.some(({ names }) => names.includes("sendmsg")))
    refuse("SCMP_ACT_NOTIFY cannot be used for the sendmsg syscall", "syscalls");
  if (asked.length > 0 && !profile.listenerPath) refuse("SCMP_ACT_NOTIFY needs a listenerPath", "listenerPath");
}

function compile(profile: OciSeccomp, native: Architecture): Buffer {
  refuseNotify(profile);
  const fallback = returnValue(profile.defaultAction, profile.defaultErrnoRet);
  const architectures = wanted(profile, native);
  return assembleFilter(
    architectures.map((architecture) => ({
      audit: auditArchitecture(architecture),
      rules: rulesFor(profile, architecture, fallback),
      ...(profile.defaultAction === "SCMP_ACT_ERRNO" && { beyond: newest(profile, architecture) }),
    })),
    fallback,
    returnValue("SCMP_ACT_ERRNO", constants.errno.ENOSYS),
  );
}

function wanted(profile: OciSeccomp, native: Architecture): readonly Architecture[] {
  const named = (profile.architectures ?? []).flatMap((name) => {
    if (!name.startsWith("SCMP_ARCH_")) {
      throw new GantryError("invalid", `seccomp: unknown architecture ${name}`, { field: "seccomp.architectures" });
    }
    const architecture = ARCHITECTURES[name];
    // Only the machine's own calls, and those of its 32-bit programs, can occur.
    const possible = architecture === native || (native === "x86_64" && architecture === "x86");
    return architecture !== undefined && possible ? [architecture] : [];
  });
  return Array.from(new Set([native, ...named]));
}

/** Rules of one architecture by call number; calls that it does not have are left out, as libseccomp does. */
function rulesFor(
  profile: OciSeccomp,
  architecture: Architecture,
  fallback: number,
): ReadonlyMap<number, readonly Rule[]> {
  const numbers = syscallNumbers(architecture);
  const rules = new Map<number, Rule[]>();
  for (const { names, action, errnoRet, args } of profile.syscalls ?? []) {
    const value = returnValue(action, errnoRet);
    if (value === fallback) continue;
    const alternatives = ruleArguments(args ?? []);
    for (const name of names) {
      const number = numbers.get(name);
      if (number === undefined) continue;
      const list = rules.get(number) ?? [];
      list.push(...alternatives.map((conditions) => ({ conditions, value })));
      rules.set(number, list);
    }
  }
  return rules;
}

function newest(profile: OciSeccomp, architecture: Architecture): number {
  const numbers = syscallNumbers(architecture);
  const named = (profile.syscalls ?? []).flatMap(({ names }) => names.map((name) => numbers.get(name) ?? -1));
  return named.reduce((most, number) => Math.max(most, number), -1);
}
