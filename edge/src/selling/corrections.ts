import type { FeedBody } from '@branchline/replication/feed.js';
import { correctionId } from '@branchline/replication/correction-id.js';
import { feedBody, feedTable, type FeedApplier } from '../feed-record.js';
import type { ReadTx } from '../store/tx.js';

export type Correction = FeedBody<'correction'>;

const UPSERT = `
  INSERT INTO feed_correction (conflict, take, version, reversal, sale, content_hash, if_differs, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (conflict, take) DO UPDATE SET version = excluded.version, reversal = excluded.reversal, sale = excluded.sale,
    content_hash = excluded.content_hash, if_differs = excluded.if_differs, body = excluded.body
  WHERE excluded.version > feed_correction.version`;

const applyCorrection: FeedApplier = (tx, record) => {
  const { take, key, version } = record;
  if (record.deleted) {
    tx.run('DELETE FROM feed_correction WHERE conflict = ? AND take = ? AND version < ?', key, take, version);
    return;
  }
  const body = feedBody('correction', record);
  tx.run(
    UPSERT,
    body.conflict,
    take,
    version,
    correctionId(body.conflict, 'reversal'),
    body.sale,
    Buffer.from(body.contentHash, 'hex'),
    body.ifDiffers ? 1 : 0,
    JSON.stringify(body),
  );
};

/** What head office decided that this store has to write. That it is written is seen by its lines, never noted here. */
export const CORRECTIONS = feedTable<{ body: string }>(
  { table: 'feed_correction', key: 'conflict' },
  applyCorrection,
  ({ body }) => JSON.parse(body) as Record<string, unknown>,
);

const DUE_MAX = 50;

/** One that was written has its line; one `if_differs` is due only where the sale stands with other content here. */
const DUE = `
  SELECT conflict, body FROM correction c
  WHERE NOT EXISTS (SELECT 1 FROM sale WHERE id = c.reversal)
    AND NOT EXISTS (SELECT 1 FROM sale WHERE reverses = c.sale)
    AND (c.if_differs = 0 OR EXISTS (SELECT 1 FROM sale s WHERE s.id = c.sale AND s.content_hash <> c.content_hash))`;

/** Conflicts whose correction is to be written, a bounded number of them. */
export function correctionsDue(tx: ReadTx): string[] {
  return tx.all<{ conflict: string }>(`${DUE} ORDER BY conflict LIMIT ${DUE_MAX}`).map(({ conflict }) => conflict);
}

/** Null: nothing is to be written, or not any more. */
export function correctionDue(tx: ReadTx, conflict: string): Correction | null {
  const row = tx.get<{ body: string }>(`${DUE} AND c.conflict = ?`, conflict);
  return row === undefined ? null : (JSON.parse(row.body) as Correction);
}
