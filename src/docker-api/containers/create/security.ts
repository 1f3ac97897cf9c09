import { GantryError } from "#base/errors.ts";
import type { Security } from "#containers/engine.ts";
import { containerCapabilities } from "#formats/docker-capabilities.ts";
import type { DockerHostConfig } from "#formats/docker-config.ts";
import { resolveSeccompProfile } from "#formats/docker-seccomp.ts";
import { parseSecurityOptions } from "#formats/docker-security.ts";
import type { Host } from "../../host/host.ts";

/** Capabilities, seccomp, AppArmor and hidden paths of a container. Throws `invalid` in Docker's words. */
export function securityOf(host: DockerHostConfig, machine: Host): { security: Security; warnings: string[] } {
  const options = parseSecurityOptions(host.SecurityOpt ?? []);
  const privileged = host.Privileged ?? false;
  const capabilities = containerCapabilities({ privileged, add: host.CapAdd ?? [], drop: host.CapDrop ?? [] });
  const warnings: string[] = [];
  if (options.labels.some((label) => label !== "disable")) {
    warnings.push("SELinux is not enabled on this host. Label options discarded.");
  }
  return {
    warnings,
    security: {
      privileged,
      capabilities,
      noNewPrivileges: options.noNewPrivileges,
      ...seccompOf(options.seccomp, privileged, capabilities, machine),
      ...appArmorOf(options.apparmor, machine),
      ...(host.MaskedPaths && { maskedPaths: host.MaskedPaths }),
      ...(host.ReadonlyPaths && { readonlyPaths: host.ReadonlyPaths }),
    },
  };
}

function seccompOf(
  option: string | undefined,
  privileged: boolean,
  capabilities: readonly string[],
  machine: Host,
): Pick<Security, "seccomp"> {
  if (option === "unconfined" || (privileged && option === undefined)) return { seccomp: "unconfined" };
  if (option === undefined || option === "builtin") return {};
  const [major = 0, minor = 0] = machine.kernelVersion.split(".").map((part) => Number.parseInt(part, 10));
  return {
    seccomp: resolveSeccompProfile(option, {
      capabilities,
      arch: machine.goArch,
      scmpArch: machine.scmpArch,
      kernel: [major, minor],
    }),
  };
}

function appArmorOf(option: string | undefined, machine: Host): Pick<Security, "apparmor"> {
  if (option === undefined || option === "unconfined" || option === "") return {};
  if (!machine.appArmor)
    throw new GantryError("invalid", `AppArmor is not enabled on this host: cannot apply profile "${option}"`, {
      field: "SecurityOpt",
    });
  return { apparmor: option };
}
