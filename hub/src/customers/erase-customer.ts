import { NO_CUSTOMER } from '@branchline/domain/customer.js';
import { problem } from '@branchline/http/problem.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import { publishErasure } from './publish-customers.js';

type Held = { region: string | null; isErased: boolean };

/**
 * Destroys the key of a person: what lies in journal, archive, feed and quarantine under it is noise from the commit on, here,
 * and at each edge once the feed has come there. The row of the key stays, empty, so that the key is not taken again.
 * @returns false when it was erased before @throws Problem `not-found`
 */
export async function eraseCustomer(tx: Tx, id: string, regions: readonly string[], nowMs: number): Promise<boolean> {
  const [held] = await tx.query<Held>(HOLD, [id, regions]);
  if (held === undefined) throw problem('not-found');
  if (held.isErased) return false;
  await tx.execute(DESTROY_KEY, [tx.tenantId, id, nowMs]);
  await tx.execute('DELETE FROM customer_open WHERE id = $1', [id]);
  await tx.execute(EMPTY, [id, JSON.stringify(NO_CUSTOMER), nowMs]);
  await publishErasure(tx, { id, region: held.region });
  return true;
}

/** Also one that was deleted, and one that no store knows. */
const HOLD = `
SELECT CASE WHEN deleted_at IS NULL THEN region END AS region, erased_at IS NOT NULL AS "isErased" FROM customer
WHERE id = $1 AND (region IS NULL OR region = ANY ($2)) FOR NO KEY UPDATE`;

const DESTROY_KEY = `
INSERT INTO person_key (tenant_id, person, wrapped, erased_at) VALUES ($1, $2, NULL, to_timestamp($3::bigint / 1000.0))
ON CONFLICT (tenant_id, person) DO UPDATE SET wrapped = NULL, erased_at = excluded.erased_at`;

/** Opened: nothing is left to open. */
const EMPTY = `
UPDATE customer SET state = $2::jsonb, erased_at = to_timestamp($3::bigint / 1000.0), opened = true WHERE id = $1`;

/**
 * PostgreSQL keeps what was deleted on its pages until they are needed again, and VACUUM alone leaves it readable there: after
 * it a name was still found in the files of three indexes. Written anew, the files of before go with the next checkpoint. For that
 * time, a second for 100,000 customers, who looks one up at head office waits; stores do not.
 *
 * What stood in the table in clear stays readable in the write-ahead log until that is recycled, and in backups of the
 * database for as long as they are kept. Keys stand there wrapped under one that is in no database.
 */
export async function scrubErased(database: Database): Promise<void> {
  await database.asOwner('VACUUM (FULL) customer_open');
  await database.asOwner('VACUUM (FULL) person_key');
}
