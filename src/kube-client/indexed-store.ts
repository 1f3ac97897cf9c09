import { objectKey, type KubeObject } from "#formats/kube-object.ts";

/** The values of an index that an object is found under. */
export type IndexFunction<T> = (object: T) => readonly string[];

/** A read-only view of what an informer knows. Objects are shared: copy before you change. */
export interface ObjectCache<T extends KubeObject> {
  get(key: string): T | undefined;
  values(): IterableIterator<T>;
  /** Objects of one namespace. */
  inNamespace(namespace: string): readonly T[];
  /** Objects that the named index has under `value`. */
  byIndex(index: string, value: string): readonly T[];
  readonly size: number;
}

/** The cache with its writing side, which only its informer uses. */
export interface IndexedStore<T extends KubeObject> extends ObjectCache<T> {
  /** Puts an object; returns the one it replaces. */
  put(object: T): T | undefined;
  remove(key: string): T | undefined;
  /** Adds an index over present and future objects; the same name again is ignored. */
  addIndex(name: string, index: IndexFunction<T>): void;
}

interface Index<T> {
  readonly of: IndexFunction<T>;
  readonly entries: Map<string, Map<string, T>>;
}

/** Index by namespace, there from the start. */
const NAMESPACE = "namespace";

/** An in-memory object cache with indexes. Holds as many objects as the API has of the kind. */
export function indexedStore<T extends KubeObject>(): IndexedStore<T> {
  const objects = new Map<string, T>();
  const indexes = new Map<string, Index<T>>();
  const store: IndexedStore<T> = {
    get size() {
      return objects.size;
    },
    get: (key) => objects.get(key),
    values: () => objects.values(),
    inNamespace: (namespace) => store.byIndex(NAMESPACE, namespace),
    byIndex: (name, value) => Array.from(indexes.get(name)?.entries.get(value)?.values() ?? []),
    put(object) {
      const key = objectKey(object);
      const before = objects.get(key);
      objects.set(key, object);
      for (const index of indexes.values()) reindex(index, key, before, object);
      return before;
    },
    remove(key) {
      const before = objects.get(key);
      if (!before) return undefined;
      objects.delete(key);
      for (const index of indexes.values()) reindex(index, key, before, undefined);
      return before;
    },
    addIndex(name, of) {
      if (indexes.has(name)) return;
      const index: Index<T> = { of, entries: new Map() };
      indexes.set(name, index);
      for (const [key, object] of objects) reindex(index, key, undefined, object);
    },
  };
  store.addIndex(NAMESPACE, (object) => (object.metadata.namespace ? [object.metadata.namespace] : []));
  return store;
}

function reindex<T>(index: Index<T>, key: string, before: T | undefined, after: T | undefined): void {
  const values = after ? index.of(after) : [];
  if (before) {
    for (const value of index.of(before)) {
      if (!values.includes(value)) removeEntry(index.entries, value, key);
    }
  }
  if (!after) return;
  for (const value of values) {
    const entry = index.entries.get(value);
    if (entry) entry.set(key, after);
    else index.entries.set(value, new Map([[key, after]]));
  }
}

function removeEntry<T>(entries: Map<string, Map<string, T>>, value: string, key: string): void {
  const entry = entries.get(value);
  entry?.delete(key);
  if (entry?.size === 0) entries.delete(value);
}
