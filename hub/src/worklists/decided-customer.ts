import { NO_CUSTOMER, valuesOf, type CustomerState } from '@branchline/domain/customer.js';
import { problem } from '@branchline/http/problem.js';
import { parseWith } from '@branchline/http/schema.js';
import { customerChange, valuesSaid, type CustomerValues } from '@branchline/replication/customer-input.js';
import { changesOver, cipherOf, officeEdit, sealedValues, takeOfficeEdit } from '../customers/office-edit.js';
import type { Tx } from '../database/unit-of-work.js';
import type { Deciding } from './conflict-effect.js';

/** `region` null: of none, or not known here. */
export type HeldCustomer = {
  id: string;
  state: CustomerState;
  region: string | null;
  isKnown: boolean;
  isDeleted: boolean;
  isErased: boolean;
};

/** Held until the transaction ends, where it is known. */
export async function holdCustomer(tx: Tx, id: string): Promise<HeldCustomer> {
  const [row] = await tx.query<Omit<HeldCustomer, 'id'>>(HOLD, [id]);
  return { id, ...(row ?? UNKNOWN) };
}

const UNKNOWN = { state: NO_CUSTOMER, region: null, isKnown: false, isDeleted: false, isErased: false };

const HOLD = `
SELECT state, region, true AS "isKnown", deleted_at IS NOT NULL AS "isDeleted", erased_at IS NOT NULL AS "isErased"
FROM customer WHERE id = $1 FOR NO KEY UPDATE`;

/**
 * That nothing changes can be decided of anybody; a change only of who is there, by who may change customers there.
 * @throws Problem `customer-erased`, `not-decidable`, `forbidden`
 */
export function assertMayChange({ isDeleted, isErased, region }: HeldCustomer, { customerRegions }: Deciding): void {
  if (isErased) throw problem('customer-erased');
  if (isDeleted) throw problem('not-decidable', 'The customer has been deleted, for ever: keep_hub.');
  if (customerRegions.length === 0 || (region !== null && !customerRegions.includes(region)))
    throw problem('forbidden', 'This needs customer.write in the customer’s region.');
}

/** What `merged` says of a customer, under that person's key. @throws Problem `invalid-field`, `customer-erased`, `busy` */
export async function sealedMerged(
  tx: Tx,
  customer: HeldCustomer,
  merged: Record<string, unknown>,
  by: Deciding,
): Promise<CustomerValues> {
  const said = valuesSaid(parseWith(customerChange, merged));
  // Whoever makes a person makes the key, and that is not who decides about two tellings.
  if (!customer.isKnown) throw problem('not-decidable', 'Nobody else has told of this customer.');
  return sealedValues(await cipherOf(tx, customer.id, by), said);
}

/** Fields that say something else than before. */
export async function changedSince(tx: Tx, { id, state: before }: HeldCustomer): Promise<string[]> {
  const [then, now] = [valuesOf(before), valuesOf((await holdCustomer(tx, id)).state)];
  return Object.keys(now).filter((field) => (now[field] ?? null) !== (then[field] ?? null));
}

/** What was told with `merge` stands in place of all that is there. */
export async function putMerged(
  tx: Tx,
  id: string,
  merged: Record<string, unknown> | null,
  by: Deciding,
): Promise<void> {
  if (merged === null) return;
  const customer = await holdCustomer(tx, id);
  assertMayChange(customer, by);
  const changes = changesOver(customer.state, merged as CustomerValues);
  if (Object.keys(changes).length === 0) return;
  const edit = { ...officeEdit(customer.state, changes, by), customer: id, op: 'edit' as const };
  await takeOfficeEdit(tx, edit, by.personId, by);
}
