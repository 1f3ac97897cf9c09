/** Completion indexes as text: `1,3-5,7`. */

/** Reads such a text; indexes from `limit` on, and what is not a number, are left out. */
export function parseIndexes(text: string | undefined, limit: number): Set<number> {
  const indexes = new Set<number>();
  for (const part of (text ?? "").split(",")) {
    const match = /^([0-9]+)(?:-([0-9]+))?$/.exec(part);
    if (!match) continue;
    const last = Math.min(Number(match[2] ?? match[1]), limit - 1);
    for (let index = Number(match[1]); index <= last; index++) indexes.add(index);
  }
  return indexes;
}

/** Writes indexes, three and more in a row as a range. */
export function formatIndexes(indexes: Iterable<number>): string {
  const parts: string[] = [];
  let first: number | undefined;
  let last = -1;
  const close = (): void => {
    if (first === undefined) return;
    if (last - first >= 2) parts.push(`${first}-${last}`);
    else for (let index = first; index <= last; index++) parts.push(String(index));
  };
  for (const index of Array.from(indexes).sort((a, b) => a - b)) {
    if (first === undefined || index !== last + 1) {
      close();
      first = index;
    }
    last = index;
  }
  close();
  return parts.join(",");
}
