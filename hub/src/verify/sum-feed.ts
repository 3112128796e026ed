import { FeedSums } from '@branchline/replication/feed-sums.js';
import type { BucketSum, VerifyKeys } from '@branchline/replication/verify-protocol.js';
import type { FeedRecord } from '@branchline/replication/feed.js';
import type { Tx } from '../database/unit-of-work.js';

export type FeedKindSums = { kind: string; buckets: BucketSum[] }[];

/**
 * The records of a scope as they stood at a number: of each the last one up to there, unless it was deleted. In one pass
 * over the scope by its key: asked record by record, a planner without fresh statistics walked the scope for each.
 * Releases are no records of anything: an edge keeps none.
 */
const AS_OF = `
as_of AS (
  SELECT kind, key, version, body_hash, number FROM (
    SELECT DISTINCT ON (kind, key) kind, key, version, body_hash, number, deleted FROM feed_record
    WHERE scope = $1 AND number <= $2 AND kind <> 'release' ORDER BY kind, key, number DESC
  ) last WHERE NOT deleted
)`;

/** By the rules of `recordHash` and `bucketOf`: the hub sums up in its database and reads no body for it. */
const HASH = `sha256(convert_to(kind || E'\\n' || version || E'\\n' || encode(body_hash, 'hex') || E'\\n' || key, 'UTF8'))`;
const BUCKET = `get_byte(sha256(convert_to(kind || E'\\n' || key, 'UTF8')), 0)`;

/** 32 bits of the hash at a time, as far as PostgreSQL's own sums are exact. */
const LIMBS = [1, 5, 9, 13];
const limb = (from: number): string =>
  `sum(('x' || encode(substring(hash FROM ${from} FOR 4), 'hex'))::bit(32)::bigint)::text`;

const SUMS = `
WITH ${AS_OF}
SELECT kind, bucket, count(*)::integer AS count, ${LIMBS.map((from, at) => `${limb(from)} AS limb${at}`).join(', ')}
FROM (SELECT kind, ${BUCKET} AS bucket, ${HASH} AS hash FROM as_of) hashed GROUP BY kind, bucket ORDER BY kind, bucket`;

type SumRow = { kind: string; bucket: number; count: number } & Record<`limb${0 | 1 | 2 | 3}`, string>;

/** Count and sum of each bucket, as of `number`. */
export async function sumFeed(tx: Tx, scope: string, number: number): Promise<FeedKindSums> {
  const sums = new FeedSums();
  for (const { kind, bucket, count, limb0, limb1, limb2, limb3 } of await tx.query<SumRow>(SUMS, [scope, number])) {
    const sum = (BigInt(limb0) << 96n) + (BigInt(limb1) << 64n) + (BigInt(limb2) << 32n) + BigInt(limb3);
    sums.add(kind, bucket, count, sum);
  }
  return sums.told();
}

const KEYS = `
WITH ${AS_OF}
SELECT key, version, left(encode(${HASH}, 'hex'), 32) AS hash FROM as_of WHERE kind = $3 AND ${BUCKET} = ANY ($4::integer[]) ORDER BY key`;

/** Every record of these buckets, as of `number`. */
export function keysOfBuckets(
  tx: Tx,
  { scope, number, kind, buckets }: { scope: string; number: number; kind: string; buckets: readonly number[] },
): Promise<VerifyKeys['keys']> {
  return tx.query(KEYS, [scope, number, kind, buckets]);
}

const RECORDS = `
WITH ${AS_OF}
SELECT f.number, f.kind, f.key, f.version, f.contract, f.release_id AS release, f.deleted,
  encode(f.body_hash, 'hex') AS "bodyHash", encode(f.hash, 'hex') AS hash, f.body
FROM as_of JOIN feed_record f ON f.scope = $1 AND f.number = as_of.number WHERE as_of.kind = $3 AND as_of.key = ANY ($4::text[]) ORDER BY f.number`;

/** Whole, as of `number`: for a box whose rows are not these. */
export function recordsAsOf(
  tx: Tx,
  { scope, number, kind, keys }: { scope: string; number: number; kind: string; keys: readonly string[] },
): Promise<FeedRecord[]> {
  return tx.query(RECORDS, [scope, number, kind, keys]);
}
