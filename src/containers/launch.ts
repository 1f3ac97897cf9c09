import type { OciProcess, OciSpec } from "#formats/oci-spec.ts";
import type { RootMount } from "#images/image-store.ts";
import type { Cgroup } from "#linux/cgroups.ts";
import type { LaunchPlan } from "#linux/launch-plan.ts";
import { GantryError } from "#base/errors.ts";

/** What a launch needs to know of the machine, beside the specification. */
export interface LaunchHost {
  /** How the root is made; undefined: `spec.root.path` is bound. */
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

/**
 * The steps that make a container from its OCI specification (1.2): namespaces, root, mounts, devices, limits, identity, exec.
 * Pure. Throws `unsupported` for what Gantry does not do, `invalid` for what the specification forbids; both name the field.
 */
export function planLaunch(_spec: OciSpec, _host: LaunchHost): LaunchPlan {
  throw new GantryError("internal", "planLaunch is being written");
}

/** The steps that start one more process in a running container: `process` beside the `spec` it was launched with. */
export function planExec(_process: OciProcess, _spec: OciSpec, _host: Pick<LaunchHost, "cgroup" | "id">): LaunchPlan {
  throw new GantryError("internal", "planExec is being written");
}
