import { readdir, rmdir, unlink } from "node:fs/promises";

/** Deeper trees are another's work: their paths may be longer than the kernel takes. */
const DEEPEST = 16;

/**
 * Empties a directory of the host that nobody else writes to, one file after another, beside what this thread does. False when something is
 * left: `budget` files were looked at, or a tree is too deep. Throws for what cannot be removed so (a subvolume).
 */
export async function emptySoon(folder: string, budget: number): Promise<boolean> {
  const work = { budget };
  return removeBelow(Buffer.from(folder), work, 0);
}

async function removeBelow(folder: Buffer, work: { budget: number }, depth: number): Promise<boolean> {
  if (depth > DEEPEST) return false;
  const entries = await readdir(folder, { withFileTypes: true, encoding: "buffer" });
  for (const entry of entries) {
    if (--work.budget < 0) return false;
    const path = Buffer.concat([folder, Buffer.from("/"), entry.name]);
    if (!entry.isDirectory()) await unlink(path);
    else if (await removeBelow(path, work, depth + 1)) await rmdir(path);
    else return false;
  }
  return true;
}
