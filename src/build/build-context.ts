import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { directoryFiles, type RootFiles } from "#containers/container-files.ts";
import { ignoreOf, parseDockerignore, type Ignore } from "#formats/dockerignore.ts";
import { GantryError } from "#base/errors.ts";
import { unpacked } from "./decompress.ts";
import { fetchRemote } from "./remote/fetch-context.ts";
import type { BuildOptions, BuildSource } from "./types.ts";

/** Files that instructions read: the context, or a named one. */
export interface ContextFiles {
  readonly files: RootFiles;
  /** Its directory on the host: for bind mounts of RUN. */
  readonly path: string;
  /** What .dockerignore leaves out. */
  readonly ignore: Ignore;
}

/** The files that a client sent for a build, unpacked into a directory of their own. */
export interface BuildContext extends ContextFiles {
  /** A directory for what lives as long as the build. */
  readonly scratch: string;
  /** Where secrets lie while a command runs: made when there are any. */
  readonly secrets: string;
  readonly named: ReadonlyMap<string, ContextFiles>;
  close(): Promise<void>;
}

/** The longest Dockerfile and .dockerignore. */
const TEXT_LIMIT_BYTES = 4 * 1024 * 1024;

export interface ContextFolders {
  readonly contexts: string;
  /** Below the run directory, which is in memory on most machines. */
  readonly secrets: string;
}

/** Brings a build's files below `folders.contexts`. The caller closes it, which removes them. */
export async function openContext(
  source: BuildSource,
  folders: ContextFolders,
  options: Pick<BuildOptions, "buildArgs" | "contexts" | "signal">,
): Promise<BuildContext> {
  await mkdir(folders.contexts, { recursive: true, mode: 0o700 });
  const base = await mkdtemp(join(folders.contexts, "context-"));
  const opened: RootFiles[] = [];
  const secrets = join(folders.secrets, base.slice(folders.contexts.length + 1));
  const close = async (): Promise<void> => {
    for (const files of opened) files.close();
    await rm(base, { recursive: true, force: true });
    await rm(secrets, { recursive: true, force: true });
  };
  try {
    const scratch = join(base, "scratch");
    await mkdir(scratch, { mode: 0o700 });
    const whole = join(base, "files");
    await mkdir(whole, { mode: 0o755 });
    await fillContext(source, whole, scratch, options);
    const open = (path: string): ContextFiles => {
      const files = directoryFiles(path);
      opened.push(files);
      return { files, path, ignore: ignoreIn(files) };
    };
    const named = new Map<string, ContextFiles>();
    for (const [index, name] of (source.kind === "bundle" ? source.names : []).entries())
      named.set(name, open(join(whole, "named", String(index))));
    for (const [index, [name, url]] of [...(options.contexts ?? [])].entries()) {
      if (url.startsWith("docker-image://")) continue;
      const path = join(base, `remote-${index}`);
      await mkdir(path, { mode: 0o755 });
      await fillContext({ kind: "remote", url }, path, scratch, options);
      named.set(name, open(path));
    }
    return { ...open(source.kind === "bundle" ? join(whole, "context") : whole), scratch, secrets, named, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function fillContext(
  source: BuildSource,
  path: string,
  scratch: string,
  options: Pick<BuildOptions, "buildArgs" | "signal">,
): Promise<void> {
  if (source.kind === "remote") {
    await fetchRemote(source.url, path, scratch, {
      keepGitDir: options.buildArgs.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR") === "1",
      signal: options.signal,
    });
    return;
  }
  if (source.kind === "bundle") {
    await mkdir(join(path, "context"), { mode: 0o755 });
    for (const index of source.names.keys()) await mkdir(join(path, "named", String(index)), { recursive: true });
  }
  const files = directoryFiles(path);
  try {
    await files.write("/", await unpacked(source.archive), { keepKinds: false });
  } finally {
    files.close();
  }
}

function ignoreIn(files: RootFiles): Ignore {
  const text = files.readText("/.dockerignore", TEXT_LIMIT_BYTES);
  return text === undefined ? ignoreOf([]) : parseDockerignore(text);
}

/** The text of the Dockerfile of a context. Throws `invalid` in Docker's words. */
export function readDockerfile({ files }: BuildContext, name: string): string {
  const text = files.readText(name, TEXT_LIMIT_BYTES);
  if (text === undefined) throw new GantryError("invalid", `Cannot locate specified Dockerfile: ${name}`, { name });
  if (text.trim() === "") throw new GantryError("invalid", `the Dockerfile (${name}) cannot be empty`, { name });
  return text;
}
