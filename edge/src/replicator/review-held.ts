import type { Tx } from '../store/tx.js';
import type { BackgroundWrite } from '../store/write-job.js';
import { RANK_HELD, rankOf, storeRelease } from './feed-staging.js';
import { SLICE_MS_MAX, SLICE_ROWS_MAX, SLICE_ROWS_MIN } from './slice.js';
import { writeEntries } from './sync-log.js';

type HeldRow = {
  no: number;
  kind: string;
  key: string;
  contract: number;
  release: string | null;
  deleted: 0 | 1;
  body: string;
};

const HELD = `
  SELECT no, kind, key, contract, release, deleted, body FROM feed_staged WHERE rank >= ${RANK_HELD} AND no > ?
  ORDER BY no LIMIT ${SLICE_ROWS_MAX}`;

/** `afterNo`: up to here all were looked at. */
export type ReviewState = { afterNo: number };

/**
 * Once at each start: what was held of the feed and is understood now goes on as if it had just come, in the order in which
 * it came. A later record of the same thing has taken its place meanwhile, where there was one.
 */
export const reviewHeld: BackgroundWrite<null, ReviewState> = {
  name: 'review-held',
  slice(tx, _input, { afterNo }, { stopwatch, clock }) {
    const rows = tx.all<HeldRow>(HELD, afterNo);
    const startMs = stopwatch();
    let [seen, understood, last] = [0, 0, afterNo];
    for (const row of rows) {
      if (seen >= SLICE_ROWS_MIN && stopwatch() - startMs >= SLICE_MS_MAX) break;
      if (isUnderstood(tx, row)) understood += 1;
      seen += 1;
      last = row.no;
    }
    if (understood > 0) {
      const detail = `${understood} records that were held are understood by this release`;
      writeEntries(tx, clock.now(), [{ level: 'info', event: 'feed-understood', detail }]);
    }
    return { state: { afterNo: last }, more: seen < rows.length || rows.length === SLICE_ROWS_MAX };
  },
};

function isUnderstood(tx: Tx, { no, kind, key, contract, release, deleted: gone, body: text }: HeldRow): boolean {
  const record = {
    kind,
    key,
    contract,
    release,
    deleted: gone === 1,
    body: JSON.parse(text) as Record<string, unknown>,
  };
  const { rank, heldFor } = rankOf(record);
  if (heldFor !== null) return false;
  if (kind === 'release') {
    storeRelease(tx, record);
    tx.run('DELETE FROM feed_staged WHERE no = ?', no);
  } else tx.run('UPDATE feed_staged SET rank = ? WHERE no = ?', rank, no);
  return true;
}
