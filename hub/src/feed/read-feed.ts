import { problem } from '@branchline/http/problem.js';
import { FEED_PAGE_RECORDS_MAX, type FeedPage, type FeedRecord } from '@branchline/replication/feed.js';
import { hubEpoch } from '../database/hub-epoch.js';
import type { Tx } from '../database/unit-of-work.js';

export const FEED_START_HASH = '0'.repeat(64);

export type FeedPosition = { number: number; hash: string };

/** Number and chain hash of the newest record of a scope; 0 and zeros when it has none. */
export async function feedHead(tx: Tx, scope: string): Promise<FeedPosition> {
  const [head] = await tx.query<FeedPosition>(
    `SELECT newest AS number, encode(hash, 'hex') AS hash FROM feed_head WHERE scope = $1`,
    [scope],
  );
  return head ?? { number: 0, hash: FEED_START_HASH };
}

/** Whether a cursor stands on this feed. `ahead`: beyond what is numbered; `fork`: another hash at that number. */
export async function cursorVerdict(tx: Tx, scope: string, cursor: FeedPosition): Promise<'ok' | 'ahead' | 'fork'> {
  if (cursor.number === 0) return cursor.hash === FEED_START_HASH ? 'ok' : 'fork';
  const [row] = await tx.query<{ hash: string }>(
    `SELECT encode(hash, 'hex') AS hash FROM feed_record WHERE scope = $1 AND number = $2`,
    [scope, cursor.number],
  );
  if (!row) return 'ahead';
  return row.hash === cursor.hash ? 'ok' : 'fork';
}

/**
 * @param limit at most FEED_PAGE_RECORDS_MAX
 * @throws Problem `feed-fork` when the reader's cursor is not on this feed
 */
export async function readFeed(
  tx: Tx,
  scope: string,
  after: { number: number; hash?: string },
  limit = FEED_PAGE_RECORDS_MAX,
): Promise<FeedPage> {
  const newest = (await feedHead(tx, scope)).number;
  if (after.number > newest)
    throw problem('feed-fork', `${scope} ends at ${newest}, ${after.number} is not known here.`);
  if (
    after.hash !== undefined &&
    (await cursorVerdict(tx, scope, { number: after.number, hash: after.hash })) !== 'ok'
  ) {
    throw problem('feed-fork', `${scope} has another hash at ${after.number}.`);
  }
  const records = await tx.query<FeedRecord>(READ, [scope, after.number, Math.min(limit, FEED_PAGE_RECORDS_MAX)]);
  return { scope, hubEpoch: await hubEpoch(tx), records, newest };
}

const READ = `
SELECT number, kind, key, version, contract, release_id AS release, deleted,
       encode(body_hash, 'hex') AS "bodyHash", encode(hash, 'hex') AS hash, body
  FROM feed_record WHERE scope = $1 AND number > $2 ORDER BY number LIMIT $3`;
