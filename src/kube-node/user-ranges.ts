import type { Engine, UserNamespaceMaps } from "#containers/engine.ts";
import type { Pod } from "#formats/kube-types.generated.ts";
import { podUidOf } from "./pods/labels.ts";

/** Every pod with users of its own has this many, which no other pod and no process outside has (kubelet's userns manager). */
const IDS = 65_536;
/** Far above what a machine gives its own users, and Docker's remapped ones. */
const FIRST_SLOT = 4_096;
const LAST_SLOT = 65_535;

/**
 * The users of pods with `hostUsers: false`. `engine`: all of the machine's containers, so that the nodes on it give none out twice; a pod keeps
 * its users for as long as something of it is there.
 */
export function userRanges(engine: Pick<Engine, "list">): (pod: Pod) => UserNamespaceMaps | undefined {
  /** Given out, and not yet seen on a container. */
  const reserved = new Map<string, number>();
  return ({ metadata, spec }) => {
    if (spec?.hostUsers !== false) return undefined;
    const uid = metadata.uid ?? "";
    const taken = new Set<number>();
    let own: number | undefined;
    for (const container of engine.list()) {
      const first = container.config.namespaces.user?.uidMappings[0]?.hostID;
      if (first === undefined) continue;
      const owner = podUidOf(container) ?? "";
      reserved.delete(owner);
      taken.add(Math.floor(first / IDS));
      if (owner === uid) own = Math.floor(first / IDS);
    }
    own ??= reserved.get(uid) ?? freeSlot(new Set([...taken, ...reserved.values()]));
    reserved.set(uid, own);
    const mapping = { containerID: 0, hostID: own * IDS, size: IDS };
    return { uidMappings: [mapping], gidMappings: [mapping] };
  };
}

function freeSlot(taken: ReadonlySet<number>): number {
  for (let slot = FIRST_SLOT; slot < LAST_SLOT; slot++) if (!taken.has(slot)) return slot;
  // A node has some hundred pods at most.
  return LAST_SLOT;
}
