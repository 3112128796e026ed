import BetterSqlite3 from 'better-sqlite3';
import { Connection } from './tx.js';

const BUSY_MS_MAX = 2_000;

/** Committed data alone, and no way to write. Without TypeORM: the reader's thread loads this too. */
export function openReadOnly(file: string): Connection {
  const database = new BetterSqlite3(file, { readonly: true, fileMustExist: true, timeout: BUSY_MS_MAX });
  database.pragma('query_only = ON');
  return new Connection(database);
}
