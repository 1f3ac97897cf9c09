import { mkdirSync, rmdirSync } from "node:fs";
import type { Snapshot } from "#images/image-store.ts";
import { mount, umount2 } from "#linux/syscalls.ts";

const MNT_DETACH = 2;
const MS_BIND = 4096;

/** Mounts a snapshot's root at `target` as a container would, for as long as `use` runs. */
export async function withMounted<T>(
  snapshot: Snapshot,
  target: string,
  use: (root: string) => Promise<T> | T,
): Promise<T> {
  mkdirSync(target);
  const root = snapshot.mount;
  if (root.kind === "bind") mount(root.source, target, null, MS_BIND);
  else mount("overlay", target, "overlay", 0, overlayData(root));
  try {
    return await use(target);
  } finally {
    umount2(target, MNT_DETACH);
    rmdirSync(target);
  }
}

/** The options of mount(8); they have one page. */
export function overlayData(root: Extract<Snapshot["mount"], { kind: "overlay" }>): string {
  const { lower, upper, work, options = [] } = root;
  return [`lowerdir=${lower.join(":")}`, `upperdir=${upper}`, `workdir=${work}`, ...options].join(",");
}
