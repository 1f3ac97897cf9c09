import { GantryError } from "#base/errors.ts";
import type { Process } from "./processes.ts";

export interface Column {
  readonly title: string;
  readonly value: (process: Process) => string;
}

/** ps's columns by the names that `-o` knows (procps ps(1), "STANDARD FORMAT SPECIFIERS"). */
const COLUMNS: Readonly<Record<string, Column>> = {
  pid: { title: "PID", value: ({ pid }) => String(pid) },
  ppid: { title: "PPID", value: ({ ppid }) => String(ppid) },
  pgid: { title: "PGID", value: ({ pgid }) => String(pgid) },
  sid: { title: "SID", value: ({ session }) => String(session) },
  user: { title: "USER", value: ({ user }) => user },
  uid: { title: "UID", value: ({ uid }) => String(uid) },
  group: { title: "GROUP", value: ({ group }) => group },
  gid: { title: "GID", value: ({ gid }) => String(gid) },
  uname: { title: "UID", value: ({ user }) => user },
  stat: { title: "STAT", value: statText },
  s: { title: "S", value: ({ state }) => state },
  c: { title: "C", value: (process) => String(Math.min(99, Math.floor(cpuPercent(process)))) },
  pcpu: { title: "%CPU", value: (process) => cpuPercent(process).toFixed(1) },
  pmem: { title: "%MEM", value: ({ memoryPercent }) => memoryPercent.toFixed(1) },
  vsz: { title: "VSZ", value: ({ vsizeBytes }) => String(Math.floor(vsizeBytes / 1024)) },
  rss: { title: "RSS", value: ({ rssBytes }) => String(Math.floor(rssBytes / 1024)) },
  tty: { title: "TTY", value: ({ ttyNumber }) => ttyText(ttyNumber) },
  stime: { title: "STIME", value: startText },
  start: { title: "START", value: startText },
  time: { title: "TIME", value: ({ cpuSeconds }) => clockText(cpuSeconds) },
  bsdtime: {
    title: "TIME",
    value: ({ cpuSeconds }) => `${Math.floor(cpuSeconds / 60)}:${pad(Math.floor(cpuSeconds) % 60)}`,
  },
  etime: { title: "ELAPSED", value: ({ elapsedSeconds }) => elapsedText(elapsedSeconds) },
  etimes: { title: "ELAPSED", value: ({ elapsedSeconds }) => String(elapsedSeconds) },
  ni: { title: "NI", value: ({ nice }) => String(nice) },
  pri: { title: "PRI", value: ({ priority }) => String(39 - priority) },
  nlwp: { title: "NLWP", value: ({ threads }) => String(threads) },
  comm: { title: "COMMAND", value: ({ comm }) => comm },
  args: { title: "COMMAND", value: ({ args }) => args },
  cmd: { title: "CMD", value: ({ args }) => args },
};

const ALIASES: Readonly<Record<string, string>> = {
  command: "args",
  cputime: "time",
  euid: "uid",
  euser: "user",
  egid: "gid",
  egroup: "group",
  nice: "ni",
  rssize: "rss",
  rsz: "rss",
  tname: "tty",
  tt: "tty",
  vsize: "vsz",
  "%cpu": "pcpu",
  "%mem": "pmem",
  pgrp: "pgid",
  session: "sid",
  sess: "sid",
  state: "s",
  ucmd: "comm",
  ucomm: "comm",
  start_time: "stime",
  thcount: "nlwp",
  ruser: "user",
  rgroup: "group",
  ruid: "uid",
  rgid: "gid",
};

const FULL = ["uname", "pid", "ppid", "c", "stime", "tty", "time", "cmd"];
const USER_ORIENTED = ["user", "pid", "pcpu", "pmem", "vsz", "rss", "tty", "stat", "start", "bsdtime", "args"];
const SHORT = ["pid", "tty", "time", "cmd"];

/**
 * The columns that ps arguments ask for: `-ef` (the default), `aux`, `-e`, and `-o`/`o`/`--format` lists with `name=Title`.
 * Throws `unsupported` for any other argument, by name, and `invalid` in Docker's words for a list without the pid.
 */
