import type { Tx } from '../database/unit-of-work.js';

const DAY_MS = 86_400_000;
/** As long as a store may be away and still catch up record by record. */
export const SUPERSEDED_KEPT_MS = 30 * DAY_MS;
export const TOMBSTONES_KEPT_MS = 180 * DAY_MS;

/** Numbers by which a floor rises in one transaction, and tombstones that one deletes. */
export const RETIRED_AT_ONCE_MAX = 2_000;

/** `more`: there may be more to do in this scope. */
export type Retired = { superseded: number; tombstones: number; more: boolean };

/**
 * Raises the floor of a scope over what is older than 30 days, and deletes below it what was superseded there: of each
 * thing the newest record up to the floor stays, so that snapshots are made of what is kept, and what stood at any number
 * from the floor on can be told. Readers below the floor are sent to a snapshot; from it on the chain is whole, and the
 * hash at the floor itself is kept beside it.
 *
 * The floor does not pass a record whose release is not complete: what it is going to replace still stands. Tombstones go
 * after 180 days, when no live box is before them. The caller holds the tenant's turn,
 * and the sequencer's, which comes to the same rows in another order.
 */
export async function retireRecords(tx: Tx, scope: string, nowMs: number): Promise<Retired> {
  const head = await tx.one<{ floor: number }>('SELECT floor FROM feed_head WHERE scope = $1', [scope]);
  const [next] = await tx.query<{ number: number; hash: string }>(NEXT_FLOOR, [
    scope,
    head.floor,
    head.floor + RETIRED_AT_ONCE_MAX,
    nowMs - SUPERSEDED_KEPT_MS,
  ]);
  const floor = next?.number ?? head.floor;
  if (next !== undefined) {
    // First: below the floor alone may anything be removed.
    const sql = `UPDATE feed_head SET floor = $2, floor_hash = decode($3, 'hex') WHERE scope = $1`;
    await tx.execute(sql, [scope, floor, next.hash]);
    await tx.execute('DELETE FROM feed_segment WHERE scope = $1 AND after_number < $2', [scope, floor]);
  }
  const superseded = next === undefined ? 0 : await tx.execute(DROP_SUPERSEDED, [scope, head.floor, floor]);
  const tombstones = await dropTombstones(tx, scope, floor, nowMs);
  const more = floor === head.floor + RETIRED_AT_ONCE_MAX || tombstones === RETIRED_AT_ONCE_MAX;
  return { superseded, tombstones, more };
}

/** The last of the next few numbers that is old enough and has no record of an incomplete release before it. */
const NEXT_FLOOR = `
WITH old AS (
  SELECT r.number, r.hash, r.release_id IS NOT NULL AND NOT EXISTS (
           SELECT FROM feed_latest c WHERE c.scope = 'tenant' AND c.kind = 'release' AND c.key = r.release_id::text) AS waits
    FROM feed_record r
   WHERE r.scope = $1 AND r.number > $2 AND r.number <= $3 AND r.numbered_at <= to_timestamp($4::bigint / 1000.0))
SELECT number, encode(hash, 'hex') AS hash FROM old
 WHERE number < coalesce((SELECT min(number) FROM old WHERE waits), $3::bigint + 1)
 ORDER BY number DESC LIMIT 1`;

const DROP_SUPERSEDED = `
DELETE FROM feed_record d USING feed_record r
 WHERE r.scope = $1 AND r.number > $2 AND r.number <= $3 AND d.scope = r.scope AND d.number = r.supersedes`;

async function dropTombstones(tx: Tx, scope: string, floor: number, nowMs: number): Promise<number> {
  const passed = await tx.one<{ number: number | null }>(PASSED_BY_ALL, [scope, nowMs - TOMBSTONES_KEPT_MS]);
  const last = Math.min(floor, passed.number ?? floor);
  const gone = await tx.query<{ kind: string; key: string; number: number }>(OLD_TOMBSTONES, [
    scope,
    last,
    nowMs - TOMBSTONES_KEPT_MS,
    RETIRED_AT_ONCE_MAX,
  ]);
  if (gone.length === 0) return 0;
  const numbers = gone.map(({ number }) => number);
  await tx.execute('DELETE FROM feed_record WHERE scope = $1 AND number = ANY ($2::bigint[])', [scope, numbers]);
  // One that came back has a later number there.
  await tx.execute(FORGET, [scope, gone.map(({ kind }) => kind), gone.map(({ key }) => key), numbers]);
  return gone.length;
}

/** Of boxes that are not revoked and were heard of while tombstones are kept; null: there is none. */
const PASSED_BY_ALL = `
SELECT min(c.number) AS number FROM box_cursor c JOIN box b ON b.tenant_id = c.tenant_id AND b.id = c.box_id
 WHERE c.scope = $1 AND b.revoked_at IS NULL AND c.told_at > to_timestamp($2::bigint / 1000.0)`;

const OLD_TOMBSTONES = `
SELECT kind, key, number FROM feed_record
 WHERE scope = $1 AND deleted AND number <= $2 AND numbered_at <= to_timestamp($3::bigint / 1000.0)
 ORDER BY number LIMIT $4`;

const FORGET = `
DELETE FROM feed_latest l USING unnest($2::text[], $3::text[], $4::bigint[]) AS gone (kind, key, number)
 WHERE l.scope = $1 AND l.kind = gone.kind AND l.key = gone.key AND l.number = gone.number`;
