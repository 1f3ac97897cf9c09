import { GantryError } from "#base/errors.ts";
import type { Random } from "#base/random.ts";
import type { Container } from "../engine.ts";
import { checkContainerName, generateName, nameInUse } from "../names.ts";
import { viewOf, type Entry } from "./entry.ts";
import type { Places } from "./places.ts";
import { writeConfigDurably, writeRecord, type ContainerRecord } from "./record.ts";
import type { StateRecord } from "./state-file.ts";
import { transition, type Happening } from "./state.ts";

/** All containers by id and by name. */
export interface Registry {
  add(entry: Entry): void;
  delete(entry: Entry): void;
  /** By id; throws `not-found`. */
  entry(id: string): Entry;
  entries(): Iterable<Entry>;
  /** By id, name or unambiguous id prefix. */
  find(reference: string): Entry | undefined;
  /** Takes a name, or makes one up, for a container. Throws `invalid` or `conflict` in Docker's words. */
  reserveName(id: string, name: string | undefined): string;
  releaseName(name: string): void;
  /** Writes the changed record, then shows it. */
  save(entry: Entry, change: Partial<ContainerRecord>): void;
  /** The same for what must outlast the machine: all but the state. */
  saveDurably(entry: Entry, change: Partial<Omit<ContainerRecord, keyof StateRecord>>): Promise<void>;
  /** The same with the next state. */
  advance(entry: Entry, happening: Happening, change?: Partial<ContainerRecord>): void;
  view(entry: Entry): Container;
  list(): readonly Container[];
}

export function registry(places: Places, random: Random): Registry {
  const byId = new Map<string, Entry>();
  const names = new Map<string, string>();
  const view = (entry: Entry): Container => viewOf(entry, places.log(entry.id));

  function save(entry: Entry, change: Partial<ContainerRecord>): void {
    const record = { ...entry.record, ...change, sequence: entry.record.sequence + 1 };
    writeRecord(places.container(entry.id), record, Object.keys(change) as (keyof ContainerRecord)[]);
    entry.record = record;
    entry.view = undefined;
  }

  return {
    save,
    async saveDurably(entry, change) {
      await writeConfigDurably(places.container(entry.id), { ...entry.record, ...change }, !byId.has(entry.id));
      entry.record = { ...entry.record, ...change };
      entry.view = undefined;
    },
    view,
    add: (entry) => void byId.set(entry.id, entry),
    delete(entry) {
      byId.delete(entry.id);
      if (names.get(entry.record.name) === entry.id) names.delete(entry.record.name);
    },
    entry(id) {
      const found = byId.get(id);
      if (found) return found;
      throw noSuchContainer(id);
    },
    entries: () => byId.values(),
    find(reference) {
      const bare = reference.startsWith("/") ? reference.slice(1) : reference;
      const exact = byId.get(reference) ?? byId.get(names.get(bare) ?? "");
      return exact ?? byPrefix(byId, reference);
    },
    reserveName(id, wanted) {
      if (wanted !== undefined) checkContainerName(wanted);
      const name = wanted ?? generateName(id, (candidate) => names.has(candidate), random);
      const holder = names.get(name);
      if (holder !== undefined && holder !== id) throw nameInUse(name, holder);
      names.set(name, id);
      return name;
    },
    releaseName: (name) => void names.delete(name),
    advance(entry, happening, change = {}) {
      save(entry, { ...change, state: transition(entry.record.state, happening) });
    },
    list: () => Array.from(byId.values(), view),
  };
}

export function noSuchContainer(reference: string): GantryError {
  return new GantryError("not-found", `No such container: ${reference}`, { container: reference });
}

/** Throws `invalid` in Docker's words for a prefix of several ids. */
function byPrefix(byId: ReadonlyMap<string, Entry>, prefix: string): Entry | undefined {
  if (!/^[0-9a-f]{1,64}$/.test(prefix)) return undefined;
  let found: Entry | undefined;
  for (const [id, entry] of byId) {
    if (!id.startsWith(prefix)) continue;
    if (found) throw new GantryError("invalid", `multiple IDs found with provided prefix: ${prefix}`, { prefix });
    found = entry;
  }
  return found;
}
