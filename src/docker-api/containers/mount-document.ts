import type { Container, MountPoint } from "#containers/engine.ts";
import { hostConfigOf } from "./documents.ts";

/** inspect's and list's mount. */
export function mountDocument(mount: MountPoint): object {
  return {
    Type: mount.type,
    ...(mount.name !== undefined && { Name: mount.name }),
    Source: mount.source,
    Destination: mount.destination,
    ...(mount.driver !== undefined && { Driver: mount.driver }),
    Mode: mount.mode,
    RW: !mount.readonly,
    Propagation: mount.propagation,
  };
}

/** Docker lists a tmpfs among the mounts only when it came by `--mount`. */
export function shownMounts(container: Container): readonly MountPoint[] {
  if (!container.mounts.some(({ type }) => type === "tmpfs")) return container.mounts;
  const asked = (hostConfigOf(container)["Mounts"] ?? []) as readonly { Type?: string; Target?: string }[];
  const targets = new Set(asked.filter(({ Type }) => Type === "tmpfs").map(({ Target }) => Target));
  return container.mounts.filter(({ type, destination }) => type !== "tmpfs" || targets.has(destination));
}
