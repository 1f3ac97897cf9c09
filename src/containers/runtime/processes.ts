import { readFileSync } from "node:fs";
import { openContainer } from "./container.ts";
import type { RuntimeContext } from "./context.ts";

/** `ps -f json`: the host's ids of all processes. `ps`: a table like that of ps -ef. */
export function psCommand(context: RuntimeContext, id: string, format: string): void {
  const pids = openContainer(context.root, id).cgroup.pids();
  if (format === "json") return context.out(`${JSON.stringify(pids)}\n`);
  const rows = pids.flatMap((pid) => rowOf(pid) ?? []);
  context.out("UID          PID    PPID  CMD\n");
  for (const { uid, pid, parent, command } of rows)
    context.out(`${uid.padEnd(9)} ${String(pid).padStart(6)} ${String(parent).padStart(7)}  ${command}\n`);
}

interface Row {
  readonly uid: string;
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** Undefined for one that has ended meanwhile. */
function rowOf(pid: number): Row[] | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const field = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "";
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
    return [{ uid: field("Uid"), pid, parent: Number(field("PPid")), command: line || `[${field("Name")}]` }];
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
