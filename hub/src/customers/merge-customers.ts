import { standing, type CustomerState } from '@branchline/domain/customer.js';
import { isConsent, isPersonal, type CustomerField } from '@branchline/domain/customer-fields.js';
import { isStricterConsent } from '@branchline/domain/customer-consent.js';
import { problem } from '@branchline/http/problem.js';
import type { CustomerValues } from '@branchline/replication/customer-input.js';
import { z } from 'zod';
import { id } from '@branchline/replication/kinds/fields.js';
import type { Tx } from '../database/unit-of-work.js';
import { cipherOf, editAtOffice, type OfficeParts } from './office-edit.js';

export const mergeInput = z.strictObject({ keep: id, drop: id });

type Held = { id: string; state: CustomerState };

/**
 * Two customers are one person. What `keep` does not say it takes from `drop`, under its own key; of two consents the stricter
 * stands. `drop` is deleted, and its sales stay under its id, which leads to `keep`.
 * @throws Problem `not-found`, `invalid-field`
 */
export async function mergeCustomers(
  tx: Tx,
  { keep, drop }: { keep: string; drop: string },
  regions: readonly string[],
  personId: string,
  parts: OfficeParts,
): Promise<string[]> {
  if (keep === drop) throw problem('invalid-field', 'keep and drop are one customer');
  const held = await tx.query<Held>(HOLD, [[keep, drop], regions]);
  const [kept, dropped] = [keep, drop].map((id) => held.find((each) => each.id === id));
  if (kept === undefined || dropped === undefined) throw problem('not-found');
  const cipher = await cipherOf(tx, drop, parts);
  const values: CustomerValues = {};
  for (const field of Object.keys(dropped.state.fields) as CustomerField[]) {
    const own = standing(kept.state, field)?.value ?? null;
    const other = standing(dropped.state, field)?.value ?? null;
    const isTaken = isConsent(field) ? isStricterConsent(other, own) : own === null;
    if (!isTaken || other === null) continue;
    values[field] = isPersonal(field) ? cipher.open(field, other) : other;
  }
  const changed = await editAtOffice(tx, { customer: keep, op: 'edit', values, personId }, parts);
  await editAtOffice(tx, { customer: drop, op: 'delete', values: {}, personId }, parts);
  await tx.execute('UPDATE customer SET merged_into = $2 WHERE id = $1', [drop, keep]);
  return changed;
}

const HOLD = `
SELECT id, state FROM customer WHERE id = ANY ($1::uuid[]) AND region = ANY ($2) AND deleted_at IS NULL AND erased_at IS NULL
ORDER BY id FOR NO KEY UPDATE`;
