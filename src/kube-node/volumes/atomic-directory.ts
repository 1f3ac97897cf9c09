import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { GantryError } from "#base/errors.ts";

/** A file of a configMap, secret, projected or downward API volume. */
export interface VolumeFile {
  /** Relative, without `..`. */
  readonly path: string;
  readonly content: Uint8Array;
  readonly mode: number;
  /** Owner of a service account token in a pod that runs as another user. */
  readonly uid?: number;
}

/**
 * Puts `files` into `directory` so that readers see all of the old or all of the new (kubelet's AtomicWriter): a new
 * time-stamped directory, then `..data` renamed over to it. Returns whether anything changed; the same content writes nothing.
 */
export async function writeAtomically(
  directory: string,
  files: readonly VolumeFile[],
  gid: number | undefined,
  stamp: string,
): Promise<boolean> {
  for (const file of files) checkPath(file.path);
  const present = await readlink(join(directory, "..data")).catch(() => undefined);
  if (present !== undefined && (await holdsExactly(join(directory, present), files))) return false;
  const fresh = join(directory, `..${stamp}`);
  await mkdir(fresh, { recursive: true, mode: 0o755 });
  for (const file of files) await writeOne(fresh, file, gid);
  await rm(join(directory, "..data_tmp"), { force: true });
  await symlink(`..${stamp}`, join(directory, "..data_tmp"));
  await rename(join(directory, "..data_tmp"), join(directory, "..data"));
  await linkNames(directory, new Set(files.map(({ path }) => path.split("/")[0] ?? path)));
  if (present !== undefined && present !== `..${stamp}`)
    await rm(join(directory, present), { recursive: true, force: true });
  return true;
}

async function holdsExactly(root: string, files: readonly VolumeFile[]): Promise<boolean> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  if (entries.filter((entry) => entry.isFile()).length !== files.length) return false;
  for (const file of files) {
    const content = await readFile(join(root, file.path)).catch(() => undefined);
    if (!content?.equals(file.content)) return false;
  }
  return true;
}

function checkPath(path: string): void {
  const parts = path.split("/");
  if (path === "" || path.startsWith("/") || parts.includes("..") || (parts[0] ?? "").startsWith("..")) {
    throw new GantryError(
      "invalid",
      `invalid path ${JSON.stringify(path)} in a volume: it must be relative, without '..'`,
    );
  }
}

async function writeOne(root: string, file: VolumeFile, gid: number | undefined): Promise<void> {
  const target = join(root, file.path);
  await mkdir(dirname(target), { recursive: true, mode: 0o755 });
  await writeFile(target, file.content, { mode: 0o600, flag: "wx" });
  if (gid !== undefined || file.uid !== undefined) await chown(target, file.uid ?? 0, gid ?? 0);
  await chmod(target, gid === undefined ? file.mode : file.mode | 0o040);
}

/** The user-visible names are links through `..data`; names that are no more are removed. */
async function linkNames(directory: string, names: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(directory)) {
    if (entry.startsWith("..") || names.has(entry)) continue;
    await rm(join(directory, entry), { recursive: true, force: true });
  }
  for (const name of names) {
    const link = join(directory, name);
    if (!(await lstat(link).catch(() => undefined))) await symlink(join("..data", name), link);
  }
}
