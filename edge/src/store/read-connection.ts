import BetterSqlite3 from 'better-sqlite3';
import { Connection } from './tx.js';

const BUSY_MS_MAX = 2_000;

/** Of each connection. What a sale touches is some dozen pages; SQLite would keep 16 MB of those it will not read again. */
export const CACHE_KB = 4_096;

/** Committed data alone, and no way to write. Without TypeORM: the reader's thread loads this too. */
export function openReadOnly(file: string): Connection {
  const database = new BetterSqlite3(file, { readonly: true, fileMustExist: true, timeout: BUSY_MS_MAX });
  database.pragma('query_only = ON');
  database.pragma(`cache_size = -${CACHE_KB}`);
  return new Connection(database);
}
