import { GantryError } from "#base/errors.ts";
import type { OciProcess, OciSpec } from "#formats/oci-spec.ts";
import type { RootMount } from "#images/image-store.ts";
import type { Cgroup } from "#linux/cgroups.ts";
import type { LaunchPlan, Step } from "#linux/launch-plan.ts";
import { MS_REC, MS_SLAVE } from "#linux/mounts.ts";
import { notifies } from "#linux/seccomp.ts";
import { CLONE_NEWCGROUP, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER } from "#linux/syscalls.ts";
import { birthSteps, joinMountSteps, joinSteps, readNamespaces, timeSteps } from "./plan/namespaces.ts";
import { openMounts } from "./plan/open-mounts.ts";
import { execStep, findStep, identitySteps, listenerSteps, streamSteps } from "./plan/process.ts";
import { hookSteps, refuseHooks, type HookState } from "./plan/hooks.ts";
import { rlimitSteps } from "./plan/limits.ts";
import { refuseUnsupported } from "./plan/refuse.ts";
import { isBare, rootSteps } from "./plan/root.ts";
import { sysctlSteps } from "./plan/sysctls.ts";
import { hostId, userNamespaceOf, userNamespaceStep, type UserNamespace } from "./plan/user-namespace.ts";

/** What a launch needs to know of the machine, beside the specification. */
export interface LaunchHost {
  /** How the root is made; undefined: `spec.root.path` is bound, and a sandbox without one gets an empty root. */
  readonly root?: RootMount;
  /** The container's cgroup, made already: joined before anything runs, watched for out-of-memory kills, mounted at /sys/fs/cgroup. */
  readonly cgroup?: Pick<Cgroup, "path" | "layout" | "procsFiles" | "memory">;
  /** Names the session keyring (`_ses.<id>`, as runc does). */
  readonly id: string;
  /** False: the process stays in the session keyring of whoever starts it. */
  readonly keyring?: boolean;
  /**
   * "notify": the plan tells `namespaces` as soon as they exist and waits in `pause` before it executes the process, so that the
   * network can be made meanwhile; "created": it waits there for someone else to start it, with nothing left for a shim to do; "none":
   * it runs through.
   */
  readonly pause: "notify" | "created" | "none";
  /** What hooks are told of the container, beside its process id. Without it a specification's hooks are refused. */
  readonly hookState?: HookState;
  /** Run the process under a small init that reaps and passes signals on (`docker run --init`). */
  readonly init?: boolean;
  /** Instead of a process: stay, reap, and end on SIGTERM (a pod's sandbox). `spec.process.args` may be empty. */
  readonly sandbox?: boolean;
  /** Mount destination → path inside its source, resolved there without leaving it (subPath). */
  readonly subpaths?: ReadonlyMap<string, string>;
}

/** The container's first process, in its shim's terms. */
const INIT = "init";

/**
 * The steps that make a container from its OCI specification (1.2): namespaces, root, mounts, devices, limits, identity, exec.
 * Pure. Throws `unsupported` for what Gantry does not do, `invalid` for what the specification forbids; both name the field.
 */
export function planLaunch(spec: OciSpec, host: LaunchHost): LaunchPlan {
  refuseUnsupported(spec);
  const process = isBare(spec, host) ? { ...processOf(spec), cwd: "/" } : processOf(spec);
  const namespaces = readNamespaces(spec);
  refuseHooks(spec, host);
  const userNamespace = userNamespaceOf(spec);
  const open = openMounts(userNamespace);
  const root = rootSteps(spec, process, host, open);
  const notify: readonly Step[] = host.pause === "notify" ? [{ step: "notify", tag: "namespaces" }] : [];
  const steps: Step[] = [
    ...birthSteps(namespaces, userNamespace !== undefined),
    ...(userNamespace ? [] : notify),
    ...cgroupSteps(process, host),
    ...joinSteps(namespaces, userNamespace !== undefined),
    ...listenerSteps(spec.linux?.seccomp),
    ...(userNamespace ? preparationSteps(process, userNamespace, open.ahead) : []),
    ...joinMountSteps(namespaces),
    ...(userNamespace ? [rebirthStep(namespaces.made), ...notify] : []),
    ...timeSteps(namespaces, spec),
    ...(!userNamespace && namespaces.made & CLONE_NEWCGROUP
      ? [{ step: "unshare", namespaces: CLONE_NEWCGROUP } as const]
      : []),
    ...(namespaces.made & CLONE_NEWNET ? [{ step: "loopback" } as const] : []),
    ...(host.keyring === false ? [] : [{ step: "keyring", name: `_ses.${host.id}` } as const]),
    ...(spec.hostname ? [{ step: "hostname", name: spec.hostname } as const] : []),
    ...(spec.domainname ? [{ step: "domainname", name: spec.domainname } as const] : []),
    ...(hasSysctlsFirst(spec, host) ? sysctlSteps(spec) : []),
    ...root,
    ...pauseSteps(hasSysctlsFirst(spec, host) ? withoutSysctls(spec) : spec, process, host),
    ...personalitySteps(spec),
    ...identitySteps(process, spec.linux?.seccomp, {
      withLimits: host.pause !== "created",
      hookState: host.hookState,
    }),
    ...(host.init ? [{ step: "init" } as const] : []),
    host.sandbox ? { step: "sandbox" } : execStep(process),
  ];
  return { steps };
}

