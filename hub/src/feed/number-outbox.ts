import { bodyHashOf, feedHash } from '@branchline/replication/feed.js';
import type { Tx } from '../database/unit-of-work.js';
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
type Numbered = OutboxRow & { number: number; version: number; bodyHash: string; hash: string };

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
  await tx.query(`SELECT pg_advisory_xact_lock(hashtext('branchline sequencer'), hashtext($1))`, [tx.tenantId]);
  const rows = await tx.query<OutboxRow>(
    'SELECT id, scope, kind, key, contract, release_id, deleted, body FROM outbox ORDER BY id LIMIT $1',
    [recordsMax],
  );
  if (rows.length === 0) return 0;
  const heads = await readHeads(tx, rows);
  const numbered = numberRows(rows, heads, await readVersions(tx, rows), await readReleases(tx, rows));
  await storeRecords(tx, numbered);
  await storeHeads(tx, heads);
  await tx.execute('DELETE FROM outbox WHERE id = ANY ($1)', [rows.map((row) => row.id)]);
  return rows.length;
}

/** Changes `heads` to where they stand afterwards. */
function numberRows(
  rows: readonly OutboxRow[],
  heads: Map<string, Head>,
  versions: Map<string, number>,
  releases: Map<string, Map<string, number>>,
): Numbered[] {
  return rows.map((row) => {
    const head = heads.get(row.scope) ?? { newest: 0, hash: FEED_START };
    const number = head.newest + 1;
    const identity = identityOf(row);
    const version = (versions.get(identity) ?? 0) + 1;
    versions.set(identity, version);
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
    return { ...row, body, number, version, bodyHash, hash };
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

async function readVersions(tx: Tx, rows: readonly OutboxRow[]): Promise<Map<string, number>> {
  const known = await tx.query<{ scope: string; kind: string; key: string; version: number }>(READ_VERSIONS, [
    rows.map((row) => row.scope),
    rows.map((row) => row.kind),
    rows.map((row) => row.key),
  ]);
  return new Map(known.map((row) => [identityOf(row), row.version]));
}

/** The tenant is named so that the unique key answers each look-up; the wall's own condition is not always pushed into a lateral. */
const READ_VERSIONS = `
SELECT sought.scope, sought.kind, sought.key, latest.version
  FROM unnest($1::text[], $2::text[], $3::text[]) AS sought (scope, kind, key)
 CROSS JOIN LATERAL (
   SELECT r.version FROM feed_record r
    WHERE r.tenant_id = current_setting('branchline.tenant_id')::uuid
      AND r.scope = sought.scope AND r.kind = sought.kind AND r.key = sought.key
    ORDER BY r.version DESC LIMIT 1) AS latest`;

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
  ]);
}

/** Bodies go from table to table; only a release's, which was completed here, travels. */
const STORE_RECORDS = `
INSERT INTO feed_record (tenant_id, scope, number, kind, key, version, contract, release_id, deleted, body_hash, hash, body)
SELECT o.tenant_id, o.scope, n.number, o.kind, o.key, n.version, o.contract, o.release_id, o.deleted,
       decode(n.body_hash, 'hex'), decode(n.hash, 'hex'), coalesce(n.body, o.body)
  FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::jsonb[])
       AS n (id, number, version, body_hash, hash, body)
  JOIN outbox o ON o.id = n.id`;

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
