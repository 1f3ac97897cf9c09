import { listen, type ClusterState } from "./cluster-state.ts";

/** An image and the nodes that have it. */
export interface ImageOnNodes {
  readonly sizeBytes: number;
  readonly rows: ReadonlySet<number>;
}

/** Which images are on which nodes. */
export interface ImageTable {
  get(name: string): ImageOnNodes | undefined;
}

/** An index of the nodes' images (status.images). */
export function imageTable(cluster: ClusterState): ImageTable {
  const images = new Map<string, { sizeBytes: number; rows: Set<number> }>();
  const namesByRow = new Map<number, string[]>();
  const leave = (row: number): void => {
    for (const name of namesByRow.get(row) ?? []) {
      const image = images.get(name);
      image?.rows.delete(row);
      if (image?.rows.size === 0) images.delete(name);
    }
    namesByRow.delete(row);
  };
  listen(cluster, {
    placed: () => undefined,
    removed: () => undefined,
    nodeChanged(row) {
      leave(row);
      const all: string[] = [];
      for (const { names = [], sizeBytes = 0 } of cluster.nodes[row]?.status?.images ?? []) {
        for (const name of names) {
          all.push(name);
          const known = images.get(name);
          if (known) known.rows.add(row);
          else images.set(name, { sizeBytes, rows: new Set([row]) });
        }
      }
      if (all.length > 0) namesByRow.set(row, all);
    },
  });
  return { get: (name) => images.get(name) };
}