/** The steps that start one more process in a running container: `process` beside the `spec` it was launched with. */
export function planExec(
  process: OciProcess,
  spec: OciSpec,
  host: Pick<LaunchHost, "cgroup" | "id" | "hookState">,
): LaunchPlan {
  const { all } = readNamespaces(spec);
  const userNamespace = userNamespaceOf(spec);
  const steps: Step[] = [
    ...(all & CLONE_NEWPID ? [{ step: "pid-namespace-of", process: INIT } as const] : []),
    { step: "clone", namespaces: 0 },
    ...cgroupSteps(process, { ...(host.cgroup && { cgroup: { ...host.cgroup, memory: undefined } }) }),
    ...(userNamespace ? streamOwner(process, userNamespace) : []),
    ...listenerSteps(spec.linux?.seccomp),
    { step: "setns-of", process: INIT, namespaces: all & ~CLONE_NEWPID },
    ...(userNamespace ? [{ step: "root-user" } as const] : []),
    { step: "root-joined" },
    { step: "keyring", name: `_ses.${host.id}` },
    ...streamSteps(process, false),
    { step: "null-stdin" },
    ...identitySteps(process, spec.linux?.seccomp, { hookState: host.hookState }),
    execStep(process),
  ];
  return { steps };
}

function processOf({ process }: OciSpec): OciProcess {
  if (!process) throw new GantryError("invalid", "the specification has no process", { field: "process" });
  return process;
}

/** What a first process does with the host's rights: all that the container's own may not open is opened for it. */
function preparationSteps(process: OciProcess, userNamespace: UserNamespace, ahead: readonly Step[]): readonly Step[] {
  return [
    ...streamOwner(process, userNamespace),
    { step: "propagation", flags: MS_SLAVE | MS_REC },
    userNamespaceStep(userNamespace),
    ...ahead,
  ];
}

const rebirthStep = (made: number): Step => ({ step: "rebirth", namespaces: made & ~(CLONE_NEWUSER | CLONE_NEWTIME) });

/**
 * An empty root has no /proc, and without one in sight a user namespace may mount none (mount_too_revealing in fs/namespace.c): what is
 * written to it is written before.
 */
function hasSysctlsFirst(spec: OciSpec, host: LaunchHost): boolean {
  return isBare(spec, host) && userNamespaceOf(spec) !== undefined;
}

function withoutSysctls({ linux, ...spec }: OciSpec): OciSpec {
  return { ...spec, linux: { ...linux, sysctl: {} } };
}

/** What is asked of the shim comes before a pause that it does not outlive. */
function pauseSteps(spec: OciSpec, process: OciProcess, host: LaunchHost): readonly Step[] {
  switch (host.pause) {
    case "notify":
      return [{ step: "pause" }, ...sysctlSteps(spec)];
    case "none":
      return sysctlSteps(spec);
    case "created":
      return [
        ...sysctlSteps(spec),
        ...rlimitSteps(process),
        ...(host.sandbox ? [] : [findStep(process)]),
        ...(spec.hooks?.startContainer?.length || (spec.linux?.seccomp && notifies(spec.linux.seccomp))
          ? [{ step: "learn-pid" } as const]
          : []),
        { step: "pause" },
        ...hookSteps(spec, host, "startContainer"),
      ];
  }
}

/** Pipes are the host's: its user is one that the container's root may not change. */
function streamOwner({ user, terminal }: OciProcess, { uids }: UserNamespace): readonly Step[] {
  const uid = hostId(user.uid, uids);
  return uid === undefined || terminal ? [] : [{ step: "own-streams", uid }];
}

/** Before anything of the container's runs or takes memory. The shim's own score must not be inherited, so there always is one. */
function cgroupSteps(process: OciProcess, { cgroup }: Pick<LaunchHost, "cgroup">): readonly Step[] {
  return [
    ...(cgroup ? [{ step: "cgroup", files: cgroup.procsFiles } as const] : []),
    ...(cgroup?.memory ? [{ step: "watch-oom", ...cgroup.memory } as const] : []),
    { step: "oom-score", adjustment: process.oomScoreAdj ?? 0 },
  ];
}

function personalitySteps({ linux }: OciSpec): readonly Step[] {
  const domain = linux?.personality?.domain;
  if (domain === undefined) return [];
  const PER_LINUX32 = 8;
  if (domain !== "LINUX" && domain !== "LINUX32") {
    throw new GantryError("invalid", `invalid personality domain ${domain}`, { field: "linux.personality.domain" });
  }
  return [{ step: "personality", domain: domain === "LINUX32" ? PER_LINUX32 : 0 }];
}
