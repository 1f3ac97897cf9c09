/**
 * A script of docker commands and the transcript of what they gave, in a form that two daemons can be compared by. A script has a shell
 * command on each line (`\` at its end continues it); what runs on a line that begins with `@` is not shown. `api METHOD PATH [BODY]`
 * sends a bare request.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, type Result } from "#test/gantry.ts";
import { normalise, type Places } from "./normalise.ts";

export interface Daemon {
  readonly socket: string;
  /** Where the daemon keeps its files. */
  readonly root: string;
  /** The image that scripts run, as a `docker load` archive. */
  readonly image: string;
}

const PRELUDE = `
api() { curl -s -g -w '\\n%{http_code}' --unix-socket "$SOCKET" -X "$1" -H 'content-type: application/json' \${3:+-d "$3"} "http://d/v1.50$2"; }
until_true() { for i in $(seq 100); do eval "$1" && return 0; sleep 0.05; done; echo "never true: $1" >&2; return 1; }
`;

/** Runs a script against a daemon; the transcript, normalised. */
export async function transcript(script: string, daemon: Daemon): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "differential-"));
  const env = {
    PATH: process.env["PATH"],
    HOME: directory,
    DOCKER_HOST: `unix://${daemon.socket}`,
    SOCKET: daemon.socket,
    IMAGE: daemon.image,
    DIR: directory,
    TZ: "UTC",
  };
  const parts: string[] = [];
  try {
    for (const { command, shown } of steps(script)) {
      // With all that it started: a client that hangs holds the pipes.
      const argv = ["-k", "1", "60", "bash", "-c", `cd "$DIR"\n${PRELUDE}\n${command}`];
      const result = await run("timeout", argv, env, { timeoutMs: 70_000 });
      if (shown) parts.push(step(command, result, { directory, root: daemon.root }));
      else if (result.code !== 0) parts.push(step(`@${command}`, result, { directory, root: daemon.root }));
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return parts.join("\n");
}

function steps(script: string): { command: string; shown: boolean }[] {
  return script
    .replaceAll("\\\n", "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => (line.startsWith("@") ? { command: line.slice(1), shown: false } : { command: line, shown: true }));
}

function step(command: string, { code, stdout, stderr }: Result, places: Places): string {
  const out = normalise(stdout, places);
  const err = normalise(stderr, places);
  return [`$ ${command}`, ...indent("  ", out), ...indent("! ", err), ...(code === 0 ? [] : [`= ${code}`]), ""].join(
    "\n",
  );
}

function indent(prefix: string, text: string): string[] {
  if (text === "") return [];
  return text
    .replace(/\n$/, "")
    .split("\n")
    .map((line) => (prefix + line).trimEnd());
}
