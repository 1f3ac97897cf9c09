import { closeSync } from "node:fs";
import { systemName } from "#formats/tar-text.ts";
import { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY, openat, symlinkat } from "#linux/syscalls.ts";
import { inheritJob } from "./inherit-job.ts";
import type { RequestOf, ResultOf } from "./jobs.ts";
import { openFolder, rootTree } from "./root-tree.ts";

/** The mount points that Docker puts between an image and a container's own layer (moby daemon/initlayer/setup_unix.go). */
const FOLDERS = ["dev/pts", "dev/shm", "proc", "sys"];
const FILES = [".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"];

/**
 * Makes an image's init layer. Its directories look as the image's own do; where the image has a link or a file in the place
 * of one, the directory hides it, so that no image decides where its mount points lie.
 */
export function initJob({ diff, lowers }: RequestOf<"init">): ResultOf<"init"> {
  const tree = rootTree(openFolder(diff));
  let implicit: string[];
  try {
    for (const path of FOLDERS) tree.directory(path.split("/"));
    for (const path of FILES) {
      const parts = path.split("/");
      const parent = tree.directory(parts.slice(0, -1));
      closeSync(openat(parent, systemName(parts.at(-1) ?? ""), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o755));
    }
    symlinkat("/proc/mounts", tree.directory(["etc"]), "mtab");
    implicit = ["", ...tree.implicit];
  } finally {
    tree.close();
  }
  return inheritJob({ diff, lowers, implicit });
}
