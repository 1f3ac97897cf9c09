import {
  chmodSync,
  chownSync,
  closeSync,
  lstatSync,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join, posix } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { TarEntry } from "#formats/tar-entry.ts";
import { tarReader } from "#formats/tar-reader.ts";

/**
 * Writes an image's files into a directory of this machine. No name leads out of it, and no link in it is followed: what lies in
 * the place of a file is replaced. Owners are kept when root does it; device files are left out.
 */
export async function extractTo(directory: string, archive: AsyncIterable<Buffer>): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const isRoot = process.getuid?.() === 0;
  let file: number | undefined;
  const done = (): void => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  const modes: { path: string; mode: number }[] = [];
  const reader = tarReader({
    entry(entry) {
      done();
      const path = placeOf(directory, entry.path);
      if (path === directory) return;
      file = makeEntry(directory, path, entry);
      if (entry.type === "link" || !["file", "directory"].includes(entry.type)) return;
      if (isRoot) chownSync(path, entry.uid, entry.gid);
      // At the end: a directory may be read-only.
      modes.push({ path, mode: entry.mode });
    },
    data(chunk, offset) {
      if (file !== undefined) writeSync(file, chunk, 0, chunk.length, offset);
    },
    end: done,
  });
  for await (const chunk of archive) reader.write(chunk);
  reader.close();
  for (const { path, mode } of modes.toReversed()) chmodSync(path, mode);
}

function placeOf(directory: string, name: string): string {
  const path = posix.normalize(`/${name}`).replace(/\/+$/, "");
  return path === "" ? directory : join(directory, path);
}

function makeEntry(directory: string, path: string, entry: TarEntry): number | undefined {
  checkParents(directory, path);
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (entry.type === "directory") {
    if (there && !there.isDirectory()) rmSync(path);
    if (!there?.isDirectory()) mkdirSync(path);
    return undefined;
  }
  if (there) rmSync(path, { recursive: true });
  if (entry.type === "file") return openSync(path, "wx", 0o600);
  if (entry.type === "symlink") symlinkSync(entry.linkPath, path);
  else if (entry.type === "link") {
    const target = placeOf(directory, entry.linkPath);
    checkParents(directory, target);
    linkSync(target, path);
  }
  return undefined;
}

/** Directories on the way are real ones. */
function checkParents(directory: string, path: string): void {
  const parent = dirname(path);
  if (parent === directory || !parent.startsWith(`${directory}/`)) return;
  checkParents(directory, parent);
  const there = lstatSync(parent, { throwIfNoEntry: false });
  if (!there) mkdirSync(parent);
  else if (!there.isDirectory())
    throw new GantryError("invalid", `${parent} is in the way: it is no directory`, { path: parent });
}
