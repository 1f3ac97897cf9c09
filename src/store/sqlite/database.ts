import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { CommitMessage } from "./messages.ts";
import { unpackRows, type Row } from "./rows.ts";

/**
 * `current`: each key as it is. `history`: an undo log: what a key held before the change of that revision (so a value
 * is on disk once, and creating writes no second copy). Short-lived keys leave no history.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS current (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, create_revision INTEGER NOT NULL, mod_revision INTEGER NOT NULL,
    ttl_ms REAL, written_at_ms REAL);
  CREATE TABLE IF NOT EXISTS history (
    revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB, create_revision INTEGER, mod_revision INTEGER);
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
`;
const SCHEMA_VERSION = 1;
const PAGE_BYTES = 4096;

export interface Database {
  meta(name: string): string | undefined;
  entries(): Generator<Row>;
  /** Newest first. */
  history(): Generator<Row>;
  commit(message: CommitMessage): void;
  /** Copies what is committed into a new file (0600), complete or not there at all. */
  snapshot(target: string): void;
  close(): void;
}

/** Opens (0600) and locks the file; one process at a time. Every commit is synced to disk before it returns. */
export function openDatabase(path: string, maxBytes: number | undefined): Database {
  closeSync(openSync(path, "a", 0o600));
  const db = new DatabaseSync(path);
  db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  db.exec(`PRAGMA journal_size_limit = ${16 * 2 ** 20}; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000;`);
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (version > SCHEMA_VERSION)
    throw new Error(`${path} was written by a newer version (schema ${version}, known ${SCHEMA_VERSION})`);
  db.exec(`${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION};`);
  if (maxBytes !== undefined) db.exec(`PRAGMA max_page_count = ${Math.max(16, Math.floor(maxBytes / PAGE_BYTES))};`);
  const statements = prepare(db);

  return {
    meta(name) {
      const value = statements.getMeta.get(name)?.["value"];
      return value === undefined || value === null ? undefined : String(value);
    },
    *entries() {
      const columns = "key, value, create_revision, mod_revision, ttl_ms, written_at_ms";
      for (const row of arrays(db, `SELECT ${columns} FROM current`)) yield rowOf(row);
    },
    *history() {
      const columns = "key, value, create_revision, mod_revision, NULL, revision";
      for (const row of arrays(db, `SELECT ${columns} FROM history ORDER BY revision DESC`)) yield rowOf(row);
    },
    commit(message) {
      try {
        transaction(db, () => writeAll(statements, message, true));
      } catch (error) {
        // Undo rows need room of their own: without them (and with history's room freed) deleting still works.
        if (!isFull(error)) throw error;
        transaction(db, () => writeAll(statements, { ...message, compactedRevision: message.revision }, false));
      }
    },
    snapshot(target) {
      const unfinished = `${target}.unfinished`;
      rmSync(unfinished, { force: true });
      closeSync(openSync(unfinished, "wx", 0o600));
      try {
        db.prepare("VACUUM INTO ?").run(unfinished);
        syncFile(unfinished);
        renameSync(unfinished, target);
        syncFile(dirname(target));
      } finally {
        rmSync(unfinished, { force: true });
      }
    },
    close: () => db.close(),
  };
}

function syncFile(path: string): void {
  const file = openSync(path, "r");
  fsyncSync(file);
  closeSync(file);
}

type Statements = ReturnType<typeof prepare>;

function prepare(db: DatabaseSync) {
  return {
    put: db.prepare(`INSERT INTO current VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT(key) DO UPDATE SET
      value = excluded.value, create_revision = excluded.create_revision, mod_revision = excluded.mod_revision,
      ttl_ms = excluded.ttl_ms, written_at_ms = excluded.written_at_ms`),
    remove: db.prepare("DELETE FROM current WHERE key = ?"),
    remember: db.prepare(`INSERT INTO history SELECT ?1, ?2, c.value, c.create_revision, c.mod_revision
      FROM (SELECT 1) LEFT JOIN current c ON c.key = ?2`),
    forget: db.prepare("DELETE FROM history WHERE revision <= ?"),
    getMeta: db.prepare("SELECT value FROM meta WHERE name = ?"),
    putMeta: db.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)"),
  };
}

/** True for SQLITE_FULL: the disk is full, or the file at its limit. */
export function isFull(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_FULL;
}

const SQLITE_FULL = 13;

function transaction(db: DatabaseSync, run: () => void): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    run();
    db.exec("COMMIT");
  } catch (error) {
    // SQLite has already rolled back by itself after some failures (a full disk).
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function writeAll(statements: Statements, message: CommitMessage, remember: boolean): void {
  statements.forget.run(message.compactedRevision);
  for (const row of unpackRows(message.rows)) {
    if (remember && row.ttlMs === undefined) statements.remember.run(row.modRevision, row.key);
    write(statements, row);
  }
  statements.putMeta.run("revision", String(message.revision));
  statements.putMeta.run("compactedRevision", String(message.compactedRevision));
  statements.putMeta.run("shortLivedDirectories", JSON.stringify(message.shortLivedDirectories));
}

function write(statements: Statements, row: Row): void {
  if (row.value) {
    const lasting = row.ttlMs === undefined;
    statements.put.run(
      row.key,
      row.value,
      row.createRevision,
      row.modRevision,
      row.ttlMs ?? null,
      lasting ? null : row.stamp,
    );
  } else {
    statements.remove.run(row.key);
  }
}

type Columns = readonly [
  key: string,
  value: Uint8Array | null,
  createRevision: number | null,
  modRevision: number | null,
  ttlMs: number | null,
  stamp: number | null,
];

/** Rows as arrays, which cost half of what objects do. */
function arrays(db: DatabaseSync, query: string): Iterable<Columns> {
  const statement = db.prepare(query);
  statement.setReturnArrays(true);
  return statement.iterate() as Iterable<unknown> as Iterable<Columns>;
}

function rowOf([key, value, createRevision, modRevision, ttlMs, stamp]: Columns): Row {
  return {
    key,
    value: value ?? undefined,
    createRevision: createRevision ?? 0,
    modRevision: modRevision ?? 0,
    ttlMs: ttlMs ?? undefined,
    stamp: stamp ?? 0,
  };
}
