import { posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { OciProcess, OciSeccomp } from "#formats/oci-spec.ts";
import type { Step } from "#linux/launch-plan.ts";
import { compileSeccomp, NEW_LISTENER, notifies, seccompFlags } from "#linux/seccomp.ts";
import { capabilitySets } from "./capabilities.ts";
import { processStateAround, type HookState } from "./hooks.ts";
import { rlimitSteps, schedulingSteps } from "./limits.ts";

/** The largest id that is one everywhere: what is stored in 32 bits with a sign must not wrap to root (CVE-2024-40635). */
const LARGEST_ID = 2 ** 31 - 1;
const DEFAULT_UMASK = 0o022;

/** From here on the process becomes what it is to be; what follows executes it. */
export function identitySteps(
  process: OciProcess,
  seccomp: OciSeccomp | undefined,
  { withLimits = true, hookState }: { readonly withLimits?: boolean; readonly hookState?: HookState | undefined } = {},
): readonly Step[] {
  const { uid, gid, umask = DEFAULT_UMASK, additionalGids = [] } = process.user;
  checkIds([uid, gid, ...additionalGids]);
  const cwd = workingDirectory(process);
  const sets = capabilitySets(process);
  const filter: readonly Step[] = seccomp ? [filterStep(seccomp, hookState)] : [];
  const noNewPrivileges = process.noNewPrivileges ?? false;
  return [
    ...schedulingSteps(process),
    ...(withLimits ? rlimitSteps(process) : []),
    ...labelSteps(process),
    { step: "umask", mask: umask },
    { step: "own-streams", uid },
    { step: "chdir", path: cwd, last: false },
    // Loading a filter needs CAP_SYS_ADMIN or no_new_privs: with the latter it comes last, so that it need not allow what leads there.
    ...(noNewPrivileges ? [] : filter),
    { step: "bounding", keep: sets.bounding },
    { step: "user", uid, gid, groups: additionalGids },
    { step: "chdir", path: cwd, last: true },
    {
      step: "capabilities",
      effective: sets.effective,
      permitted: sets.permitted,
      inheritable: sets.inheritable,
      ambient: sets.ambient,
    },
    ...(noNewPrivileges ? [{ step: "no-new-privileges" } as const, ...filter] : []),
  ];
}

function filterStep(seccomp: OciSeccomp, state: HookState | undefined): Step {
  const filter = compileSeccomp(seccomp);
  const flags = seccompFlags(seccomp);
  if (!notifies(seccomp)) return { step: "seccomp", filter, flags };
  if (!state)
    throw new GantryError("unsupported", "seccomp listeners are not supported", { field: "seccomp.listenerPath" });
  const [before, after] = processStateAround(state, seccomp.listenerMetadata);
  return { step: "seccomp-notify", filter, flags: flags | NEW_LISTENER, before, after };
}

/** Connects to who answers a filter's questions: on the host, before the process leaves it. */
export function listenerSteps(seccomp: OciSeccomp | undefined): readonly Step[] {
  return seccomp?.listenerPath && notifies(seccomp) ? [{ step: "seccomp-listener", path: seccomp.listenerPath }] : [];
}

export function workingDirectory({ cwd }: OciProcess): string {
  if (!cwd.startsWith("/"))
    throw new GantryError("invalid", `Cwd must be an absolute path: ${JSON.stringify(cwd)}`, { field: "process.cwd" });
  return posix.resolve(cwd);
}

export function execStep(process: OciProcess): Step {
  return { step: "exec", ...programOf(process) };
}

/** Tells early that the program is not there. */
export function findStep(process: OciProcess): Step {
  return { step: "find-program", ...programOf(process) };
}

function programOf(process: OciProcess): { arguments: readonly string[]; environment: readonly string[] } {
  if (process.args.length === 0 || process.args[0] === "") {
    throw new GantryError("invalid", "args must not be empty", { field: "process.args" });
  }
  return { arguments: process.args, environment: process.env ?? [] };
}

/** In the container's root: its terminal when it has one, and its own null device in the place of the host's. */
export function streamSteps(process: OciProcess, console: boolean): readonly Step[] {
  return process.terminal ? [{ step: "terminal", console, uid: process.user.uid }] : [];
}

function labelSteps({ apparmorProfile, selinuxLabel }: OciProcess): readonly Step[] {
  const confined = apparmorProfile !== undefined && apparmorProfile !== "" && apparmorProfile !== "unconfined";
  return [
    ...(confined ? [{ step: "apparmor", profile: apparmorProfile } as const] : []),
    ...(selinuxLabel ? [{ step: "selinux", label: selinuxLabel } as const] : []),
  ];
}

function checkIds(ids: readonly number[]): void {
  for (const id of ids) {
    if (Number.isInteger(id) && id >= 0 && id <= LARGEST_ID) continue;
    throw new GantryError("invalid", `uids and gids must be in range 0-${LARGEST_ID}, ${id} is not`, {
      field: "process.user",
    });
  }
}
