import { GantryError } from "#base/errors.ts";
import type { OciIdMapping, OciSpec } from "#formats/oci-spec.ts";
import type { Step } from "#linux/launch-plan.ts";

/** What the steps that prepare a container for its user namespace have in common. */
export interface UserNamespace {
  /** Undefined: one is made, with the mappings. */
  readonly path: string | undefined;
  readonly uids: readonly OciIdMapping[];
  readonly gids: readonly OciIdMapping[];
}

/** The kernel's bound for one map (user_namespaces(7)). */
const MOST_MAPPINGS = 340;
const LARGEST = 2 ** 32 - 1;

/** The user namespace that a specification asks for; undefined: the host's. Throws `invalid` for mappings that are none. */
export function userNamespaceOf({ linux }: OciSpec): UserNamespace | undefined {
  const namespace = linux?.namespaces?.find(({ type }) => type === "user");
  const [uids, gids] = [linux?.uidMappings ?? [], linux?.gidMappings ?? []];
  if (!namespace) {
    if (uids.length === 0 && gids.length === 0) return undefined;
    throw refusal("User namespace mappings specified, but user namespace isn't enabled in the config", "namespaces");
  }
  if (!namespace.path && uids.length === 0)
    throw refusal("User namespaces enabled, but no uid mappings found", "uidMappings");
  if (!namespace.path && gids.length === 0)
    throw refusal("User namespaces enabled, but no gid mappings found", "gidMappings");
  checkMappings(uids, "uidMappings");
  checkMappings(gids, "gidMappings");
  return { path: namespace.path || undefined, uids, gids };
}

/** Makes or opens it, in the process that still has the host's rights. */
export function userNamespaceStep({ path, uids, gids }: UserNamespace): Step {
  return path === undefined
    ? { step: "user-namespace", uids: mapText(uids), gids: mapText(gids) }
    : { step: "user-namespace-at", path };
}

/** As /proc/PID/uid_map takes it. */
export function mapText(mappings: readonly OciIdMapping[]): string {
  return mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");
}

/** The id on the host of an id inside; undefined when it has none. */
export function hostId(id: number, mappings: readonly OciIdMapping[]): number | undefined {
  const mapping = mappings.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  return mapping && mapping.hostID + id - mapping.containerID;
}

/** The ids outside of the root inside. Throws `invalid` when it has none. */
export function rootIds({ uids, gids }: UserNamespace): { readonly uid: number; readonly gid: number } {
  const [uid, gid] = [hostId(0, uids), hostId(0, gids)];
  if (uid !== undefined && gid !== undefined) return { uid, gid };
  throw refusal(
    "User namespaces enabled, but root (0) has no mapping",
    uid === undefined ? "uidMappings" : "gidMappings",
  );
}

/** Throws `invalid`, naming the field, for a list that the kernel would not take as a map. */
export function checkMappings(mappings: readonly OciIdMapping[], field: string): void {
  if (mappings.length > MOST_MAPPINGS)
    throw refusal(`${field}: a map has at most ${MOST_MAPPINGS} ranges, not ${mappings.length}`, field);
  for (const { containerID, hostID, size } of mappings) {
    const isRange = (id: number): boolean => Number.isInteger(id) && id >= 0 && id + size - 1 < LARGEST;
    if (Number.isInteger(size) && size > 0 && isRange(containerID) && isRange(hostID)) continue;
    throw refusal(`${field}: ${containerID}:${hostID}:${size} is not a range of ids`, field);
  }
}

function refusal(message: string, field: string): GantryError {
  return new GantryError("invalid", message, { field: `linux.${field}` });
}
