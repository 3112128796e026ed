import type { ReadTx, Tx } from '../store/tx.js';
import type { LocalWrite } from '../store/write-job.js';

/** The newest are kept: about a week of a busy store. */
export const SYNC_LOG_ROWS_MAX = 10_000;

/** `incident`: for a person to look at; also on the program's own log. */
export type SyncLogLevel = 'info' | 'warning' | 'incident';

export type SyncLogEntry = { level: SyncLogLevel; event: string; detail: string };
export type SyncLogRow = SyncLogEntry & { no: number; at: number };

/** Trims as it writes: numbers are dense, so what is too old is a range at the start of the key, mostly one row. */
export function writeSyncLog(tx: Tx, atMs: number, { level, event, detail }: SyncLogEntry): void {
  const { lastInsertRowid } = tx.run(
    'INSERT INTO sync_log (at, level, event, detail) VALUES (?, ?, ?, ?)',
    atMs,
    level,
    event,
    detail,
  );
  tx.run('DELETE FROM sync_log WHERE no <= ?', Number(lastInsertRowid) - SYNC_LOG_ROWS_MAX);
}

export const logSync: LocalWrite<{ entries: readonly SyncLogEntry[] }, void> = {
  name: 'log-sync',
  run: (tx, { entries }, { clock }) => writeEntries(tx, clock.now(), entries),
};

export function writeEntries(tx: Tx, atMs: number, entries: readonly SyncLogEntry[]): void {
  for (const entry of entries) writeSyncLog(tx, atMs, entry);
}

/** Newest first, below `beforeNo`. */
export function readSyncLog(tx: ReadTx, limit: number, beforeNo: number | null): SyncLogRow[] {
  return tx.all<SyncLogRow>(
    'SELECT no, at, level, event, detail FROM sync_log WHERE no < ? ORDER BY no DESC LIMIT ?',
    beforeNo ?? Number.MAX_SAFE_INTEGER,
    limit,
  );
}
