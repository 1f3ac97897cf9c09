import { spawn } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { hexId } from "#base/ids.ts";
import { directoryFiles } from "#containers/container-files.ts";
import type { GitSource } from "./git-url.ts";

/** The longest that one git command may take, and the most that it may say. */
const GIT_MS = 10 * 60_000;
const OUTPUT_BYTES = 64 * 1024;

export interface CloneOptions {
  /** Where the clone is made and taken away again. */
  readonly scratch: string;
  readonly keepGitDir: boolean;
  /** A commit that it must be. */
  readonly commit?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Puts the files of a repository into the directory `target`, and returns the commit. Only the wanted commit is fetched where the server
 * can do that. Throws `invalid` with what git says, `unavailable` when the host has no git.
 */
export async function cloneInto(source: GitSource, target: string, options: CloneOptions): Promise<string> {
  const clone = join(options.scratch, `git-${hexId(undefined, 8)}`);
  await mkdir(clone, { mode: 0o700 });
  const git = (...args: string[]): Promise<string> => runGit(clone, args, options.signal);
  try {
    await git("init", "--quiet");
    await git("remote", "add", "origin", source.remote);
    await git("checkout", "--quiet", "--detach", await fetchRef(git, source.ref || "HEAD"));
    await git("submodule", "update", "--quiet", "--init", "--recursive", "--depth=1");
    const commit = (await git("rev-parse", "HEAD")).trim();
    if (options.commit !== undefined && !commit.startsWith(options.commit))
      throw new GantryError("invalid", `expected checksum to match ${options.commit}, got ${commit}`);
    await copyClone(clone, source.directory, target, options.keepGitDir);
    return commit;
  } finally {
    await rm(clone, { recursive: true, force: true });
  }
}

/** The commit that a reference means at its server now. */
export async function remoteCommit(
  source: GitSource,
  scratch: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const ref = source.ref || "HEAD";
  if (/^[0-9a-f]{40}$/.test(ref)) return ref;
  const lines = await runGit(scratch, ["ls-remote", source.remote, ref], signal);
  // A tag of its own kind is told with the commit that it means behind it.
  const found = lines.split("\n").filter((line) => line !== "");
  const commit = (found.find((line) => line.endsWith("^{}")) ?? found[0])?.split("\t", 1)[0];
  if (commit === undefined) throw new GantryError("invalid", `repository does not contain ref ${ref}`, { ref });
  return commit;
}

/** Fetches one commit where the server gives one, else (plain HTTP servers) everything. Returns what to check out. */
async function fetchRef(git: (...args: string[]) => Promise<string>, ref: string): Promise<string> {
  try {
    await git("fetch", "--quiet", "--depth=1", "origin", ref);
    return "FETCH_HEAD";
  } catch (error) {
    if (!(error instanceof GantryError) || error.code !== "invalid") throw error;
    await git("fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*");
    // The server's HEAD is no branch of ours: what commit it is, the server says.
    if (ref === "HEAD") return (await git("ls-remote", "origin", "HEAD")).split(/\s/, 1)[0] ?? "";
    return firstOf(git, [`refs/remotes/origin/${ref}`, `refs/tags/${ref}`, ref], error);
  }
}

async function firstOf(
  git: (...args: string[]) => Promise<string>,
  names: readonly string[],
  failure: GantryError,
): Promise<string> {
  for (const name of names) {
    try {
      return (await git("rev-parse", "--verify", "--quiet", `${name}^{commit}`)).trim();
    } catch (error) {
      if (!(error instanceof GantryError) || error.code !== "invalid") throw error;
    }
  }
  throw failure;
}

/** Read inside the clone, so that no link in it leads out. */
async function copyClone(clone: string, directory: string, target: string, keepGitDir: boolean): Promise<void> {
  const [from, to] = [directoryFiles(clone), directoryFiles(target)];
  try {
    const path = `/${directory}/`;
    if (from.stat(path)?.kind !== "directory")
      throw new GantryError("invalid", `subdir not found: ${JSON.stringify(directory)}`, { directory });
    const skip = (name: string): boolean => !keepGitDir && name === ".git";
    await to.write("/", from.read(path, { as: ".", skip }), { keepKinds: false });
  } finally {
    from.close();
    to.close();
  }
}

/** No prompts, no hooks, no configuration of the host's users, and no transport that runs commands. */
const ENVIRONMENT = {
  GIT_TERMINAL_PROMPT: "0",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_ALLOW_PROTOCOL: "http:https:git:ssh",
  GIT_SSH_COMMAND: "ssh -F /dev/null -o BatchMode=yes",
  LC_ALL: "C",
};

function runGit(directory: string, args: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("git", ["-c", "core.hooksPath=/dev/null", "-C", directory, ...args], {
      env: { ...process.env, ...ENVIRONMENT, HOME: directory },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: GIT_MS,
      ...(signal && { signal }),
    });
    const texts = { out: "", err: "" };
    child.stdout.on("data", (chunk: Buffer) => (texts.out = (texts.out + chunk.toString()).slice(0, OUTPUT_BYTES)));
    child.stderr.on("data", (chunk: Buffer) => (texts.err = (texts.err + chunk.toString()).slice(-OUTPUT_BYTES)));
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT")
        reject(new GantryError("unavailable", "unable to find 'git': install it on the host"));
      else if (error.name === "AbortError") reject(new GantryError("cancelled", "context canceled", {}, error));
      else reject(error);
    });
    child.on("close", (code) => {
      if (code === 0) resolve(texts.out);
      else reject(new GantryError("invalid", `git ${args[0]}: ${texts.err.trim() || `exit status ${code}`}`));
    });
  });
}
