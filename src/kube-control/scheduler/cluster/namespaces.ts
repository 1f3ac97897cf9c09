import type { Labels } from "#formats/selectors.ts";

/** The labels of the cluster's namespaces, which affinity terms select by. */
export interface NamespaceTable {
  labels(name: string): Labels | undefined;
  set(name: string, labels: Labels | undefined): void;
  remove(name: string): void;
  /** Grows with each change. */
  readonly version: number;
}

/** Makes an empty table. */
export function namespaceTable(): NamespaceTable {
  const known = new Map<string, Labels>();
  let version = 0;
  return {
    labels: (name) => known.get(name),
    set(name, labels = {}) {
      known.set(name, labels);
      version++;
    },
    remove(name) {
      if (known.delete(name)) version++;
    },
    get version() {
      return version;
    },
  };
}
