import type { MountPoint } from "#containers/engine.ts";

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
