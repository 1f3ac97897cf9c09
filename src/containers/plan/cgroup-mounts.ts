import { posix } from "node:path";
import type { OciSpec } from "#formats/oci-spec.ts";
import type { Step } from "#linux/launch-plan.ts";
import type { PlanHost } from "./host.ts";
import { MOUNT_ATTR_RDONLY, type MountOptions } from "./mount-options.ts";
import { NOT_MAPPED, type OpenMounts } from "./open-mounts.ts";

/** /sys/fs/cgroup: the version 2 tree, or a directory with a mount for each version 1 hierarchy. As runc makes it. */
export function cgroupMountSteps(
  target: string,
  options: MountOptions,
  spec: OciSpec,
  { cgroup }: PlanHost,
  open: OpenMounts,
): readonly Step[] {
  if (!cgroup) return [];
  const attributes = options.set;
  const propagation = options.propagation;
  if (cgroup.layout.mode === "v2") {
    return [{ step: "mount", type: "cgroup2", source: "cgroup", target, attributes, options: [], propagation }];
  }
  const namespaces = spec.linux?.namespaces ?? [];
  const namespace = namespaces.find(({ type }) => type === "cgroup");
  // The root of a namespace that is joined, or that another user namespace owns, is shown by a mount of its own. That of a new one is the
  // container's own directory: a bind shows the same, without the kernel's one lock for all cgroups, which a mount waits for.
  const isOwn =
    namespace !== undefined && (namespace.path !== undefined || namespaces.some(({ type }) => type === "user"));
  const writable = attributes & ~MOUNT_ATTR_RDONLY;
  const steps: Step[] = [
    { step: "mount", type: "tmpfs", source: "tmpfs", target, attributes: writable, options: ["mode=755"], propagation },
  ];
  for (const { mountpoint, controllers } of cgroup.layout.hierarchies) {
    const name = posix.basename(mountpoint);
    const place = posix.join(target, name);
    const own: Step = {
      step: "mount",
      type: "cgroup",
      source: "cgroup",
      target: place,
      attributes,
      options: controllers,
      propagation,
    };
    const host = bindOf(posix.join(mountpoint, cgroup.path), place, attributes, propagation);
    steps.push(...(isOwn ? [own] : open.bind(host, NOT_MAPPED)));
    for (const controller of controllers) {
      if (controllers.length > 1) steps.push({ step: "symlink", target: name, path: posix.join(target, controller) });
    }
  }
  if (attributes & MOUNT_ATTR_RDONLY) {
    steps.push({ step: "remount", target, set: MOUNT_ATTR_RDONLY, clear: 0, recursive: false, propagation: 0 });
  }
  return steps;
}

/** The container sees its own directory, and what lies above it nowhere. */
function bindOf(
  source: string,
  target: string,
  attributes: number,
  propagation: number,
): Extract<Step, { step: "bind" }> {
  const below = { below: "", recursive: false, clear: 0, setBelow: 0, clearBelow: 0 };
  return { step: "bind", source, target, set: attributes, propagation, overProc: false, ...below };
}
