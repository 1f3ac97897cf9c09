import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Unpacks Debian packages into one folder and gives it to `use`; the folder is gone afterwards.
 * Packages come from the machine's own apt sources; nothing is installed.
 */
export async function withPackages<T>(names: readonly string[], use: (root: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-test-image-"));
  try {
    await download(names, folder);
    const root = join(folder, "root");
    for (const file of (await readdir(folder)).filter((name) => name.endsWith(".deb")).sort()) {
      await run("dpkg-deb", ["-x", join(folder, file), root]);
    }
    return await use(root);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function download(names: readonly string[], folder: string): Promise<void> {
  const once = (): Promise<unknown> => run("apt-get", ["download", "-q", ...names], { cwd: folder });
  try {
    await once();
  } catch {
    // The package lists are missing or older than the mirror.
    await run("apt-get", ["update", "-q"]);
    await once();
  }
}

/** The shared libraries (and the loader) that `program` needs, as absolute paths inside `root`. */
export async function sharedLibraries(root: string, program: string): Promise<string[]> {
  const loader = await findLoader(root);
  const folders = await libraryFolders(root);
  const { stdout } = await run(loader, ["--library-path", folders.join(":"), "--list", join(root, program)]);
  const found = stdout.split("\n").map((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1]);
  const paths = found.filter((path) => path?.startsWith(root)).map((path) => String(path).slice(root.length));
  if (stdout.includes("not found")) throw new Error(`${program} lacks a library:\n${stdout}`);
  return [...new Set([...paths, loader.slice(root.length)])];
}

async function findLoader(root: string): Promise<string> {
  for (const path of ["lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"]) {
    if (await exists(join(root, path))) return join(root, path);
  }
  throw new Error(`no dynamic loader under ${root}: is libc6 among the packages?`);
}

async function libraryFolders(root: string): Promise<string[]> {
  const folders: string[] = [];
  for (const base of ["lib", "usr/lib"]) {
    for (const name of await readdir(join(root, base)).catch(() => [])) {
      if (name.endsWith("-linux-gnu")) folders.push(join(root, base, name));
    }
  }
  return folders;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
