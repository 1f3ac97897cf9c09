import { chmodSync, chownSync, closeSync, fstatSync } from "node:fs";
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_PATH, openat } from "#linux/syscalls.ts";
import { extractInto } from "./extract.ts";
import { packTree } from "./pack.ts";
import { openDirectory } from "./scoped.ts";

/** Copies the directory at `path` below a root, with owners, modes and times, over the directory `target` of the host. */
export async function copyTree(root: number, path: string, target: string): Promise<void> {
  const source = openDirectory(root, path);
  if (source === undefined) return;
  try {
    const destination = openat(AT_FDCWD, target, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    try {
      await extractInto(destination, "/", packTree(source, ".", "./"), {
        noOverwriteDirNonDir: false,
        owner: undefined,
      });
    } finally {
      closeSync(destination);
    }
  } finally {
    closeSync(source);
  }
}
