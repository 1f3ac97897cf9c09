import { GantryError } from "#base/errors.ts";
import { formatPath } from "./field-set.ts";
import type { Manager } from "./managers.ts";

/** A field that someone else owns and the applied configuration would change. */
export interface Conflict {
  readonly manager: Manager;
  readonly path: readonly string[];
}

/** The 409 of a failed apply; `details.causes` are the Status document's. */
export function conflictError(conflicts: readonly Conflict[]): GantryError {
  const causes = conflicts.map(({ manager, path }) => ({
    reason: "FieldManagerConflict",
    message: `conflict with ${printManager(manager)}`,
    field: formatPath(path),
  }));
  return new GantryError("conflict", conflictMessage(conflicts), { causes });
}

function conflictMessage(conflicts: readonly Conflict[]): string {
  const [first] = conflicts;
  if (first && conflicts.length === 1) {
    return `Apply failed with 1 conflict: conflict with ${printManager(first.manager)}: ${formatPath(first.path)}`;
  }
  const byManager = new Map<string, string[]>();
  for (const { manager, path } of conflicts) {
    const name = printManager(manager);
    byManager.set(name, [...(byManager.get(name) ?? []), `- ${formatPath(path)}`]);
  }
  const parts = [...byManager.keys()]
    .sort()
    .map((name) => `conflicts with ${name}:\n${(byManager.get(name) ?? []).join("\n")}`);
  return `Apply failed with ${conflicts.length} conflicts: ${parts.join("\n")}`;
}

function printManager({ name, operation, apiVersion, subresource }: Manager): string {
  const through = subresource === "" ? "" : ` with subresource ${JSON.stringify(subresource)}`;
  return `${JSON.stringify(name)}${through}${operation === "Update" ? ` using ${apiVersion}` : ""}`;
}
