import type { Container, Engine } from "#containers/engine.ts";
import { LABEL, podUidOf } from "./labels.ts";

/** The engine's containers by pod: looked up once for each pass of each pod, so never by a walk over all of them. */
export interface ContainerIndex {
  of(podUid: string): readonly Container[];
  close(): void;
}

/** Reads what the engine has and follows its events; as large as the engine's own list. */
export function containerIndex(engine: Pick<Engine, "list" | "events" | "find">): ContainerIndex {
  const idsOf = new Map<string, Set<string>>();
  const add = (uid: string, id: string): void => {
    const ids = idsOf.get(uid);
    if (ids) ids.add(id);
    else idsOf.set(uid, new Set([id]));
  };
  const remove = (uid: string, id: string): void => {
    const ids = idsOf.get(uid);
    if (ids?.delete(id) && ids.size === 0) idsOf.delete(uid);
  };
  const stop = engine.events(({ type, action, actorId, attributes }) => {
    const uid = attributes[LABEL.podUid];
    if (type !== "container" || uid === undefined) return;
    if (action === "create") add(uid, actorId);
    else if (action === "destroy") remove(uid, actorId);
  });
  for (const container of engine.list()) {
    const uid = podUidOf(container);
    if (uid !== undefined) add(uid, container.id);
  }
  return {
    of(podUid) {
      const found: Container[] = [];
      for (const id of idsOf.get(podUid) ?? []) {
        const container = engine.find(id);
        if (container && podUidOf(container) === podUid) found.push(container);
      }
      return found;
    },
    close: stop,
  };
}
