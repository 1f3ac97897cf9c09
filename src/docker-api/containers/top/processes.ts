import { readFile, stat } from "node:fs/promises";

/** A process as /proc shows it (proc(5)). */
export interface Process {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  readonly session: number;
  readonly state: string;
  readonly ttyNumber: number;
  readonly foregroundGroup: number;
  readonly nice: number;
  readonly priority: number;
  readonly threads: number;
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly group: string;
  readonly comm: string;
  readonly args: string;
  readonly vsizeBytes: number;
  readonly rssBytes: number;
  readonly cpuSeconds: number;
  readonly startedAtMs: number;
  readonly elapsedSeconds: number;
  readonly memoryPercent: number;
}

/** Clock ticks of a second (sysconf _SC_CLK_TCK; 100 on every Linux that Node runs on), and bytes of a page. */
const TICKS = 100;
const PAGE_BYTES = 4096;

/** Reads processes by their ids on the host, in order; one that has ended meanwhile is left out. */
export async function readProcesses(pids: readonly number[]): Promise<Process[]> {
  const context = await readContext();
  const processes = await Promise.all(pids.toSorted((a, b) => a - b).map((pid) => readProcess(pid, context)));
  return processes.filter((each) => each !== undefined);
}

interface Context {
  readonly bootMs: number;
  readonly memoryBytes: number;
  readonly users: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<number, string>;
}

async function readContext(): Promise<Context> {
  const [stats, memory, passwd, group] = await Promise.all([
    readText("/proc/stat"),
    readText("/proc/meminfo"),
    readText("/etc/passwd"),
    readText("/etc/group"),
  ]);
  return {
    bootMs: Number(/^btime (\d+)$/m.exec(stats)?.[1] ?? 0) * 1000,
    memoryBytes: Number(/^MemTotal:\s+(\d+) kB$/m.exec(memory)?.[1] ?? 1) * 1024,
    users: namesById(passwd),
    groups: namesById(group),
  };
}

/** `name:x:id:...` lines. */
function namesById(text: string): Map<number, string> {
  const rows = text.split("\n").map((line) => line.split(":"));
  return new Map(rows.filter((row) => row.length > 2).map(([name = "", , id = ""]) => [Number(id), name]));
}

async function readProcess(pid: number, context: Context): Promise<Process | undefined> {
  const [statLine, commandLine, owner] = await Promise.all([
    readText(`/proc/${pid}/stat`),
    readText(`/proc/${pid}/cmdline`),
    stat(`/proc/${pid}`).catch(() => undefined), // it has ended: as if it had not been there
  ]);
  if (statLine === "" || !owner) return undefined;
  return parseProcess(pid, statLine, commandLine, { uid: owner.uid, gid: owner.gid }, context, Date.now());
}

/** One process of its /proc/[pid]/stat line; the command's name may hold spaces and parentheses. */
export function parseProcess(
  pid: number,
  statLine: string,
  commandLine: string,
  owner: { uid: number; gid: number },
  context: Context,
  nowMs: number,
): Process {
  const open = statLine.indexOf("(");
  const close = statLine.lastIndexOf(")");
  const comm = statLine.slice(open + 1, close);
  // Field 3 (state) is fields[0]: field n of proc(5) is fields[n - 3].
  const fields = statLine
    .slice(close + 2)
    .trim()
    .split(" ");
  const number = (field: number): number => Number(fields[field - 3] ?? 0);
  const startedAtMs = context.bootMs + (number(22) / TICKS) * 1000;
  const rssBytes = number(24) * PAGE_BYTES;
  return {
    pid,
    state: fields[0] ?? "",
    ppid: number(4),
    pgid: number(5),
    session: number(6),
    ttyNumber: number(7),
    foregroundGroup: number(8),
    cpuSeconds: (number(14) + number(15)) / TICKS,
    priority: number(18),
    nice: number(19),
    threads: number(20),
    vsizeBytes: number(23),
    rssBytes,
    ...owner,
    user: context.users.get(owner.uid) ?? String(owner.uid),
    group: context.groups.get(owner.gid) ?? String(owner.gid),
    comm,
    args: commandLine.replace(/\0+$/, "").replaceAll("\0", " ") || `[${comm}]`,
    startedAtMs,
    elapsedSeconds: Math.max(0, Math.floor((nowMs - startedAtMs) / 1000)),
    memoryPercent: (rssBytes / context.memoryBytes) * 100,
  };
}

/** The file's text; "" when it is gone. */
async function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
