import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { GantryError } from "#base/errors.ts";
import { AT_EMPTY_PATH, AT_FDCWD, isSyscallError, mountSetattr, openTree, OPEN_TREE_CLONE } from "../syscalls.ts";

/** struct mount_attr: read-only, no set-uid, no devices. */
const READ_ONLY = 0x1 | 0x2 | 0x4;

let program: number | undefined;

/**
 * A path at which the shim's program can be executed. It leads through a read-only mount of that one file, attached nowhere, so
 * that a container that gets hold of /proc/self/exe cannot write to it (CVE-2019-5736). Made once; costs no memory.
 */
export function shimProgram(): string {
  program ??= readOnlyMount(programFile());
  return `/proc/self/fd/${program}`;
}

function readOnlyMount(file: string): number {
  try {
    const tree = openTree(AT_FDCWD, file, OPEN_TREE_CLONE);
    mountSetattr(tree, "", AT_EMPTY_PATH, { set: READ_ONLY });
    return tree;
  } catch (error) {
    if (!isSyscallError(error)) throw error;
    const needs = error.code === "ENOSYS" ? " (needs Linux 5.12)" : error.code === "EPERM" ? " (needs root)" : "";
    throw new GantryError(
      "unavailable",
      `the shim's program ${file} cannot be protected: ${error.message}${needs}`,
      {},
      error,
    );
  }
}

/** native/shim/shim beside the sources or the bundle: the nearest above this file. */
export function programFile(): string {
  for (let directory = import.meta.dirname; ; directory = dirname(directory)) {
    const file = join(directory, "native/shim/shim");
    if (existsSync(file)) return file;
    if (directory === "/")
      throw new GantryError("unavailable", "the shim is not built: run 'npm run install' with a C compiler at hand");
  }
}
