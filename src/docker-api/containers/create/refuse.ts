import { GantryError } from "#base/errors.ts";
import type { DockerConfig, DockerHostConfig } from "#formats/docker-config.ts";

/** Runtimes that a container may name: all of them are Gantry's own. */
const RUNTIMES = new Set(["", "gantry", "runc", "io.containerd.runc.v2"]);

const WINDOWS_ONLY = ["CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth"] as const;

/** Refuses by name what Gantry does not do, rather than ignore it. */
export function refuseUnsupported(config: DockerConfig, host: DockerHostConfig): void {
  if (!RUNTIMES.has(host.Runtime ?? ""))
    throw new GantryError("invalid", `unknown or invalid runtime name: ${host.Runtime}`, { field: "Runtime" });
  if (Object.keys(host.StorageOpt ?? {}).length > 0) {
    throw new GantryError(
      "invalid",
      "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
      { field: "StorageOpt" },
    );
  }
  for (const field of WINDOWS_ONLY) if (host[field]) throw unsupported(field);
  if (host.Cgroup) throw unsupported("Cgroup");
  if (config.OnBuild?.length) throw unsupported("OnBuild");
}

function unsupported(field: string): GantryError {
  return new GantryError("unsupported", `${field} is not supported`, { field });
}
