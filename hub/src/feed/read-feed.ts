import { problem } from '@branchline/http/problem.js';
import { FEED_PAGE_RECORDS_MAX, type FeedPage, type FeedRecord } from '@branchline/replication/feed.js';
import type { PreparedStatement, Tx } from '../database/unit-of-work.js';

export const FEED_START_HASH = '0'.repeat(64);

export type FeedPosition = { number: number; hash: string };

/**
 * Where a scope stands, as a reader at one number needs to know it. Below `floor` nothing can be asked any more: what was
 * superseded there is gone, and numbers have no records.
 */
export type FeedStand = {
  scope: string;
  hubEpoch: string;
  newest: number;
  floor: number;
  /** Chain hash at the reader's number; null: there is no such number, or it is gone. */
  hashThere: string | null;
  /** The last number of what the reader is sent next, and the chain's hash there, which stands for all of it. */
  last: number;
  hashAtLast: string | null;
};

/** Readers are sent the rest of the range they stand in. */
const STAND: PreparedStatement = {
  name: 'feed-stand',
  text: `
WITH stand AS (
  SELECT s.hub_epoch, coalesce(h.newest, 0) AS newest, coalesce(h.floor, 0) AS floor, h.floor_hash,
         least(coalesce(h.newest, 0), ($2::bigint / ${FEED_PAGE_RECORDS_MAX} + 1) * ${FEED_PAGE_RECORDS_MAX}) AS last
    FROM hub_state s LEFT JOIN feed_head h ON h.scope = $1)
SELECT $1::text AS scope, hub_epoch AS "hubEpoch", newest, floor, last,
       CASE WHEN $2::bigint = 0 THEN '${FEED_START_HASH}' WHEN $2::bigint = floor THEN encode(floor_hash, 'hex')
         ELSE (SELECT encode(r.hash, 'hex') FROM feed_record r WHERE r.scope = $1 AND r.number = $2::bigint) END AS "hashThere",
       (SELECT encode(r.hash, 'hex') FROM feed_record r WHERE r.scope = $1 AND r.number = last) AS "hashAtLast"
  FROM stand`,
};

export async function feedStand(tx: Tx, scope: string, atNumber: number): Promise<FeedStand> {
  const [stand] = await tx.prepared<FeedStand>(STAND, [scope, atNumber]);
  if (stand === undefined) throw new Error('the hub has no epoch');
  return stand;
}

/**
 * Whether a cursor stands on this feed. `ahead`: beyond what is numbered; `gone`: below what is kept; `fork`: another
 * hash at that number. Without a hash the number alone counts.
 */
export type CursorVerdict = 'ok' | 'ahead' | 'fork' | 'gone';

export function judgeCursor(stand: FeedStand, { number, hash }: { number: number; hash?: string }): CursorVerdict {
  if (number > stand.newest) return 'ahead';
  if (number < stand.floor) return 'gone';
  return hash === undefined || stand.hashThere === hash ? 'ok' : 'fork';
}

export async function cursorVerdict(
  tx: Tx,
  scope: string,
  cursor: FeedPosition,
): Promise<{ verdict: CursorVerdict; newest: number }> {
  const stand = await feedStand(tx, scope, cursor.number);
  return { verdict: judgeCursor(stand, cursor), newest: stand.newest };
}

/** @throws Problem `feed-fork` when the reader's cursor is not on this feed, `feed-gone` when the feed begins after it */
export function assertOnFeed(stand: FeedStand, cursor: { number: number; hash?: string }): void {
  const { scope, newest, floor } = stand;
  switch (judgeCursor(stand, cursor)) {
    case 'ok':
      return;
    case 'ahead':
      throw problem('feed-fork', `${scope} ends at ${newest}, ${cursor.number} is not known here.`);
    case 'gone':
      throw problem('feed-gone', `${scope} is kept from ${floor} on, ${cursor.number} is before it.`);
    case 'fork':
      throw problem('feed-fork', `${scope} has another hash at ${cursor.number}.`);
  }
}

/**
 * @param limit at most FEED_PAGE_RECORDS_MAX
 * @throws Problem `feed-fork`, `feed-gone`
 */
export async function readFeed(
  tx: Tx,
  scope: string,
  after: { number: number; hash?: string },
  limit = FEED_PAGE_RECORDS_MAX,
): Promise<FeedPage> {
  const stand = await feedStand(tx, scope, after.number);
  assertOnFeed(stand, after);
  const last = after.number + Math.min(limit, FEED_PAGE_RECORDS_MAX);
  return readPage(tx, stand, after.number, last);
}

/** The records after one number, up to and with another. */
export async function readPage(
  tx: Tx,
  { scope, hubEpoch, newest }: Pick<FeedStand, 'scope' | 'hubEpoch' | 'newest'>,
  after: number,
  last: number,
): Promise<FeedPage> {
  return { scope, hubEpoch, records: await tx.query<FeedRecord>(READ, [scope, after, last]), newest };
}

const READ = `
SELECT number, kind, key, version, contract, release_id AS release, deleted,
       encode(body_hash, 'hex') AS "bodyHash", encode(hash, 'hex') AS hash, body
  FROM feed_record WHERE scope = $1 AND number > $2 AND number <= $3 ORDER BY number`;
