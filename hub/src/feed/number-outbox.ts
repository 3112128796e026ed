import { bodyHashOf, feedHash } from '@branchline/replication/feed.js';
import type { Tx } from '../database/unit-of-work.js';
import { notifyOfFeed } from './feed-notice.js';
import { TENANT_SCOPE } from './scopes.js';

export const BATCH_RECORDS_MAX = 5_000;
const FEED_START = '0'.repeat(64);

type OutboxRow = {
  id: number;
  scope: string;
  kind: string;
  key: string;
  contract: number;
  release_id: string | null;
  deleted: boolean;
  body: Record<string, unknown>;
};
type Head = { newest: number; hash: string };
type Latest = { version: number; number: number };
/** `supersedes`: the number that bore the same thing before; null: it is new. */
type Numbered = OutboxRow & {
  number: number;
  version: number;
  supersedes: number | null;
  bodyHash: string;
  hash: string;
};

/**
 * Numbers what is committed, oldest first, and empties the outbox of it: all of it or nothing.
 *
 * One numberer per tenant at a time, across all hub processes. Each statement after the lock sees what the one before it left, so no
 * number is given twice; and since only committed rows are seen, none is given to what may yet vanish. Measured the other way, a cursor
 * over the ids themselves: 24 writers, a quarter of the rows missed.
 *
 * @returns how many were numbered; BATCH_RECORDS_MAX means that there may be more
 */
export async function numberOutbox(tx: Tx, recordsMax = BATCH_RECORDS_MAX): Promise<number> {
  await tx.query(BY_INDEX);
  await takeSequencersTurn(tx);
  const rows = await tx.query<OutboxRow>(READ_OUTBOX, [recordsMax]);
  if (rows.length === 0) return 0;
  const heads = await readHeads(tx, rows);
  const numbered = numberRows(rows, heads, await readLatest(tx, rows), await readReleases(tx, rows));
  await storeRecords(tx, numbered);
  await storeLatest(tx, numbered);
  await storeHeads(tx, heads);
  await tx.execute(DROP_NUMBERED, [rows.map((row) => row.id), rows[0]?.id, rows.at(-1)?.id]);
  await notifyOfFeed(tx, [...heads.keys()]);
  return rows.length;
}

