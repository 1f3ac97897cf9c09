import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { directoryFiles, type RootFiles } from "#containers/container-files.ts";
import { ignoreOf, parseDockerignore, type Ignore } from "#formats/dockerignore.ts";
import { GantryError } from "#base/errors.ts";

/** The files that a client sent for a build, unpacked into a directory of their own. */
export interface BuildContext {
  readonly files: RootFiles;
  /** Its directory on the host: for bind mounts of RUN. */
  readonly path: string;
  /** A directory for what lives as long as the build. */
  readonly scratch: string;
  /** What .dockerignore leaves out. */
  readonly ignore: Ignore;
  close(): Promise<void>;
}

/** The longest Dockerfile and .dockerignore. */
const TEXT_LIMIT_BYTES = 4 * 1024 * 1024;

/** Unpacks a context's archive below `directory`. The caller closes it, which removes the files. */
export async function openContext(archive: Readable, directory: string): Promise<BuildContext> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const base = await mkdtemp(join(directory, "context-"));
  const [path, scratch] = [join(base, "files"), join(base, "scratch")];
  await mkdir(path, { mode: 0o755 });
  await mkdir(scratch, { mode: 0o700 });
  const files = directoryFiles(path);
  const close = async (): Promise<void> => {
    files.close();
    await rm(base, { recursive: true, force: true });
  };
  try {
    await files.write("/", archive, { keepKinds: false });
    const text = files.readText("/.dockerignore", TEXT_LIMIT_BYTES);
    return { files, path, scratch, ignore: text === undefined ? ignoreOf([]) : parseDockerignore(text), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The text of the Dockerfile of a context. Throws `invalid` in Docker's words. */
export function readDockerfile({ files }: BuildContext, name: string): string {
  const text = files.readText(name, TEXT_LIMIT_BYTES);
  if (text === undefined) throw new GantryError("invalid", `Cannot locate specified Dockerfile: ${name}`, { name });
  if (text.trim() === "") throw new GantryError("invalid", `the Dockerfile (${name}) cannot be empty`, { name });
  return text;
}
