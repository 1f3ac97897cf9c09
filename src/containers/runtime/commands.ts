import { GantryError } from "#base/errors.ts";
import { openContainer } from "./container.ts";
import type { RuntimeContext } from "./context.ts";
import type { FlagTable, Flags } from "./options.ts";
import { stateDocument } from "./state.ts";
import { UPDATE_FLAGS } from "./update.ts";

/** One command: its flags, how many words it takes behind them, and what it does. Resolves with the exit code; undefined: 0. */
export interface Command {
  readonly flags: FlagTable;
  readonly aliases?: Readonly<Record<string, string>>;
  /** What stands behind the container's id is not for us. */
  readonly stop?: boolean;
  readonly words: readonly [least: number, most: number];
  run(
    context: RuntimeContext,
    flags: Flags,
    words: readonly string[],
  ): Promise<number | undefined> | number | undefined;
}

const CREATE_FLAGS: FlagTable = {
  bundle: "text",
  "console-socket": "text",
  "pid-file": "text",
  "preserve-fds": "text",
  "no-pivot": "flag",
  "no-new-keyring": "flag",
  "pidfd-socket": "text",
};
const CREATE_ALIASES = { b: "bundle", d: "detach" } as const;

/** Parts are loaded as they are needed: a command is a process, and starting is most of what it does. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  create: {
    flags: CREATE_FLAGS,
    aliases: CREATE_ALIASES,
    words: [1, 1],
    async run(context, flags, [id = ""]) {
      return (await import("./create.ts")).createCommand(context, flags, id);
    },
  },
  run: {
    // The launcher never adopts orphans, so "no-subreaper" asks for what is so.
    flags: { ...CREATE_FLAGS, detach: "flag", keep: "flag", "no-subreaper": "flag" },
    aliases: CREATE_ALIASES,
    words: [1, 1],
    run: async (context, flags, [id = ""]) => (await import("./create.ts")).runCommand(context, flags, id),
  },
  start: {
    flags: {},
    words: [1, 1],
    async run(context, _flags, [id = ""]) {
      await (await import("./start.ts")).startContainer(context, id);
      return 0;
    },
  },
  state: {
    flags: {},
    words: [1, 1],
    run(context, _flags, [id = ""]) {
      const container = openContainer(context.root, id);
      context.out(`${JSON.stringify(stateDocument(container, container.status()), null, 2)}\n`);
      return 0;
    },
  },
  kill: {
    flags: { all: "flag" },
    aliases: { a: "all" },
    words: [1, 2],
    async run(context, flags, [id = "", signal = "SIGTERM"]) {
      (await import("./kill.ts")).killContainer(context, id, signal, flags.has("all"));
      return 0;
    },
  },
  delete: {
    flags: { force: "flag" },
    aliases: { f: "force" },
    words: [1, 1],
    async run(context, flags, [id = ""]) {
      await (await import("./delete.ts")).deleteContainer(context, id, flags.has("force"));
      return 0;
    },
  },
  exec: {
    flags: {
      "console-socket": "text",
      "pidfd-socket": "text",
      cwd: "text",
      env: "list",
      tty: "flag",
      user: "text",
      "additional-gids": "list",
      process: "text",
      detach: "flag",
      "pid-file": "text",
      "process-label": "text",
      apparmor: "text",
      "no-new-privs": "flag",
      cap: "list",
      "preserve-fds": "text",
      cgroup: "list",
      "ignore-paused": "flag",
    },
    aliases: { e: "env", t: "tty", u: "user", g: "additional-gids", p: "process", d: "detach", c: "cap" },
    stop: true,
    words: [1, Number.POSITIVE_INFINITY],
    run: async (context, flags, [id = "", ...args]) =>
      (await import("./exec.ts")).execCommand(context, flags, id, args),
  },
  ps: {
    flags: { format: "text" },
    aliases: { f: "format" },
    stop: true,
    words: [1, Number.POSITIVE_INFINITY],
    async run(context, flags, [id = "", ...options]) {
      if (options.length > 0)
        throw new GantryError("unsupported", `options of ps (${options.join(" ")}) are not supported`);
      (await import("./processes.ts")).psCommand(context, id, formatOf(flags));
      return 0;
    },
  },
  list: {
    flags: { format: "text", quiet: "flag" },
    aliases: { f: "format", q: "quiet" },
    words: [0, 0],
    async run(context, flags) {
      (await import("./list.ts")).listCommand(context, formatOf(flags), flags.has("quiet"));
      return 0;
    },
  },
  events: {
    flags: { stats: "flag", interval: "text" },
    words: [1, 1],
    async run(context, flags, [id = ""]) {
      const { eventsCommand, parseDuration } = await import("./events.ts");
      const intervalMs = parseDuration(flags.text("interval") ?? "5s");
      if (intervalMs <= 0) throw new GantryError("invalid", "duration interval must be greater than 0");
      await eventsCommand(context, id, { once: flags.has("stats"), intervalMs });
      return 0;
    },
  },
  pause: {
    flags: {},
    words: [1, 1],
    async run(context, _flags, [id = ""]) {
      await (await import("./pause.ts")).pauseCommand(context, id);
      return 0;
    },
  },
  resume: {
    flags: {},
    words: [1, 1],
    async run(context, _flags, [id = ""]) {
      (await import("./pause.ts")).resumeCommand(context, id);
      return 0;
    },
  },
  update: {
    flags: UPDATE_FLAGS,
    aliases: { r: "resources" },
    words: [1, 1],
    async run(context, flags, [id = ""]) {
      (await import("./update.ts")).updateCommand(context, flags, id);
      return 0;
    },
  },
  features: {
    flags: {},
    words: [0, 0],
    async run(context) {
      const { featuresDocument } = await import("./features.ts");
      context.out(`${JSON.stringify(featuresDocument(context.version), null, 2)}\n`);
      return 0;
    },
  },
  spec: {
    flags: { bundle: "text", rootless: "flag" },
    aliases: { b: "bundle" },
    words: [0, 0],
    async run(_context, flags) {
      (await import("./spec-document.ts")).specCommand(flags);
      return 0;
    },
  },
};

function formatOf(flags: Flags): "table" | "json" {
  const format = flags.text("format") ?? "table";
  if (format === "table" || format === "json") return format;
  throw new GantryError("invalid", "invalid format option", { format });
}
