import { GantryError } from "#base/errors.ts";
import type { Container, Namespaces } from "#containers/engine.ts";
import type { DockerHostConfig } from "#formats/docker-config.ts";

/** Finds a container for `container:<name|id>` modes. */
export type FindContainer = (reference: string) => Container | undefined;

/** The namespaces that a HostConfig asks for. Throws `invalid` when a container to join is not there. */
export function namespacesOf(host: DockerHostConfig, find: FindContainer): Namespaces {
  return {
    network: networkNamespace(host.NetworkMode ?? "bridge", find),
    pid: joined(host.PidMode, find) ?? { kind: host.PidMode === "host" ? "host" : "new" },
    ipc: joined(host.IpcMode, find) ?? { kind: ipcKind(host.IpcMode) },
    uts: utsNamespace(host),
    cgroup: host.CgroupnsMode === "host" || (host.Privileged && !host.CgroupnsMode) ? "host" : "private",
  };
}

function networkNamespace(mode: string, find: FindContainer): Namespaces["network"] {
  if (mode === "host" || mode === "none") return { kind: mode };
  return joined(mode, find) ?? { kind: "new" };
}

/** A container on the host's network has the host's name too (moby daemon/oci_linux.go). */
function utsNamespace(host: DockerHostConfig): Namespaces["uts"] {
  return { kind: host.UTSMode === "host" ? "host" : "new" };
}

function ipcKind(mode: string | undefined): "private" | "shareable" | "host" | "none" {
  return mode === "shareable" || mode === "host" || mode === "none" ? mode : "private";
}

function joined(mode: string | undefined, find: FindContainer): { kind: "container"; id: string } | undefined {
  const reference = /^container:(.+)$/.exec(mode ?? "")?.[1];
  if (reference === undefined) return undefined;
  const container = find(reference);
  // Not Docker's 404: the CLI would take it for a missing image, and pull.
  if (!container) throw new GantryError("invalid", `No such container: ${reference}`, { reference });
  return { kind: "container", id: container.id };
}

/** The modes with names replaced by ids, so that they hold when the other container is renamed. */
export function pinModes(host: DockerHostConfig, find: FindContainer): DockerHostConfig {
  const pinned = { ...host };
  for (const field of ["NetworkMode", "PidMode", "IpcMode"] as const) {
    const target = joined(host[field], find);
    if (target) pinned[field] = `container:${target.id}`;
  }
  return pinned;
}
