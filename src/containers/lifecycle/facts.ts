import { GantryError } from "#base/errors.ts";
import type { OciMount, OciNamespaceType, OciSeccomp } from "#formats/oci-spec.ts";
import { layeredRoot } from "../files/layered-root.ts";
import type { SpecFacts } from "../spec/build-spec.ts";
import { devicesAt, hostDevices, type Devices } from "../spec/devices.ts";
import { resolveUser, type ProcessUser, type UserFiles } from "../spec/users.ts";
import type { EngineContext } from "./context.ts";
import type { Entry } from "./entry.ts";
import { linkedEnvironment } from "./links.ts";
import type { NameFiles } from "./name-files.ts";
import { sharedMemoryOf } from "./shared-memory.ts";

/** What of the machine and of the container's files goes into its specification at a start. */
export function startFacts(
  context: EngineContext,
  entry: Entry,
  looked: {
    readonly joined: Partial<Record<OciNamespaceType, string>>;
    readonly nameFiles: NameFiles;
    readonly mounts: readonly OciMount[];
  },
): SpecFacts {
  return {
    ...looked,
    id: entry.id,
    user: userOf(context, entry),
    sharedMemory: sharedMemoryOf(context, entry),
    devices: devicesOf(entry),
    seccomp: seccompOf(context, entry),
    linkedEnv: linkedEnvironment(context, entry),
  };
}

/** Larger passwd and group files are refused (CVE-2026-47262). */
export const USER_FILE_BYTES = 4 * 1024 * 1024;

function userOf({ images }: EngineContext, { id, record }: Entry): ProcessUser {
  const { user, additionalGroups = [], imageId, imageGroups } = record.config;
  if (imageId === undefined) return { uid: 0, gid: 0, additionalGids: [], home: "/" };
  const snapshot = images.snapshot(id);
  if (!snapshot) throw new GantryError("internal", `container ${id} has no writable layer`, { id });
  const root = layeredRoot(snapshot.mount);
  const read = (path: string): string => root.readText(path, USER_FILE_BYTES) ?? "";
  const files: UserFiles = { passwd: read("/etc/passwd"), group: read("/etc/group") };
  return resolveUser(user, additionalGroups, files, imageGroups);
}

function devicesOf({ record }: Entry): Devices {
  const { security, devices = [] } = record.config;
  const own = devices.map(devicesAt);
  const nodes = own.flatMap((device) => device.nodes);
  if (!security.privileged) return { nodes, rules: own.flatMap(({ rules }) => rules) };
  // What the host has at the same path is in a privileged container anyway.
  const paths = new Set(nodes.map(({ path }) => path));
  return { nodes: [...hostDevices().filter(({ path }) => !paths.has(path)), ...nodes], rules: [] };
}

export function seccompOf({ defaultSeccomp }: EngineContext, { record }: Entry): OciSeccomp | undefined {
  const { seccomp, privileged, capabilities } = record.config.security;
  if (seccomp === "unconfined" || (seccomp === undefined && privileged)) return undefined;
  return seccomp ?? defaultSeccomp(capabilities);
}
