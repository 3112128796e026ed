import { contractOfRecord } from '@branchline/replication/contracts.js';
import { isFeedKind } from '@branchline/replication/feed.js';
import type { SnapshotRecord } from '@branchline/replication/snapshot.js';
import { failureOf } from '../store/storage-failure.js';
import type { ReadTx, Tx } from '../store/tx.js';
import type { BackgroundWrite, LocalWrite } from '../store/write-job.js';
import { moveCursor, type CursorMove } from './feed-cursors.js';
import { insertStaged, rankOf, RANK_HELD, storeRelease } from './feed-staging.js';
import type { RowsOfKinds } from './feed-takes.js';
import { SLICE_MS_MAX, SLICE_ROWS_MAX, SLICE_ROWS_MIN } from './slice.js';
import { writeEntries } from './sync-log.js';

/** A record whose rows would not go in: the caller gives them again, and says which one is to be held. */
class SnapshotRecordNotApplied extends Error {
  override readonly name = 'SnapshotRecordNotApplied';
  constructor(
    readonly at: number,
    what: string,
    cause: unknown,
  ) {
    super(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** Known by its shape: it may come out of another thread. */
export function isSnapshotRecordNotApplied(error: unknown): error is Error & { at: number } {
  return (
    error instanceof Error && error.name === 'SnapshotRecordNotApplied' && 'at' in error && typeof error.at === 'number'
  );
}

/** @returns the snapshot that fills a taking from now on; another that had begun to is told by its SHA-256 */
export const beginSnapshot: LocalWrite<{ take: number; sha256: string }, { begun: string | null }> = {
  name: 'begin-snapshot',
  run(tx, { take, sha256 }) {
    tx.run('UPDATE feed_take SET begun = ? WHERE no = ? AND begun IS NULL', sha256, take);
    return { begun: tx.get<{ begun: string | null }>('SELECT begun FROM feed_take WHERE no = ?', take)?.begun ?? null };
  },
};

export type SnapshotRows = {
  take: number;
  records: readonly SnapshotRecord[];
  /** Places of records that would not go in. */
  held: readonly number[];
  /** Nobody sells from this file yet: no commit between. */
  atOnce: boolean;
};

/** Applies what stands and stages what waits for its release, straight from the snapshot: again, where that was done before. */
export const applySnapshot = (kinds: RowsOfKinds): BackgroundWrite<SnapshotRows, { at: number }> => ({
  name: 'apply-snapshot',
  slice(tx, { take, records, held, atOnce }, { at: from }, { stopwatch, clock }) {
    const startMs = stopwatch();
    let at = from;
    for (const record of records.slice(from, atOnce ? undefined : from + SLICE_ROWS_MAX)) {
      if (!atOnce && at - from >= SLICE_ROWS_MIN && stopwatch() - startMs >= SLICE_MS_MAX) break;
      const why = held.includes(at) ? 'its rows do not go in' : takeRecord(tx, take, record, kinds, at);
      if (why !== null) {
        stage(tx, take, record, RANK_HELD);
        const detail = `${record.number} (${record.kind} ${record.key}) of a snapshot: ${why}`;
        writeEntries(tx, clock.now(), [{ level: 'warning', event: 'feed-held', detail }]);
      }
      at += 1;
    }
    return { state: { at }, more: at < records.length };
  },
});

/** @returns why it is to be held; null: it is taken */
function takeRecord(tx: Tx, take: number, record: SnapshotRecord, kinds: RowsOfKinds, at: number): string | null {
  const { kind, key, version, contract, release } = record;
  const body = JSON.parse(record.body) as Record<string, unknown>;
  const isApplied = release === null && isFeedKind(kind) && kind !== 'release' && contract <= contractOfRecord(kind);
  if (!isApplied) {
    const { rank, heldFor } = rankOf({ kind, contract, deleted: record.deleted === 1, release, body });
    if (heldFor !== null) return heldFor;
    if (kind === 'release') storeRelease(tx, { key, contract, deleted: false, body });
    else stage(tx, take, record, rank);
    return null;
  }
  try {
    kinds[kind].apply(tx, { take, key, version, contract, deleted: false, body });
    return null;
  } catch (error) {
    if (failureOf(error) !== null) throw error;
    throw new SnapshotRecordNotApplied(at, `snapshot ${record.number} (${kind} ${key})`, error);
  }
}

/** Once, however often the file is gone through. */
function stage(tx: Tx, take: number, record: SnapshotRecord, rank: number): void {
  const { number, kind, key, version, contract, release } = record;
  tx.run('DELETE FROM feed_staged WHERE kind = ? AND key = ? AND take = ? AND number = ?', kind, key, take, number);
  const body = JSON.parse(record.body) as Record<string, unknown>;
  const deleted = record.deleted === 1;
  insertStaged(tx, { take }, { number, kind, key, version, contract, release, deleted, body }, rank);
}

/** All of it is there: the feed goes on from its number. */
export const endSnapshot: LocalWrite<CursorMove, void> = {
  name: 'end-snapshot',
  run: (tx, move) => moveCursor(tx, move),
};

/** Prices of some zone are seen: somebody may be selling. */
export function isSelling(tx: ReadTx): boolean {
  return tx.get(`SELECT 1 FROM feed_take WHERE visible = 1 AND scope LIKE 'zone:%'`) !== undefined;
}
