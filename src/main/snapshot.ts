// What a snapshot of a cluster holds: its store, and the keys that its identities rest on.
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { GantryError } from "#base/errors.ts";
import type { Places } from "#base/places.ts";
import { readStatus } from "#cli/control-client.ts";
import { addToSnapshot, restoreSnapshot as restoreStore, type SnapshotEntry } from "#store/snapshot-file.ts";
import type { SqliteStore } from "#store/sqlite.ts";

const KEYS = "pki";

/** A cluster's own directory. */
export function clusterDirectory(places: Places): string {
  return join(places.dataDir, "cluster");
}

export function storeFile(directory: string): string {
  return join(directory, "state.db");
}

/** Writes a snapshot while the cluster runs. A file of that name is replaced once the snapshot is whole. */
export async function saveSnapshot(store: SqliteStore, directory: string, target: string): Promise<void> {
  await store.snapshot(target);
  try {
    addToSnapshot(target, filesBelow(directory, KEYS));
  } catch (error) {
    rmSync(target, { force: true });
    throw error;
  }
}

function filesBelow(directory: string, folder: string): SnapshotEntry[] {
  return readdirSync(join(directory, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return { path: path.slice(directory.length + 1), bytes: readFileSync(path) };
    });
}

/** Makes a snapshot the cluster of these places, whose Gantry must not run. Its earlier store is kept beside it. */
export async function restoreSnapshot(places: Places, snapshot: string): Promise<void> {
  const running = await readStatus(places);
  if (running)
    throw new GantryError("conflict", `Gantry runs here (pid ${running.pid}): stop it first, with 'gantry down'`);
  const directory = clusterDirectory(places);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const entries = restoreStore(snapshot, storeFile(directory));
  for (const { path, bytes } of entries) {
    // Only keys come back, and only to where keys are, whoever wrote the snapshot.
    if (normalize(path) !== path || !path.startsWith(`${KEYS}/`))
      throw new GantryError("invalid", `${snapshot} is no snapshot of Gantry: it holds ${JSON.stringify(path)}`);
    const target = join(directory, path);
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    writeFileSync(target, bytes, { mode: 0o600 });
    chmodSync(target, 0o600);
  }
}
