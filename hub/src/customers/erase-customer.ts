import { NO_CUSTOMER } from '@branchline/domain/customer.js';
import { problem } from '@branchline/http/problem.js';
import type { Tx } from '../database/unit-of-work.js';
import { publishErasure } from './publish-customers.js';

type Held = { id: string; region: string | null; isTheirs: boolean; isErased: boolean };

/**
 * Destroys the key of a person, and of all whom head office knew to be the same person: what lies in journal, archive, feed
 * and quarantine under it is noise from the commit on, here, and at each edge once the feed has come there. The row of the
 * key stays, empty, so that the key is not taken again.
 * @returns false when all of it was erased before @throws Problem `not-found`
 */
export async function eraseCustomer(tx: Tx, id: string, regions: readonly string[], nowMs: number): Promise<boolean> {
  const held = await tx.query<Held>(HOLD, [id, regions]);
  if (!held.some((each) => each.id === id && each.isTheirs)) throw problem('not-found');
  const due = held.filter(({ isErased }) => !isErased);
  for (const each of due) {
    await tx.execute(DESTROY_KEY, [tx.tenantId, each.id, nowMs]);
    await tx.execute('DELETE FROM person_key_offer WHERE person = $1', [each.id]);
    await tx.execute('DELETE FROM person_key_retired WHERE person = $1', [each.id]);
    await tx.execute('DELETE FROM customer_open WHERE id = $1', [each.id]);
    await tx.execute(EMPTY, [each.id, JSON.stringify(NO_CUSTOMER), nowMs]);
    await publishErasure(tx, { id: each.id, region: each.region });
  }
  return due.length > 0;
}

/** Also one that was deleted, and one that no store knows; with those that were merged into it, whatever their regions were. */
const HOLD = `
WITH RECURSIVE same AS (
  SELECT $1::uuid AS id UNION SELECT m.id FROM customer m JOIN same ON m.merged_into = same.id
)
SELECT id, CASE WHEN deleted_at IS NULL THEN region END AS region, (region IS NULL OR region = ANY ($2)) AS "isTheirs",
  erased_at IS NOT NULL AS "isErased"
FROM customer WHERE id IN (SELECT id FROM same) ORDER BY id FOR NO KEY UPDATE`;

const DESTROY_KEY = `
INSERT INTO person_key (tenant_id, person, wrapped, erased_at) VALUES ($1, $2, NULL, to_timestamp($3::bigint / 1000.0))
ON CONFLICT (tenant_id, person) DO UPDATE SET wrapped = NULL, erased_at = excluded.erased_at, scrubbed_at = NULL`;

/** Opened: nothing is left to open. */
const EMPTY = `
UPDATE customer SET state = $2::jsonb, erased_at = to_timestamp($3::bigint / 1000.0), opened = true WHERE id = $1`;
