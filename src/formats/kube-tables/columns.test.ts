// The columns are those that a real API server of 1.20 answered with (data/), but for what has changed since.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { tableOf } from "../kube-tables.ts";

type Column = readonly [name: string, type: string, format: string, priority: number];
interface Facts {
  readonly discovery: Readonly<Record<string, readonly { name: string; kind: string }[]>>;
  readonly tableColumns: Readonly<Record<string, readonly Column[]>>;
}
const facts = JSON.parse(
  readFileSync(new URL("../../../data/kubernetes-1.20-discovery.json", import.meta.url), "utf8"),
) as Facts;

/** Columns that came later, columns whose type changed, and one that was marked as a name by mistake. */
const CHANGED: Readonly<Record<string, readonly string[]>> = {
  pods: ["Restarts"],
  persistentvolumes: ["VolumeAttributesClass"],
  persistentvolumeclaims: ["VolumeAttributesClass"],
  jobs: ["Status"],
  certificatesigningrequests: ["RequestedDuration"],
  csidrivers: ["StorageCapacity", "TokenRequests", "RequiresRepublish"],
  priorityclasses: ["PreemptionPolicy"],
  volumeattachments: ["Attacher"],
};
/** Resources whose columns were put in another order, or that Gantry does not serve. */
const SKIPPED = new Set(["resourcequotas", "componentstatuses"]);

for (const [path, theirs] of Object.entries(facts.tableColumns)) {
  const slash = path.lastIndexOf("/");
  const resource = path.slice(slash + 1);
  const [group = "", version = ""] = path.startsWith("/api/")
    ? ["", path.slice(5, slash)]
    : path.slice(6, slash).split("/");
  const kind = facts.discovery[path.slice(0, slash)]?.find(({ name }) => name === resource)?.kind;
  if (kind === undefined || /alpha|beta/.test(version) || SKIPPED.has(resource)) continue;
  test(`columns of ${path}`, () => {
    const changed = CHANGED[resource] ?? [];
    const mine = tableOf({ group, version, kind }).columns.map(({ name, type, format, priority }): Column => [
      name,
      type,
      format,
      priority,
    ]);
    const kept = (columns: readonly Column[]): Column[] => columns.filter(([name]) => !changed.includes(name));
    assert.deepEqual(kept(mine), kept(theirs));
    for (const name of changed)
      assert.ok(
        mine.some((column) => column[0] === name),
        name,
      );
  });
}
