import { allContainers } from "./container.ts";
import type { RuntimeContext } from "./context.ts";
import { stateDocument } from "./state.ts";

/** `list`: a table, JSON, or with `quiet` ids alone. */
export function listCommand(context: RuntimeContext, format: string, quiet: boolean): void {
  const documents = allContainers(context.root).map((container) => stateDocument(container, container.status()));
  if (quiet) return context.out(documents.map(({ id }) => `${String(id)}\n`).join(""));
  if (format === "json") return context.out(`${JSON.stringify(documents)}\n`);
  const rows = [
    ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"],
    ...documents.map(({ id, pid, status, bundle, created, owner }) =>
      [id, pid, status, bundle, created, owner].map(String),
    ),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)) + 3) ?? [];
  for (const row of rows)
    context.out(
      `${row.map((cell, column) => (column < 5 ? cell.padEnd(Math.max(12, widths[column] ?? 0)) : cell)).join("")}\n`,
    );
}
