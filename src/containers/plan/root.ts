import { posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { OciProcess, OciSpec } from "#formats/oci-spec.ts";
import type { Step } from "#linux/launch-plan.ts";
import { MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE } from "#linux/mounts.ts";
import type { LaunchHost } from "../launch.ts";
import { deviceSteps } from "./devices.ts";
import { hookSteps } from "./hooks.ts";
import { MOUNT_ATTR_RDONLY } from "./mount-options.ts";
import { isReadOnlyDev, mountSteps } from "./mounts.ts";
import { MAPPED_AS_CONTAINER, NOT_MAPPED, type OpenMounts } from "./open-mounts.ts";
import { streamSteps, workingDirectory } from "./process.ts";
import { rootIds, userNamespaceOf } from "./user-namespace.ts";

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

/** Makes the root with all that is mounted and made in it, and goes there. */
export function rootSteps(spec: OciSpec, process: OciProcess, host: LaunchHost, open: OpenMounts): readonly Step[] {
  const wanted = spec.linux?.rootfsPropagation;
  const propagation = wanted ? PROPAGATIONS[wanted] : undefined;
  if (wanted && propagation === undefined) {
    throw new GantryError("invalid", `rootfsPropagation=${wanted} is not supported`, {
      field: "linux.rootfsPropagation",
    });
  }
  // Opened before all others: the first mount's number is 0.
  const rootStep = makeRoot(spec, host, open);
  const mounted: readonly Step[] = isBare(spec, host)
    ? []
    : [
        ...mountSteps(withoutReadOnlyDev(spec), host, open),
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
    rootStep,
    ...mounted,
    ...hookSteps(spec, host, "prestart"),
    ...hookSteps(spec, host, "createRuntime"),
    ...hookSteps(spec, host, "createContainer"),
    { step: "pivot" },
    { step: "null-stdin" },
    ...(propagation !== undefined ? [{ step: "propagation", flags: propagation } as const] : []),
    ...(spec.mounts?.some(isReadOnlyDev) ? [readOnly("/dev")] : []),
    ...(spec.root?.readonly ? [readOnly("/")] : []),
  ];
}

/** A sandbox that has no files: nothing is mounted for it either. */
export function isBare(spec: OciSpec, host: LaunchHost): boolean {
  return host.sandbox === true && host.root === undefined && !spec.root?.path;
}

/** With a user namespace a root of ours has its ids (on disk they stay as they are); that of a bundle has them already. */
function makeRoot(spec: OciSpec, host: LaunchHost, open: OpenMounts): Step {
  const { root } = host;
  const userNamespace = userNamespaceOf(spec);
  // A root is mounted over a directory that the container's own mount namespace has no other use for.
  if (isBare(spec, host)) return { step: "root-empty", target: EMPTY_PLACE };
  if (root?.kind === "overlay") {
    const { lower, upper, work } = root;
    const label = spec.linux?.mountLabel;
    const options = label ? `index=off,context="${label}"` : "index=off";
    if (!userNamespace) return { step: "root-overlay", lower, upper, work, target: upper, options };
    const mount = open.open({ step: "open-overlay", lower, upper, work, options, ...rootIds(userNamespace) });
    return { step: "root-attach", mount, target: EMPTY_PLACE };
  }
  const source = root?.source ?? bundleRoot(spec);
  if (!userNamespace) return { step: "root-bind", source, target: source };
  const mount = open.open({
    step: "open-tree",
    source,
    below: "",
    recursive: true,
    set: 0,
    clear: 0,
    setBelow: 0,
    clearBelow: 0,
    propagation: MS_PRIVATE,
    ...(root ? MAPPED_AS_CONTAINER : NOT_MAPPED),
  });
  return { step: "root-attach", mount, target: EMPTY_PLACE };
}

/** There on every host, and open to everyone. */
const EMPTY_PLACE = "/proc";

function bundleRoot({ root }: OciSpec): string {
  if (root?.path.startsWith("/")) return root.path;
  throw new GantryError("invalid", "root.path must be an absolute path", { field: "root.path" });
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

function absolute(path: string, field: string): string {
  if (!path.startsWith("/"))
    throw new GantryError("invalid", `${field}: ${JSON.stringify(path)} is not absolute`, { field: `linux.${field}` });
  return posix.resolve(path);
}
