import { GantryError } from "#base/errors.ts";
import type { TarHandler } from "#formats/tar-reader.ts";
import { asFileUser } from "#linux/file-user.ts";
import type { IdMapping, UserNamespaceMaps } from "../engine.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Whose files are whose where a user namespace is looked into from outside. */
export interface FileIds {
  /** What the kernel shows outside for an owner inside. Throws `invalid` for an id that has none. */
  outside(owner: Owner): Owner;
  /** And the other way round; what has no id inside is nobody's there. */
  inside(owner: Owner): Owner;
  /** Runs a synchronous task as the root inside. */
  act<T>(task: () => T): T;
}

/** Everyone is who they are. */
export const HOST_IDS: FileIds = { outside: (owner) => owner, inside: (owner) => owner, act: (task) => task() };

/** As the kernel shows ids without a mapping (/proc/sys/kernel/overflowuid). */
const NOBODY = 65534;

export function fileIds(maps: UserNamespaceMaps | undefined): FileIds {
  if (!maps) return HOST_IDS;
  const { uidMappings, gidMappings } = maps;
  const outside = ({ uid, gid }: Owner): Owner => ({ uid: hostOf(uid, uidMappings), gid: hostOf(gid, gidMappings) });
  const root = outside({ uid: 0, gid: 0 });
  return {
    outside,
    inside: ({ uid, gid }) => ({ uid: insideOf(uid, uidMappings), gid: insideOf(gid, gidMappings) }),
    act: (task) => asFileUser(root.uid, root.gid, task),
  };
}

/** A writer that is told owners inside, and acts on files with those outside. */
export function mappedWriter<W extends TarHandler & { finish(): void }>(writer: W, ids: FileIds): W {
  if (ids === HOST_IDS) return writer;
  return {
    ...writer,
    entry: (entry) => ids.act(() => writer.entry({ ...entry, ...ids.outside(entry) })),
    end: () => ids.act(() => writer.end()),
    finish: () => ids.act(() => writer.finish()),
  };
}

function hostOf(id: number, mappings: readonly IdMapping[]): number {
  const mapping = mappings.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  if (mapping) return mapping.hostID + id - mapping.containerID;
  throw new GantryError("invalid", `id ${id} cannot be mapped to one of the host`, { id });
}

function insideOf(id: number, mappings: readonly IdMapping[]): number {
  const mapping = mappings.find(({ hostID, size }) => id >= hostID && id < hostID + size);
  return mapping ? mapping.containerID + id - mapping.hostID : NOBODY;
}