export function parsePsArgs(args: string): Column[] {
  const words = (args === "" ? "-ef" : args).trim().split(/\s+/);
  const chosen: Column[] = [];
  let preset: readonly string[] = SHORT;
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    const list = formatList(word, words[index + 1]);
    if (list) {
      chosen.push(...list.columns);
      if (list.tookNext) index++;
    } else if (/^-[eAf]+$/.test(word)) {
      if (word.includes("f")) preset = FULL;
    } else if (/^[axu]+$/.test(word)) {
      if (word.includes("u")) preset = USER_ORIENTED;
    } else if (word !== "-w" && word !== "-ww" && word !== "w" && word !== "ww") {
      throw new GantryError("unsupported", `ps argument ${JSON.stringify(word)} is not supported`, {
        field: "ps_args",
      });
    }
  }
  const columns = chosen.length > 0 ? chosen : preset.map(column);
  if (!columns.some(({ title }) => title === "PID"))
    throw new GantryError("internal", "Couldn't find PID field in ps output");
  return columns;
}

/** `-o LIST`, `-eo LIST`, `-oLIST`, `o LIST`, `--format=LIST`, `--format LIST`. */
function formatList(word: string, next: string | undefined): { columns: Column[]; tookNext: boolean } | undefined {
  const attached = /^(?:-[eAf]*o|o|--format=|--format$)(.*)$/.exec(word)?.[1];
  if (attached === undefined) return undefined;
  return { columns: parseFormat(attached === "" ? (next ?? "") : attached), tookNext: attached === "" };
}

function parseFormat(list: string): Column[] {
  return list.split(",").map((item) => {
    const [name = "", title] = item.split("=");
    const found = column(name);
    return title ? { ...found, title } : found;
  });
}

/** Columns that ps has (procps, ps(1)) and we have not. */
const OTHER_COLUMNS: ReadonlySet<string> = new Set(
  (
    "wchan nwchan label context cgroup cgname cgroupns ipcns mntns netns pidns timens userns utsns lwp spid tid nlwp thcount psr " +
    "sgi_p sched cls class policy rtprio sched blocked caught ignored pending sig sigmask sigcatch sigignore lsession lxc machine " +
    "oom oomadj ouid owner sd_unit unit uunit slice drs trs dsiz tsiz maj_flt min_flt pss uss lstart bsdstart bsdtime esp eip " +
    "stackp startcode egid egroup euid euser fgid fgroup fsgid fsgroup fsuid fsuser fuid fuser rgid rgroup ruid ruser sgid sgroup " +
    "suid suser svgid svuid suppgid suppgrp supgid supgrp tpgid flag flags alarm sess numa c rss_swap delay etimes"
  ).split(" "),
);

function column(name: string): Column {
  const key = Object.hasOwn(ALIASES, name) ? (ALIASES[name] ?? name) : name;
  const found = Object.hasOwn(COLUMNS, key) ? COLUMNS[key] : undefined;
  if (!found && OTHER_COLUMNS.has(key))
    throw new GantryError("unsupported", `ps column ${JSON.stringify(name)} is not supported`, { field: "ps_args" });
  if (!found)
    throw new GantryError("internal", `ps: error: unknown user-defined format specifier ${JSON.stringify(name)}`, {
      field: "ps_args",
    });
  return found;
}

function cpuPercent({ cpuSeconds, elapsedSeconds }: Process): number {
  return elapsedSeconds === 0 ? 0 : (cpuSeconds / elapsedSeconds) * 100;
}

function statText({ state, nice, session, pid, threads, pgid, foregroundGroup }: Process): string {
  return `${state}${nice < 0 ? "<" : nice > 0 ? "N" : ""}${session === pid ? "s" : ""}${threads > 1 ? "l" : ""}${foregroundGroup === pgid ? "+" : ""}`;
}

/** Names of terminals by their device number: pts from major 136. */
function ttyText(device: number): string {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  if (device === 0) return "?";
  return major >= 136 && major <= 143 ? `pts/${minor + (major - 136) * 256}` : `${major}:${minor}`;
}

function startText({ startedAtMs, elapsedSeconds }: Process): string {
  const date = new Date(startedAtMs);
  if (elapsedSeconds < 24 * 3600) return `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  return `${MONTHS[date.getMonth()]}${pad(date.getDate())}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function clockText(totalSeconds: number): string {
  const seconds = Math.floor(totalSeconds);
  return `${pad(Math.floor(seconds / 3600))}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
}

function elapsedText(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const rest = clockText(seconds % 86_400);
  if (days > 0) return `${days}-${rest}`;
  return rest.startsWith("00:") ? rest.slice(3) : rest;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
