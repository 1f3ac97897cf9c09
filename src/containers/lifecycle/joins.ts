import { GantryError } from "#base/errors.ts";
import type { OciNamespaceType } from "#formats/oci-spec.ts";
import type { EngineContext } from "./context.ts";
import type { Entry } from "./entry.ts";

/** Paths of the namespaces of other containers that one joins. Throws `conflict` in Docker's words when one of them does not run. */
export function joinedNamespaces(
  { registry }: Pick<EngineContext, "registry">,
  { record }: Entry,
): Partial<Record<OciNamespaceType, string>> {
  const { network, pid, ipc, uts, user } = record.config.namespaces;
  const joined: Partial<Record<OciNamespaceType, string>> = {};
  const join = (type: OciNamespaceType, file: string, id: string): void => {
    const owner = registry.find(id);
    const target = pidOf(owner, id, type);
    joined[type] = `/proc/${target}/ns/${file}`;
    // What is owned by a user namespace can only be entered from inside it.
    if (user && owner?.record.config.namespaces.user) joined.user = `/proc/${target}/ns/user`;
  };
  if (network.kind === "container") join("network", "net", network.id);
  if (network.kind === "host" && network.netns !== undefined) joined.network = network.netns;
  if (ipc.kind === "container") {
    refusePrivateIpc(registry.find(ipc.id), ipc.id);
    join("ipc", "ipc", ipc.id);
  }
  if (uts.kind === "container") join("uts", "uts", uts.id);
  if (pid.kind === "container") join("pid", "pid", pid.id);
  return joined;
}

function pidOf(entry: Entry | undefined, id: string, type: OciNamespaceType): number {
  if (!entry) throw new GantryError("not-found", `No such container: ${id}`, { container: id });
  const { state } = entry.record;
  if (state.status === "running" || state.status === "paused") return state.pid;
  if (state.status === "restarting")
    throw new GantryError("conflict", `Container ${entry.id} is restarting, wait until the container is running`);
  throw new GantryError("conflict", `cannot join ${WORDS[type] ?? type} of a non running container: ${entry.id}`, {
    container: entry.id,
  });
}

function refusePrivateIpc(entry: Entry | undefined, id: string): void {
  const kind = entry?.record.config.namespaces.ipc.kind;
  if (kind !== "private" && kind !== "none") return;
  throw new GantryError(
    "conflict",
    `cannot join IPC of container ${id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    { container: id },
  );
}

const WORDS: Partial<Record<OciNamespaceType, string>> = {
  network: "network namespace",
  ipc: "IPC",
  pid: "PID",
  uts: "UTS",
};
