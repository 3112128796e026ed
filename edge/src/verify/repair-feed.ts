import { isFeedKind } from '@branchline/replication/feed.js';
import { needsMet } from '../replicator/feed-applying.js';
import { readCursors } from '../replicator/feed-cursors.js';
import { insertStaged, RANK_HELD, rankOf, type RecordToStage } from '../replicator/feed-staging.js';
import type { RowsOfKinds } from '../replicator/feed-takes.js';
import { SLICE_MS_MAX, SLICE_ROWS_MIN } from '../replicator/slice.js';
import type { ReadTx, Tx } from '../store/tx.js';
import type { BackgroundWrite } from '../store/write-job.js';

export type RecordToRepair = RecordToStage;
export type FeedToRepair = { take: number; records: readonly RecordToRepair[] };

/**
 * Writes records anew, whatever the version of their rows: what a flipped bit has made of it is no version. Of a release
 * that is still to come a record is staged, as it was. In slices, as the feed is applied; `state`: how many are done.
 */
export const repairFeed = (kinds: RowsOfKinds): BackgroundWrite<FeedToRepair, number> => ({
  name: 'repair-feed',
  slice(tx, { take, records }, from, { stopwatch }) {
    const startMs = stopwatch();
    let at = from;
    for (const record of records.slice(from)) {
      if (at - from >= SLICE_ROWS_MIN && stopwatch() - startMs >= SLICE_MS_MAX) break;
      repair(tx, take, record, kinds);
      at += 1;
    }
    return { state: at, more: at < records.length };
  },
});

/** Larger than any that a column can hold. */
const AFTER_ALL = Number.POSITIVE_INFINITY;

function repair(tx: Tx, take: number, record: RecordToRepair, kinds: RowsOfKinds): void {
  const { kind, key, version, contract, deleted, body } = record;
  tx.run('DELETE FROM feed_staged WHERE kind = ? AND key = ? AND take = ?', kind, key, take);
  const { rank } = rankOf(record);
  if (!isFeedKind(kind) || kind === 'release' || rank === RANK_HELD || !isVisible(tx, record)) {
    if (!deleted) insertStaged(tx, { take }, record, rank);
    return;
  }
  if (deleted) return kinds[kind].apply(tx, { take, key, version: AFTER_ALL, contract, deleted, body });
  kinds[kind].distrust(tx, take, key);
  kinds[kind].apply(tx, { take, key, version, contract, deleted, body });
}

function isVisible(tx: ReadTx, { release }: RecordToRepair): boolean {
  if (release === null) return true;
  const due = tx.get<{ needs: string }>('SELECT needs FROM release_due WHERE release = ?', release);
  if (due === undefined) return false;
  const reached = new Map(readCursors(tx).map(({ scope, number }) => [scope, number]));
  return needsMet(JSON.parse(due.needs) as Record<string, number>, reached);
}

/** Of what the hub does not have. */
export function removalOf({ kind, key }: { kind: string; key: string }): RecordToRepair {
  return { number: 0, kind, key, version: 1, contract: 1, release: null, deleted: true, body: {} };
}
