import { rmSync } from 'node:fs';
import BetterSqlite3 from 'better-sqlite3';
import { TABLE_ORIGINS } from '../store/table-origins.js';
import { Connection, type ReadTx } from '../store/tx.js';

const CACHE_KB = 4_096;

/** What only lines write, and so what lines must lead to again. */
export const JOURNAL_TABLES = Object.entries(TABLE_ORIGINS)
  .filter(([, origin]) => origin === 'journal')
  .map(([table]) => table);

/**
 * A second set of the journal's tables in a file of its own, empty: into it the lines are applied once more, by the same
 * appliers. Nothing in it is worth keeping: no log, no sync, and it goes with the check.
 */
export function makeScratch(source: ReadTx, file: string): void {
  dropScratch(file);
  const scratch = openScratch(file);
  try {
    for (const { sql } of source.all<{ sql: string }>(
      `SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type IN ('table', 'index')
         AND tbl_name IN (SELECT value FROM json_each(?)) ORDER BY type DESC, rowid`,
      JSON.stringify(JOURNAL_TABLES),
    ))
      scratch.database.exec(sql);
  } finally {
    scratch.database.close();
  }
}

export function openScratch(file: string): Connection {
  const database = new BetterSqlite3(file);
  database.pragma('journal_mode = OFF');
  database.pragma('synchronous = OFF');
  database.pragma(`cache_size = -${CACHE_KB}`);
  return new Connection(database);
}

export function dropScratch(file: string): void {
  for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
}
