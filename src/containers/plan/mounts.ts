import { posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { OciMount, OciSpec } from "#formats/oci-spec.ts";
import type { Step } from "#linux/launch-plan.ts";
import { cgroupMountSteps } from "./cgroup-mounts.ts";
import type { PlanHost } from "./host.ts";
import { parseMountOptions, refuseBindData, type MountOptions } from "./mount-options.ts";
import { idMapOf, type OpenMounts } from "./open-mounts.ts";
import { userNamespaceOf } from "./user-namespace.ts";

/** Files below /proc that may be covered, so that a container sees its own numbers (lxcfs); as in runc. */
const COVERABLE: ReadonlySet<string> = new Set(
  [
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
    "net/dev",
    "sys/kernel/ns_last_pid",
    "sys/crypto/fips_enabled",
  ].map((file) => `/proc/${file}`),
);

/** The steps for all mounts of a specification, in its order. */
export function mountSteps(spec: OciSpec, host: PlanHost, open: OpenMounts): readonly Step[] {
  return (spec.mounts ?? []).flatMap((mount) => stepsFor(mount, spec, host, open));
}

function stepsFor(mount: OciMount, spec: OciSpec, host: PlanHost, open: OpenMounts): readonly Step[] {
  const target = destinationOf(mount);
  const options = parseMountOptions(mount.options ?? [], target);
  const idMap = idMapOf(mount, options.idMap, target, userNamespaceOf(spec));
  if (mount.type === "bind" || options.bind) return open.bind(bindStep(mount, target, options, host), idMap);
  if (idMap.map !== 0)
    throw new GantryError("invalid", `mount ${target}: only binds can have mapped ids`, {
      field: "mounts.uidMappings",
    });
  refuseInsideProc(target, mount);
  if (mount.type === "cgroup" || mount.type === "cgroup2") return cgroupMountSteps(target, options, spec, host, open);
  return [newMountStep(mount, target, options, spec.linux?.mountLabel ?? "")];
}

/** Absolute and without "." and "..": links are resolved by the shim, inside the root. */
function destinationOf({ destination }: OciMount): string {
  if (destination === "")
    throw new GantryError("invalid", "a mount has no destination", { field: "mounts.destination" });
  return posix.resolve("/", destination);
}

function bindStep(
  mount: OciMount,
  target: string,
  options: MountOptions,
  host: PlanHost,
): Extract<Step, { step: "bind" }> {
  if (!mount.source)
    throw new GantryError("invalid", `mount ${target}: a bind has no source`, { field: "mounts.source" });
  refuseBindData(options, target);
  const isWholeProc = target === "/proc" && posix.resolve(mount.source) === "/proc";
  if (!isWholeProc) refuseInsideProc(target, mount);
  return {
    step: "bind",
    source: mount.source,
    below: host.subpaths?.get(mount.destination) ?? "",
    target,
    recursive: options.recursive,
    set: options.set,
    clear: options.clear,
    setBelow: options.setBelow,
    clearBelow: options.clearBelow,
    propagation: options.propagation,
    overProc: isWholeProc || COVERABLE.has(target),
  };
}

/** A mount over /proc, or inside it, would defeat masked and read-only paths (CVE-2019-19921). The shim asks the kernel as well. */
function refuseInsideProc(target: string, mount: OciMount): void {
  const isInside = target === "/proc" ? mount.type !== "proc" : target.startsWith("/proc/");
  if (!isInside || COVERABLE.has(target)) return;
  throw new GantryError("invalid", `"${target}" cannot be mounted because it is inside /proc`, {
    field: "mounts.destination",
  });
}

/** File systems that SELinux does not label as a whole. */
const UNLABELED: ReadonlySet<string> = new Set(["proc", "sysfs", "mqueue"]);

function newMountStep(mount: OciMount, target: string, options: MountOptions, label: string): Step {
  if (!mount.type) throw new GantryError("invalid", `mount ${target}: no type is given`, { field: "mounts.type" });
  if (options.setBelow || options.clearBelow) {
    throw new GantryError("invalid", `mount ${target}: recursive options are for binds only`, {
      field: "mounts.options",
    });
  }
  // Every devpts has been an instance of its own since Linux 4.7, and the name of the option has gone with the others.
  const data = mount.type === "devpts" ? options.data.filter((option) => option !== "newinstance") : options.data;
  if (options.copyUp && mount.type !== "tmpfs")
    throw new GantryError("invalid", `mount ${target}: tmpcopyup is for tmpfs only`, { field: "mounts.options" });
  return {
    step: options.copyUp ? "mount-copied" : "mount",
    type: mount.type,
    source: mount.source ?? mount.type,
    target,
    attributes: options.set,
    options: label === "" || UNLABELED.has(mount.type) ? data : [...data, `context=${label}`],
    propagation: options.propagation,
  };
}

/** A read-only /dev is filled first, and made so at the end. */
export function isReadOnlyDev({ destination, options }: OciMount): boolean {
  return (
    posix.resolve("/", destination) === "/dev" &&
    (options?.lastIndexOf("ro") ?? -1) > (options?.lastIndexOf("rw") ?? -1)
  );
}
