import type { SnapshotRecord } from '@branchline/replication/snapshot.js';
import type { Tx } from '../database/unit-of-work.js';

type Row = Omit<SnapshotRecord, 'release' | 'deleted'> & {
  release: string | null;
  deleted: boolean;
  waits: boolean;
  supersedes: number | null;
};

/** A few milliseconds of a page, and then others get their turn. */
const PAGE_RECORDS = 500;

const COLUMNS = `r.number, r.kind, r.key, r.version, r.contract, r.release_id AS release, r.deleted,
       r.body::text AS body, r.supersedes,
       r.release_id IS NOT NULL AND NOT EXISTS (
         SELECT FROM feed_latest c WHERE c.scope = 'tenant' AND c.kind = 'release' AND c.key = r.release_id::text) AS waits`;

const READ_LATEST = `
SELECT ${COLUMNS} FROM feed_latest l JOIN feed_record r ON r.scope = l.scope AND r.number = l.number
 WHERE l.scope = $1 AND (l.kind, l.key) > ($2, $3) ORDER BY l.kind, l.key LIMIT ${PAGE_RECORDS}`;

const READ_ONE = `SELECT ${COLUMNS} FROM feed_record r WHERE r.scope = $1 AND r.number = $2`;

/** What stands in a scope, page by page, as one snapshot of the database sees it. */
export async function* snapshotRecords(tx: Tx, scope: string): AsyncGenerator<SnapshotRecord[]> {
  let after = { kind: '', key: '' };
  for (;;) {
    const rows = await tx.query<Row>(READ_LATEST, [scope, after.kind, after.key]);
    const records: SnapshotRecord[] = [];
    for (const row of rows) records.push(...(await standing(tx, scope, row)));
    yield records;
    if (rows.length < PAGE_RECORDS) return;
    after = rows.at(-1) as Row;
  }
}

/** One record; where it belongs to a release that is not complete, all that wait and what they are going to replace. */
async function standing(tx: Tx, scope: string, newest: Row): Promise<SnapshotRecord[]> {
  const found: SnapshotRecord[] = [];
  for (let row: Row | undefined = newest; row !== undefined;) {
    if (row.waits || !row.deleted) found.unshift(recordOf(row));
    if (!row.waits || row.supersedes === null) break;
    [row] = await tx.query<Row>(READ_ONE, [scope, row.supersedes]);
  }
  return found;
}

function recordOf({ number, kind, key, version, contract, release, deleted, body, waits }: Row): SnapshotRecord {
  const staged = waits ? release : null;
  return { number, kind, key, version, contract, release: staged, deleted: deleted ? 1 : 0, body };
}
