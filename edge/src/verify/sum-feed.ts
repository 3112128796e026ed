import { bucketOf, FeedSums, recordHashOf } from '@branchline/replication/feed-sums.js';
import type { BucketSum } from '@branchline/replication/verify-protocol.js';
import { FEED_ROWS, type RowsKind } from '../feed-appliers.js';
import { readBody } from '../feed-record.js';
import type { ReadTx } from '../store/tx.js';

/** Some 50 ms of reading and hashing. */
const PAGE_RECORDS = 2_000;

const KINDS = Object.keys(FEED_ROWS) as RowsKind[];

/** Rows of each kind, and after them what is staged: `kind` null. */
export type FeedPlace = { kind: RowsKind; after: string } | { kind: null; afterNo: number };

export const FEED_START: FeedPlace = { kind: KINDS[0] as RowsKind, after: '' };

export type FeedToSum = { take: number; place: FeedPlace };
export type FeedSummed = { kinds: { kind: string; buckets: BucketSum[] }[]; next: FeedPlace | null };

/**
 * A page of what came by one taking of a scope, summed up by bucket. A record that is staged counts as it is staged,
 * whatever its rows say: they are of before, and nobody can say of them what they should be.
 */
export function sumFeed(tx: ReadTx, { take, place }: FeedToSum): FeedSummed {
  const sums = new FeedSums();
  const next = visit(tx, take, place, ({ kind, key, version, body }) => {
    sums.addRecord(kind, key, recordHashOf(kind, key, version, body));
  });
  return { kinds: sums.told(), next };
}

export type KeysToFind = { take: number; place: FeedPlace; kind: string; buckets: readonly number[] };
export type KeysFound = { keys: { key: string; version: number; hash: string }[]; next: FeedPlace | null };

/** The records behind buckets, by their hashes. */
export function findKeys(tx: ReadTx, { take, place, kind, buckets }: KeysToFind): KeysFound {
  const keys: KeysFound['keys'] = [];
  const next = visit(tx, take, place, (record) => {
    if (record.kind !== kind || !buckets.includes(bucketOf(kind, record.key))) return;
    const { key, version, body } = record;
    keys.push({ key, version, hash: recordHashOf(kind, key, version, body) });
  });
  return { keys, next };
}

type Visited = { kind: string; key: string; version: number; body: Record<string, unknown> };

function visit(tx: ReadTx, take: number, place: FeedPlace, each: (record: Visited) => void): FeedPlace | null {
  return place.kind === null
    ? visitStaged(tx, take, place.afterNo, each)
    : visitRows(tx, take, place.kind, place.after, each);
}

function visitRows(
  tx: ReadTx,
  take: number,
  kind: RowsKind,
  after: string,
  each: (record: Visited) => void,
): FeedPlace {
  const rows = FEED_ROWS[kind].bodies(tx, { take, after, limit: PAGE_RECORDS });
  for (const { key, version, body } of rows) if (!isStaged(tx, take, kind, key)) each({ kind, key, version, body });
  const last = rows.at(-1);
  if (last !== undefined && rows.length === PAGE_RECORDS) return { kind, after: last.key };
  const nextKind = KINDS[KINDS.indexOf(kind) + 1];
  return nextKind === undefined ? { kind: null, afterNo: 0 } : { kind: nextKind, after: '' };
}

function isStaged(tx: ReadTx, take: number, kind: string, key: string): boolean {
  return tx.get('SELECT 1 FROM feed_staged WHERE kind = ? AND key = ? AND take = ?', kind, key, take) !== undefined;
}

type StagedRow = { no: number; kind: string; key: string; version: number; deleted: 0 | 1; body: string };

/** Of several that are staged of one record the last one counts. */
function visitStaged(tx: ReadTx, take: number, afterNo: number, each: (record: Visited) => void): FeedPlace | null {
  const rows = tx.all<StagedRow>(
    `SELECT no, kind, key, version, deleted, body FROM feed_staged s WHERE no > ? AND take = ?
       AND NOT EXISTS (SELECT 1 FROM feed_staged o WHERE o.kind = s.kind AND o.key = s.key AND o.take = s.take AND o.no > s.no)
     ORDER BY no LIMIT ?`,
    afterNo,
    take,
    PAGE_RECORDS,
  );
  for (const { kind, key, version, deleted, body } of rows)
    if (deleted === 0) each({ kind, key, version, body: readBody(() => JSON.parse(body) as Record<string, unknown>) });
  const last = rows.at(-1);
  return last !== undefined && rows.length === PAGE_RECORDS ? { kind: null, afterNo: last.no } : null;
}
