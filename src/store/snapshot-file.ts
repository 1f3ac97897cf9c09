// A snapshot: the store's file, with what else belongs to the cluster (its keys) in a table of its own.
import { chmodSync, copyFileSync, existsSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { errorText, GantryError } from "#base/errors.ts";

/** A file that goes with the store: a path below the cluster's directory, and its bytes. */
export interface SnapshotEntry {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Watchers of the time after the snapshot must not take up where the restored store goes on: their revisions are not reached again. */
const REVISIONS_APART = 1_000_000;

/** Adds files to a snapshot that a store has just written. */
export function addToSnapshot(snapshot: string, entries: readonly SnapshotEntry[]): void {
  withDatabase(snapshot, (database) => {
    database.exec("CREATE TABLE snapshot_files (path TEXT PRIMARY KEY, bytes BLOB NOT NULL)");
    const insert = database.prepare("INSERT INTO snapshot_files VALUES (?, ?)");
    for (const { path, bytes } of entries) insert.run(path, bytes);
  });
}

/**
 * Puts a snapshot in the place of a store's file, which no one may have open; the file that was there is kept beside it, with
 * `.before-restore` at its name's end. Gives back the files that came with it. Throws `invalid` for what is no snapshot, and
 * `conflict` when the store is in use.
 */
export function restoreSnapshot(snapshot: string, file: string): readonly SnapshotEntry[] {
  const unfinished = `${file}.unfinished`;
  try {
    copyFileSync(snapshot, unfinished);
    chmodSync(unfinished, 0o600);
    const entries = prepare(unfinished, snapshot);
    refuseOpen(file);
    for (const suffix of ["-wal", "-shm"]) rmSync(file + suffix, { force: true });
    if (existsSync(file)) renameSync(file, `${file}.before-restore`);
    renameSync(unfinished, file);
    return entries;
  } finally {
    rmSync(unfinished, { force: true });
  }
}

/** Checks that it is whole, takes the files out, and moves its revisions on. */
function prepare(path: string, snapshot: string): readonly SnapshotEntry[] {
  const notOne = (why: string): GantryError =>
    new GantryError("invalid", `${snapshot} is no snapshot of Gantry: ${why}`);
  try {
    return withDatabase(path, (database) => {
      const check = Object.values(database.prepare("PRAGMA integrity_check").get() ?? {})[0];
      if (check !== "ok") throw notOne(String(check));
      const rows = database.prepare("SELECT path, bytes FROM snapshot_files").all();
      const revision = Number(database.prepare("SELECT value FROM meta WHERE name = 'revision'").get()?.["value"] ?? 0);
      const next = String(revision + REVISIONS_APART);
      const put = database.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)");
      put.run("revision", next);
      put.run("compactedRevision", next);
      database.exec("DELETE FROM history; DROP TABLE snapshot_files;");
      return rows.map((row) => ({ path: String(row["path"]), bytes: row["bytes"] as Uint8Array }));
    });
  } catch (error) {
    throw error instanceof GantryError ? error : notOne(errorText(error));
  }
}

/** A running Gantry holds the file's lock. */
function refuseOpen(file: string): void {
  if (!existsSync(file)) return;
  try {
    withDatabase(file, (database) => void database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;"));
  } catch (error) {
    throw new GantryError("conflict", `${file} is in use: stop Gantry first, with 'gantry down'`, {}, error);
  }
}

function withDatabase<T>(path: string, run: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path);
  try {
    return run(database);
  } finally {
    database.close();
  }
}
