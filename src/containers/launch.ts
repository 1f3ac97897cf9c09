import { posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { OciProcess, OciSpec } from "#formats/oci-spec.ts";
import type { RootMount } from "#images/image-store.ts";
import type { Cgroup } from "#linux/cgroups.ts";
import type { LaunchPlan, Step } from "#linux/launch-plan.ts";
import { MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from "#linux/mounts.ts";
import { CLONE_NEWCGROUP, CLONE_NEWNET, CLONE_NEWPID } from "#linux/syscalls.ts";
import { deviceSteps } from "./plan/devices.ts";
import { MOUNT_ATTR_RDONLY } from "./plan/mount-options.ts";
import { isReadOnlyDev, mountSteps } from "./plan/mounts.ts";
import { birthSteps, joinSteps, readNamespaces } from "./plan/namespaces.ts";
import { execStep, identitySteps, streamSteps, workingDirectory } from "./plan/process.ts";
import { refuseUnsupported } from "./plan/refuse.ts";
import { sysctlSteps } from "./plan/sysctls.ts";

/** What a launch needs to know of the machine, beside the specification. */
export interface LaunchHost {
  /** How the root is made; undefined: `spec.root.path` is bound, and a sandbox without one gets an empty root. */
  readonly root?: RootMount;
  /** The container's cgroup, made already: joined before anything runs, watched for out-of-memory kills, mounted at /sys/fs/cgroup. */
  readonly cgroup?: Pick<Cgroup, "path" | "layout" | "procsFiles" | "memory">;
  /** Names the session keyring (`_ses.<id>`, as runc does). */
  readonly id: string;
  /**
   * "notify": the plan tells `namespaces` as soon as they exist and waits in `pause` before it executes the process, so that the
   * network can be made meanwhile; "none": it runs through.
   */
  readonly pause: "notify" | "none";
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
  const steps: Step[] = [
    ...birthSteps(namespaces),
    ...(host.pause === "notify" ? [{ step: "notify", tag: "namespaces" } as const] : []),
    ...cgroupSteps(process, host),
    ...joinSteps(namespaces),
    ...(namespaces.made & CLONE_NEWCGROUP ? [{ step: "unshare", namespaces: CLONE_NEWCGROUP } as const] : []),
    ...(namespaces.made & CLONE_NEWNET ? [{ step: "loopback" } as const] : []),
    { step: "keyring", name: `_ses.${host.id}` },
    ...(spec.hostname ? [{ step: "hostname", name: spec.hostname } as const] : []),
    ...(spec.domainname ? [{ step: "domainname", name: spec.domainname } as const] : []),
    ...rootSteps(spec, process, host),
    ...(host.pause === "notify" ? [{ step: "pause" } as const] : []),
    ...sysctlSteps(spec),
    ...personalitySteps(spec),
    ...identitySteps(process, spec.linux?.seccomp),
    ...(host.init ? [{ step: "init" } as const] : []),
    host.sandbox ? { step: "sandbox" } : execStep(process),
  ];
  return { steps };
}

/** The steps that start one more process in a running container: `process` beside the `spec` it was launched with. */
export function planExec(process: OciProcess, spec: OciSpec, host: Pick<LaunchHost, "cgroup" | "id">): LaunchPlan {
  const { all } = readNamespaces(spec);
  const steps: Step[] = [
    ...(all & CLONE_NEWPID ? [{ step: "pid-namespace-of", process: INIT } as const] : []),
    { step: "clone", namespaces: 0 },
    ...cgroupSteps(process, { ...(host.cgroup && { cgroup: { ...host.cgroup, memory: undefined } }) }),
    { step: "setns-of", process: INIT, namespaces: all & ~CLONE_NEWPID },
    { step: "root-joined" },
    { step: "keyring", name: `_ses.${host.id}` },
    ...streamSteps(process, false),
    { step: "null-stdin" },
    ...identitySteps(process, spec.linux?.seccomp),
    execStep(process),
  ];
  return { steps };
}

function processOf({ process }: OciSpec): OciProcess {
  if (!process) throw new GantryError("invalid", "the specification has no process", { field: "process" });
  return process;
}

/** Before anything of the container's runs or takes memory. The shim's own score must not be inherited, so there always is one. */
function cgroupSteps(process: OciProcess, { cgroup }: Pick<LaunchHost, "cgroup">): readonly Step[] {
  return [
    ...(cgroup ? [{ step: "cgroup", files: cgroup.procsFiles } as const] : []),
    ...(cgroup?.memory ? [{ step: "watch-oom", ...cgroup.memory } as const] : []),
    { step: "oom-score", adjustment: process.oomScoreAdj ?? 0 },
  ];
}

const PROPAGATIONS: Readonly<Record<string, number>> = {
  private: MS_PRIVATE,
  rprivate: MS_PRIVATE | MS_REC,
  slave: MS_SLAVE,
  rslave: MS_SLAVE | MS_REC,
  shared: MS_SHARED,
  rshared: MS_SHARED | MS_REC,
  unbindable: MS_UNBINDABLE,
  runbindable: MS_UNBINDABLE | MS_REC,
};

function rootSteps(spec: OciSpec, process: OciProcess, host: LaunchHost): readonly Step[] {
  const wanted = spec.linux?.rootfsPropagation;
  const propagation = wanted ? PROPAGATIONS[wanted] : undefined;
  if (wanted && propagation === undefined) {
    throw new GantryError("invalid", `rootfsPropagation=${wanted} is not supported`, {
      field: "linux.rootfsPropagation",
    });
  }
  const mounted: readonly Step[] = isBare(spec, host)
    ? []
    : [
        ...mountSteps(withoutReadOnlyDev(spec), host),
        ...deviceSteps(spec),
        { step: "mkdir", path: workingDirectory(process), mode: 0o755 },
        ...(spec.linux?.maskedPaths ?? []).map((path): Step => ({ step: "mask", path: absolute(path, "maskedPaths") })),
        ...(spec.linux?.readonlyPaths ?? []).map((path): Step => ({
          step: "read-only",
          path: absolute(path, "readonlyPaths"),
        })),
        ...streamSteps(process, true),
      ];
  return [
    // What the host mounts later is seen, what the container mounts is not; a shared root keeps both.
    {
      step: "propagation",
      flags: propagation !== undefined && propagation & MS_SHARED ? propagation : MS_SLAVE | MS_REC,
    },
    rootStep(spec, host),
    ...mounted,
    { step: "pivot" },
    { step: "null-stdin" },
    ...(propagation !== undefined ? [{ step: "propagation", flags: propagation } as const] : []),
    ...(spec.mounts?.some(isReadOnlyDev) ? [readOnly("/dev")] : []),
    ...(spec.root?.readonly ? [readOnly("/")] : []),
  ];
}

/** A sandbox that has no files: nothing is mounted for it either. */
function isBare(spec: OciSpec, host: LaunchHost): boolean {
  return host.sandbox === true && host.root === undefined && !spec.root?.path;
}

function rootStep(spec: OciSpec, host: LaunchHost): Step {
  const { root } = host;
  // A root is mounted over a directory that the container's own mount namespace has no other use for.
  if (root?.kind === "overlay") {
    const { lower, upper, work } = root;
    return { step: "root-overlay", lower, upper, work, target: upper, options: "index=off" };
  }
  if (root) return { step: "root-bind", source: root.source, target: root.source };
  if (isBare(spec, host)) return { step: "root-empty", target: "/proc" };
  const path = spec.root?.path;
  if (!path?.startsWith("/"))
    throw new GantryError("invalid", "root.path must be an absolute path", { field: "root.path" });
  return { step: "root-bind", source: path, target: path };
}

function withoutReadOnlyDev(spec: OciSpec): OciSpec {
  const mounts = spec.mounts?.map((mount) =>
    isReadOnlyDev(mount) ? { ...mount, options: mount.options?.filter((option) => option !== "ro") ?? [] } : mount,
  );
  return { ...spec, ...(mounts && { mounts }) };
}

function readOnly(target: string): Step {
  return { step: "remount", target, set: MOUNT_ATTR_RDONLY, clear: 0, recursive: false, propagation: 0 };
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

function absolute(path: string, field: string): string {
  if (!path.startsWith("/"))
    throw new GantryError("invalid", `${field}: ${JSON.stringify(path)} is not absolute`, { field: `linux.${field}` });
  return posix.resolve(path);
}
