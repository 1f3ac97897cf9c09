import { GantryError } from "#base/errors.ts";
import type { Container, Namespaces, UserNamespaceMaps } from "#containers/engine.ts";
import type { DockerHostConfig } from "#formats/docker-config.ts";

/** Finds a container for `container:<name|id>` modes. */
export type FindContainer = (reference: string) => Container | undefined;

/**
 * The namespaces that a HostConfig asks for, on a daemon that may remap users. Throws `invalid` when a container to join is not there, or
 * when what is asked for does not go with user namespaces.
 */
export function namespacesOf(host: DockerHostConfig, find: FindContainer, remapped?: UserNamespaceMaps): Namespaces {
  const user = remapped && host.UsernsMode !== "host" ? remapped : undefined;
  if (user) refuseWithUserNamespace(host);
  return {
    ...(user && { user }),
    network: networkNamespace(host.NetworkMode ?? "bridge", find),
    pid: joined(host.PidMode, find) ?? { kind: host.PidMode === "host" ? "host" : "new" },
    ipc: joined(host.IpcMode, find) ?? { kind: ipcKind(host.IpcMode) },
    uts: utsNamespace(host),
    cgroup: host.CgroupnsMode === "host" || (host.Privileged && !host.CgroupnsMode) ? "host" : "private",
  };
}

/** In Docker's words (moby, daemon/daemon_unix.go: verifyPlatformContainerSettings). */
function refuseWithUserNamespace(host: DockerHostConfig): void {
  const conflicts: readonly (readonly [boolean, string, string])[] = [
    [
      host.Privileged ?? false,
      "Privileged",
      "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
    ],
    [
      host.NetworkMode === "host",
      "NetworkMode",
      "cannot share the host's network namespace when user namespaces are enabled",
    ],
    [host.PidMode === "host", "PidMode", "cannot share the host PID namespace when user namespaces are enabled"],
  ];
  for (const [isAsked, field, message] of conflicts) if (isAsked) throw new GantryError("invalid", message, { field });
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

function joined(
  mode: string | undefined,
  find: FindContainer,
  doing = "",
): { kind: "container"; id: string } | undefined {
  const reference = /^container:(.+)$/.exec(mode ?? "")?.[1];
  if (reference === undefined) return undefined;
  const container = find(reference);
  // Not Docker's 404: the CLI would take it for a missing image, and pull.
  if (!container) throw new GantryError("invalid", `${doing}No such container: ${reference}`, { reference });
  return { kind: "container", id: container.id };
}

/** The modes with names replaced by ids, so that they hold when the other container is renamed. */
export function pinModes(host: DockerHostConfig, find: FindContainer): DockerHostConfig {
  const pinned = { ...host };
  for (const field of ["NetworkMode", "PidMode", "IpcMode"] as const) {
    const target = joined(host[field], find, field === "NetworkMode" ? "joining network namespace of container: " : "");
    if (target) pinned[field] = `container:${target.id}`;
  }
  return pinned;
}
