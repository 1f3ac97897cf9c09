import { GantryError } from "#base/errors.ts";
import type { OciNamespaceType, OciSpec } from "#formats/oci-spec.ts";
import type { Step } from "#linux/launch-plan.ts";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from "#linux/syscalls.ts";

const FLAGS: Partial<Record<OciNamespaceType, number>> = {
  mount: CLONE_NEWNS,
  uts: CLONE_NEWUTS,
  ipc: CLONE_NEWIPC,
  pid: CLONE_NEWPID,
  network: CLONE_NEWNET,
  cgroup: CLONE_NEWCGROUP,
  user: CLONE_NEWUSER,
  time: CLONE_NEWTIME,
};

/** The types of namespaces that a specification may name. */
export const NAMESPACES: readonly string[] = Object.keys(FLAGS);

interface Namespaces {
  /** CLONE_NEW… bits of those that are made. */
  readonly made: number;
  readonly joined: readonly { readonly type: OciNamespaceType; readonly flag: number; readonly path: string }[];
  readonly all: number;
}

/** Throws `unsupported` without a mount namespace, `invalid` for a type that is none and for one named twice. */
export function readNamespaces(spec: OciSpec): Namespaces {
  const joined: Namespaces["joined"][number][] = [];
  let [made, all] = [0, 0];
  for (const { type, path } of spec.linux?.namespaces ?? []) {
    const flag = FLAGS[type];
    if (flag === undefined)
      throw new GantryError("invalid", `unknown namespace ${JSON.stringify(type)}`, {
        field: "linux.namespaces",
        type,
      });
    if (all & flag)
      throw new GantryError("invalid", `the ${type} namespace is named twice`, { field: "linux.namespaces", type });
    all |= flag;
    if (path) joined.push({ type, flag, path });
    else made |= flag;
  }
  if (!(all & CLONE_NEWNS)) {
    throw new GantryError("unsupported", "containers without a mount namespace are not supported", {
      field: "linux.namespaces",
    });
  }
  return { made, joined, all };
}

/**
 * Makes the process in its namespaces. The cgroup namespace comes later: its root is the cgroup that the process is in when it is made.
 * With a user namespace (`first`) it is a first process, with a mount namespace of the host's, that prepares the container's own.
 */
export function birthSteps({ made, joined }: Namespaces, first: boolean): readonly Step[] {
  if (first) return [{ step: "clone", namespaces: CLONE_NEWNS }];
  const pid = joined.find(({ type }) => type === "pid");
  return [
    ...(pid ? [{ step: "pid-namespace", path: pid.path } as const] : []),
    { step: "clone", namespaces: made & ~(CLONE_NEWCGROUP | CLONE_NEWTIME) },
  ];
}

/** A first process enters the pid namespace too, for its child. */
export function joinSteps({ joined }: Namespaces, first: boolean): readonly Step[] {
  return joined
    .filter(({ type }) => type !== "user" && type !== "mount" && (type !== "pid" || first))
    .map(({ path, flag }): Step => ({ step: "setns", path, namespace: flag }));
}

/** The last to be entered: from there on paths mean something else. */
export function joinMountSteps({ joined }: Namespaces): readonly Step[] {
  return joined
    .filter(({ type }) => type === "mount")
    .map(({ path, flag }): Step => ({ step: "setns", path, namespace: flag }));
}

const CLOCKS: ReadonlySet<string> = new Set(["monotonic", "boottime"]);

/** A time namespace has its clocks set before anything is in it. Throws `invalid` for clocks that have no offsets, or no namespace. */
export function timeSteps({ made }: Namespaces, { linux }: OciSpec): readonly Step[] {
  const offsets = Object.entries(linux?.timeOffsets ?? {});
  const refuse = (message: string): never => {
    throw new GantryError("invalid", message, { field: "linux.timeOffsets" });
  };
  if (!(made & CLONE_NEWTIME)) return offsets.length === 0 ? [] : refuse("time offsets need a new time namespace");
  const lines = offsets.map(([clock, { secs = 0, nanosecs = 0 }]) => {
    if (!CLOCKS.has(clock)) refuse(`the clock ${JSON.stringify(clock)} has no offset`);
    if (!Number.isInteger(secs) || !Number.isInteger(nanosecs) || nanosecs < 0 || nanosecs > 999_999_999)
      refuse(`${clock}: invalid time offset`);
    return `${clock} ${secs} ${nanosecs}\n`;
  });
  return [
    { step: "unshare", namespaces: CLONE_NEWTIME },
    ...(lines.length > 0 ? [{ step: "time-offsets", offsets: lines.join("") } as const] : []),
    { step: "enter-time" },
  ];
}
