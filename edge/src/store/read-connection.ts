import BetterSqlite3 from 'better-sqlite3';
import { Connection } from './tx.js';

const BUSY_MS_MAX = 2_000;

/** For point reads, and the journal read once from its start; SQLite would keep 16 MB of pages that it will not read again. */
const CACHE_KB = 1_024;

/** Committed data alone, and no way to write. Without TypeORM: the reader's thread loads this too. */
export function openReadOnly(file: string, cacheKb = CACHE_KB): Connection {
  const database = new BetterSqlite3(file, { readonly: true, fileMustExist: true, timeout: BUSY_MS_MAX });
  database.pragma('query_only = ON');
  database.pragma(`cache_size = -${cacheKb}`);
  return new Connection(database);
}