/** Until the transaction ends: one at a time in a tenant, across all hub processes. */
export async function takeSequencersTurn(tx: Tx): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtext('branchline sequencer'), hashtext($1))`, [tx.tenantId]);
}

/**
 * The outbox is empty or very long, and statistics always tell of the other moment: sorted or scanned whole for each batch it took
 * seconds where its key takes milliseconds.
 */
const BY_INDEX = `SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
  set_config('enable_seqscan', 'off', true)`;

/** In the order of the key, so that a long outbox is read from its beginning and never sorted. */
const READ_OUTBOX = `
SELECT id, scope, kind, key, contract, release_id, deleted, body FROM outbox ORDER BY tenant_id, id LIMIT $1`;

/** Changes `heads` to where they stand afterwards. */
function numberRows(
  rows: readonly OutboxRow[],
  heads: Map<string, Head>,
  latest: Map<string, Latest>,
  releases: Map<string, Map<string, number>>,
): Numbered[] {
  return rows.map((row) => {
    const head = heads.get(row.scope) ?? { newest: 0, hash: FEED_START };
    const number = head.newest + 1;
    const identity = identityOf(row);
    const before = latest.get(identity);
    const version = (before?.version ?? 0) + 1;
    latest.set(identity, { version, number });
    const body = isReleaseRecord(row)
      ? { ...row.body, needs: Object.fromEntries(releases.get(row.key) ?? []) }
      : row.body;
    const bodyHash = bodyHashOf(body);
    const { kind, key, contract, deleted, release_id: release } = row;
    const hash = feedHash(head.hash, { number, kind, key, version, contract, release, deleted, bodyHash });
    heads.set(row.scope, { newest: number, hash });
    if (release !== null) {
      const needs = releases.get(release) ?? new Map<string, number>();
      releases.set(release, needs.set(row.scope, number));
    }
    return { ...row, body, number, version, supersedes: before?.number ?? null, bodyHash, hash };
  });
}

const identityOf = (row: { scope: string; kind: string; key: string }): string =>
  JSON.stringify([row.scope, row.kind, row.key]);

/** The record that makes all records of its release visible; it is none of them itself. */
function isReleaseRecord(row: OutboxRow): boolean {
  return row.kind === 'release' && row.scope === TENANT_SCOPE && !row.deleted;
}

async function readHeads(tx: Tx, rows: readonly OutboxRow[]): Promise<Map<string, Head>> {
  const scopes = [...new Set(rows.map((row) => row.scope))];
  const heads = await tx.query<Head & { scope: string }>(
    `SELECT scope, newest, encode(hash, 'hex') AS hash FROM feed_head WHERE scope = ANY ($1)`,
    [scopes],
  );
  return new Map(heads.map(({ scope, newest, hash }) => [scope, { newest, hash }]));
}

async function readLatest(tx: Tx, rows: readonly OutboxRow[]): Promise<Map<string, Latest>> {
  const known = await tx.query<Latest & { scope: string; kind: string; key: string }>(READ_LATEST, [
    rows.map((row) => row.scope),
    rows.map((row) => row.kind),
    rows.map((row) => row.key),
  ]);
  return new Map(known.map((row) => [identityOf(row), { version: row.version, number: row.number }]));
}

const READ_LATEST = `
SELECT scope, kind, key, version, number
  FROM unnest($1::text[], $2::text[], $3::text[]) AS sought (scope, kind, key) JOIN feed_latest USING (scope, kind, key)`;

/** Per release that is completed here: the last number that each scope was given in earlier batches. */
async function readReleases(tx: Tx, rows: readonly OutboxRow[]): Promise<Map<string, Map<string, number>>> {
  const completed = rows.filter(isReleaseRecord).map((row) => row.key);
  if (completed.length === 0) return new Map();
  const known = await tx.query<{ release_id: string; scope: string; number: number }>(
    `SELECT release_id, scope, max(number) AS number FROM feed_record WHERE release_id = ANY ($1) GROUP BY release_id, scope`,
    [completed],
  );
  const releases = new Map<string, Map<string, number>>(completed.map((release) => [release, new Map()]));
  for (const { release_id, scope, number } of known) releases.get(release_id)?.set(scope, number);
  return releases;
}

async function storeRecords(tx: Tx, records: readonly Numbered[]): Promise<void> {
  await tx.execute(STORE_RECORDS, [
    records.map((record) => record.id),
    records.map((record) => record.number),
    records.map((record) => record.version),
    records.map((record) => record.bodyHash),
    records.map((record) => record.hash),
    records.map((record) => (isReleaseRecord(record) ? JSON.stringify(record.body) : null)),
    records[0]?.id,
    records.at(-1)?.id,
    records.map((record) => record.supersedes),
  ]);
}

/** Bodies go from table to table; only a release's, which was completed here, travels. */
const STORE_RECORDS = `
INSERT INTO feed_record (tenant_id, scope, number, kind, key, version, contract, release_id, deleted, body_hash, hash, body,
                         supersedes)
SELECT o.tenant_id, o.scope, n.number, o.kind, o.key, n.version, o.contract, o.release_id, o.deleted,
       decode(n.body_hash, 'hex'), decode(n.hash, 'hex'), coalesce(n.body, o.body),
       n.supersedes
  FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::jsonb[], $9::bigint[])
       AS n (id, number, version, body_hash, hash, body, supersedes)
  JOIN outbox o ON o.id = n.id
 WHERE o.id BETWEEN $7 AND $8`;

/** Between first and last there may be rows that were committed meanwhile: they are not numbered and stay. */
const DROP_NUMBERED = 'DELETE FROM outbox WHERE id = ANY ($1) AND id BETWEEN $2 AND $3';

async function storeLatest(tx: Tx, records: readonly Numbered[]): Promise<void> {
  const latest = [...new Map(records.map((record) => [identityOf(record), record])).values()];
  await tx.execute(STORE_LATEST, [
    tx.tenantId,
    latest.map((record) => record.scope),
    latest.map((record) => record.kind),
    latest.map((record) => record.key),
    latest.map((record) => record.version),
    latest.map((record) => record.number),
  ]);
}

const STORE_LATEST = `
INSERT INTO feed_latest (tenant_id, scope, kind, key, version, number)
SELECT $1::uuid, * FROM unnest($2::text[], $3::text[], $4::text[], $5::int[], $6::bigint[])
ON CONFLICT (tenant_id, scope, kind, key) DO UPDATE SET version = excluded.version, number = excluded.number`;

async function storeHeads(tx: Tx, heads: ReadonlyMap<string, Head>): Promise<void> {
  await tx.execute(
    `INSERT INTO feed_head (tenant_id, scope, newest, hash)
     SELECT $1, scope, newest, decode(hash, 'hex') FROM unnest($2::text[], $3::bigint[], $4::text[]) AS head (scope, newest, hash)
     ON CONFLICT (tenant_id, scope) DO UPDATE SET newest = excluded.newest, hash = excluded.hash`,
    [
      tx.tenantId,
      [...heads.keys()],
      [...heads.values()].map((head) => head.newest),
      [...heads.values()].map((head) => head.hash),
    ],
  );
}
