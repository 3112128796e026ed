import { dirname, join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { makeFolder } from '@branchline/http/make-folder.js';
import BetterSqlite3 from 'better-sqlite3';
import { MIGRATIONS } from './migrations/list.js';
import { openReadOnly } from './read-connection.js';
import { openingFailure } from './storage-failure.js';
import type { Connection } from './tx.js';
import { openWritable } from './writable.js';

/** What this program can read. A file whose `minReader` is newer was written by a later one and is left alone. */
const READER_VERSION = 1;
/** Below it SQLite has the WAL-reset bug. */
const SQLITE_VERSION_MIN = [3, 51, 3] as const;

/** The two doors to the file. `connection` writes; `reads`: read-only, sees committed data alone. */
export type EdgeDatabase = { connection: Connection; reads: Connection; close(): void };

/** Opens the file, one process at a time, and brings its schema forward. @throws EnvironmentFailure with one clear line */
export async function openDatabase(file: string): Promise<EdgeDatabase> {
  const unlock = lockFolder(dirname(file));
  try {
    const database = await openLocked(file);
    return {
      ...database,
      close: () => {
        database.close();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** The same for whoever holds the folder's lock already. */
export async function openLocked(file: string): Promise<EdgeDatabase> {
  const reads = await openMigrated(file);
  try {
    const connection = openWritable(file);
    return {
      connection,
      reads,
      close: () => {
        reads.database.close();
        connection.database.close();
      },
    };
  } catch (error) {
    reads.database.close();
    throw error;
  }
}

/** Brings the schema forward, for whoever holds the folder's lock. @returns committed data alone */
export async function openMigrated(file: string): Promise<Connection> {
  prepareFolder(dirname(file));
  const database = openFirst(file);
  try {
    assertVersions(database, file);
    if (!isMigrated(database)) {
      const { migrate } = await import('./migrate.js');
      await migrate(file);
    }
    // Before the other goes: the last one to leave would copy the whole log into the file first.
    return openReadOnly(file);
  } catch (error) {
    throw openingFailure(file, error);
  } finally {
    database.close();
  }
}

function openFirst(file: string): BetterSqlite3.Database {
  let database: BetterSqlite3.Database | undefined;
  try {
    database = new BetterSqlite3(file, { timeout: 2_000 });
    // Reads, and so tells of what is no database of SQLite's.
    database.pragma('schema_version');
    return database;
  } catch (error) {
    database?.close();
    throw new EnvironmentFailure(`${file} cannot be opened: ${(error as Error).message}`);
  }
}

/** As far as this release knows: TypeORM lists in `migrations` what was done. */
function isMigrated(database: BetterSqlite3.Database): boolean {
  const has = `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'`;
  if (database.prepare(has).pluck().get() === 0) return false;
  const done = new Set(database.prepare('SELECT name FROM migrations').pluck().all());
  return MIGRATIONS.every(({ name }) => done.has(name));
}

function prepareFolder(folder: string): void {
  try {
    makeFolder(folder, 0o700);
  } catch (error) {
    throw new EnvironmentFailure(`the data folder ${folder} cannot be made: ${(error as Error).message}`);
  }
}

/**
 * Two writing processes on one file would each believe in their own head. The lock is an open transaction on a file of its
 * own: it goes with the process, however that ends. @returns what gives it back
 */
export function lockFolder(folder: string): () => void {
  prepareFolder(folder);
  const path = join(folder, 'edge.lock');
  let lock: BetterSqlite3.Database | undefined;
  try {
    lock = new BetterSqlite3(path, { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock?.close();
    const taken = (error as { code?: string }).code === 'SQLITE_BUSY';
    throw new EnvironmentFailure(
      taken ? `another edge is running on ${folder}` : `${path} cannot be opened: ${(error as Error).message}`,
    );
  }
  const held = lock;
  return () => held.close();
}

function assertVersions(database: BetterSqlite3.Database, file: string): void {
  const version = database.prepare('SELECT sqlite_version()').pluck().get() as string;
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  const [minMajor, minMinor, minPatch] = SQLITE_VERSION_MIN;
  const number = (major * 1000 + minor) * 1000 + patch;
  if (number < (minMajor * 1000 + minMinor) * 1000 + minPatch) {
    throw new EnvironmentFailure(`SQLite ${version} is too old: ${SQLITE_VERSION_MIN.join('.')} is needed`);
  }
  const known = database
    .prepare(`SELECT count(*) FROM sqlite_schema WHERE name = 'file_format'`)
    .pluck()
    .get() as number;
  if (known === 0) return;
  const minReader = database.prepare('SELECT min_reader FROM file_format').pluck().get() as number;
  if (minReader > READER_VERSION) {
    throw new EnvironmentFailure(
      `${file} was written by a newer release (format ${minReader}, this one reads ${READER_VERSION})`,
    );
  }
}
