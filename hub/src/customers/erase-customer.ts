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
 * PostgreSQL keeps what was deleted until a page is needed again. VACUUM takes it out of the tables at once; what stood in the
 * clear table or the table of keys stays readable in the write-ahead log until that is recycled, and in backups for as long
 * as they are kept: there the key is wrapped, the text of the clear table is not.
 */
export async function vacuumErased(database: Database): Promise<void> {
  await database.asOwner('VACUUM customer_open');
  await database.asOwner('VACUUM person_key');
}
