import { readFile } from "node:fs/promises";
import { arch, release } from "node:os";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { resolveSeccompProfile } from "#formats/docker-seccomp.ts";
import type { OciSeccomp } from "#formats/oci-spec.ts";
import type { Container, Pod, SeccompProfile } from "#formats/kube-types.generated.ts";

/** Names of the processor: Go's and libseccomp's. */
const ARCHITECTURES: Readonly<Record<string, readonly [string, string]>> = {
  x64: ["amd64", "SCMP_ARCH_X86_64"],
  arm64: ["arm64", "SCMP_ARCH_AARCH64"],
};

/** The profile that holds for a container: its own or its pod's. */
export function seccompProfileOf(pod: Pod, container: Container): SeccompProfile | undefined {
  return container.securityContext?.seccompProfile ?? pod.spec?.securityContext?.seccompProfile;
}

/**
 * A profile of the node's own folder (`<kubelet's data>/seccomp`). Throws `invalid` for a name that leaves the folder, a missing file,
 * an empty one, or what is no profile: nothing of that runs unconfined (CVE-2023-2431).
 */
export async function localSeccompProfile(
  folder: string,
  profile: SeccompProfile,
  capabilities: readonly string[],
): Promise<OciSeccomp> {
  const name = profile.localhostProfile ?? "";
  if (name === "" || name.startsWith("/") || name.split("/").includes(".."))
    throw new GantryError("invalid", `localhostProfile ${JSON.stringify(name)} must be a relative path without '..'`);
  const document = await readFile(join(folder, name), "utf8").catch((error: unknown) => {
    throw new GantryError("invalid", `cannot load seccomp profile ${JSON.stringify(name)}: it is not there`, {}, error);
  });
  if (document.trim() === "") throw new GantryError("invalid", `seccomp profile ${JSON.stringify(name)} is empty`);
  const [goArch, scmpArch] = ARCHITECTURES[arch()] ?? [arch(), ""];
  const [major = 0, minor = 0] = release()
    .split(".")
    .map((part) => Number.parseInt(part, 10));
  const resolved = resolveSeccompProfile(document, { capabilities, arch: goArch, scmpArch, kernel: [major, minor] });
  if (!resolved.defaultAction)
    throw new GantryError("invalid", `seccomp profile ${JSON.stringify(name)} has no defaultAction`);
  return resolved;
}
