import { isFeedKind } from '@branchline/replication/feed.js';
import { failureOf } from '../store/storage-failure.js';
import type { ReadTx, Tx } from '../store/tx.js';
import type { BackgroundWrite, LocalWrite } from '../store/write-job.js';
import { readCursors } from './feed-cursors.js';
import { RANK_BEFORE_PRODUCTS, RANK_HELD } from './feed-staging.js';
import { isSwitchPending, type RowsOfKinds } from './feed-takes.js';
import { writeEntries, type SyncLogEntry } from './sync-log.js';
import { SLICE_MS_MAX, SLICE_ROWS_MAX, SLICE_ROWS_MIN, type Stopwatch } from './slice.js';

/** A record that its applier would not take: a bug here or there. It is held, the others go on. */
class RecordNotApplied extends Error {
  override readonly name = 'RecordNotApplied';
  constructor(
    readonly no: number,
    readonly what: string,
    cause: unknown,
  ) {
    super(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** Known by its shape: it may come out of another thread. */
export function isRecordNotApplied(error: unknown): error is Error & { no: number } {
  return error instanceof Error && error.name === 'RecordNotApplied' && 'no' in error && typeof error.no === 'number';
}

type StagedRow = {
  no: number;
  take: number;
  scope: string;
  number: number;
  kind: string;
  key: string;
  version: number;
  contract: number;
  deleted: 0 | 1;
  body: string;
};

/** Of takings that go on; of those that are seen only up to a rank. */
const TURN_SQL = `
  SELECT s.no, s.take, t.scope, s.number, s.kind, s.key, s.version, s.contract, s.deleted, s.body
  FROM feed_staged s CROSS JOIN feed_take t ON t.no = s.take AND t.pulled = 1
  WHERE s.release IS ? AND s.rank < ${RANK_HELD} AND (t.visible = 0 OR s.rank <= ?)
  ORDER BY s.rank, s.no LIMIT ${SLICE_ROWS_MAX}`;

export const applyFeed = (kinds: RowsOfKinds): BackgroundWrite<{ release: string | null }, null> => ({
  name: 'apply-feed',
  slice(tx, { release }, _state, { stopwatch }) {
    return { state: null, more: applySlice(tx, release, kinds, stopwatch) };
  },
});

/**
 * One slice of what is ready: records that stand alone, in the order they came, and those of `release`. A release of up to
 * one slice is visible at once, whole. A larger one takes several transactions (100,000 prices: some seconds), so that no
 * sale waits for it; in between a sale sees each product either as before or as after, with a price either way
 * (`rankOf`), and what must change at one instant is dated ahead by `validFrom`. While the branch's prices or products are
 * about to be replaced as a whole, a release goes into what is filling, and of it only prices into what is seen: a product
 * of it might stand there without a price until the new zone is.
 *
 * @returns whether there may be more
 * @throws RecordNotApplied
 */
function applySlice(tx: Tx, release: string | null, kinds: RowsOfKinds, stopwatch: Stopwatch): boolean {
  const rankSeenMax = release !== null && isSwitchPending(tx) ? RANK_BEFORE_PRODUCTS : RANK_HELD;
  const rows = tx.all<StagedRow>(TURN_SQL, release, rankSeenMax);
  const startMs = stopwatch();
  let applied = 0;
  for (const row of rows) {
    if (applied >= SLICE_ROWS_MIN && stopwatch() - startMs >= SLICE_MS_MAX) return true;
    applyRow(tx, row, kinds);
    tx.run('DELETE FROM feed_staged WHERE no = ?', row.no);
    applied += 1;
  }
  return rows.length === SLICE_ROWS_MAX;
}

function applyRow(tx: Tx, row: StagedRow, kinds: RowsOfKinds): void {
  const { take, kind, key, version, contract } = row;
  if (!isFeedKind(kind) || kind === 'release') throw new Error(`a record of kind ${kind} has no rows`);
  try {
    kinds[kind].apply(tx, { take, key, version, contract, deleted: row.deleted === 1, body: JSON.parse(row.body) });
  } catch (error) {
    if (failureOf(error) !== null) throw error;
    throw new RecordNotApplied(row.no, `${row.scope} ${row.number} (${kind} ${key})`, error);
  }
}

/** Sets a record aside: it stays, and is looked at again at the next start (`review-held.ts`). */
export const holdRecord: LocalWrite<{ no: number; entries: readonly SyncLogEntry[] }, void> = {
  name: 'hold-record',
  run(tx, { no, entries }, { clock }) {
    tx.run('UPDATE feed_staged SET rank = ? WHERE no = ?', RANK_HELD, no);
    writeEntries(tx, clock.now(), entries);
  },
};

/**
 * Releases with staged records whose final record is here and whose needs are met: of the scopes it names, this edge's own
 * have got there. Others' do not count.
 */
export function releasesReady(tx: ReadTx): string[] {
  const due = tx.all<{ release: string; needs: string }>(
    `SELECT release, needs FROM release_due r WHERE EXISTS (
       SELECT 1 FROM feed_staged s CROSS JOIN feed_take t ON t.no = s.take AND t.pulled = 1
       WHERE s.release = r.release AND s.rank < ${RANK_HELD}) ORDER BY release`,
  );
  if (due.length === 0) return [];
  const reached = new Map(readCursors(tx).map(({ scope, number }) => [scope, number]));
  return due
    .filter(({ needs }) => needsMet(JSON.parse(needs) as Record<string, number>, reached))
    .map(({ release }) => release);
}

export function needsMet(needs: Readonly<Record<string, number>>, reached: ReadonlyMap<string, number>): boolean {
  return Object.entries(needs).every(([scope, number]) => (reached.get(scope) ?? number) >= number);
}
