import { problem } from '@branchline/http/problem.js';
import { inOwnName } from '../customers/customer-facts.js';
import type { EditOfCustomer } from '../customers/merge-edits.js';
import { takeOfficeEdit } from '../customers/office-edit.js';
import type { Tx } from '../database/unit-of-work.js';
import { archivedReading } from '../sync/archived-reading.js';
import type { Conflict } from './conflict.js';
import type { ConflictEffect, Deciding, Decision } from './conflict-effect.js';
import {
  assertMayChange,
  changedSince,
  holdCustomer,
  putMerged,
  sealedMerged,
  type HeldCustomer,
} from './decided-customer.js';
import { settleSecond } from './fact-effects.js';

/**
 * One edit of a customer told with two contents, of which the first is in. The second is taken in under an id of its own, in
 * the name and at the clock of its box, as far as was decided; so its box ends showing it as pending, whatever was decided.
 * - keep_hub: nothing of it counts. keep_branch: in the fields that it names it stands in place of the first, and what was
 *   written later stands over both. merge: beside the first, by the rule, and over that what is told.
 */
export const CUSTOMER_EDIT_EFFECT: ConflictEffect = {
  strategies: () => ['keep_hub', 'keep_branch', 'merge'],
  takesMerged: true,
  async sealed(tx, conflict, merged, by) {
    const { customer } = await secondOrRefused(tx, conflict);
    return sealedMerged(tx, await holdCustomer(tx, customer), merged, by);
  },
  async apply(tx, conflict, decision, by) {
    const { strategy } = decision;
    if (strategy === 'keep_hub') {
      await settleSecond(tx, conflict, 'rejected: the first stands');
      const second = await secondEdit(tx, conflict);
      const customer = second && (await holdCustomer(tx, second.customer));
      if (second && customer?.isKnown && !customer.isErased)
        await takeSecond(tx, { ...second, op: 'edit', changes: {} }, by);
      return { state: 'settled' };
    }
    const second = await secondOrRefused(tx, conflict);
    const customer = await holdCustomer(tx, second.customer);
    assertMayChange(customer, by);
    await settleSecond(tx, conflict, 'was taken in under an id of its own');
    await takeSecond(tx, { ...second, changes: changesOf(second, customer, conflict, decision) }, by);
    await putMerged(tx, customer.id, decision.merged, by);
    const changed = await changedSince(tx, customer);
    return { state: 'settled', customer: { id: customer.id, op: second.op, changed } };
  },
};

function changesOf(
  { changes }: EditOfCustomer,
  { region }: HeldCustomer,
  { key: first }: Conflict,
  { strategy }: Decision,
): EditOfCustomer['changes'] {
  const taken: EditOfCustomer['changes'] = {};
  for (const [field, change] of Object.entries(changes)) {
    // Where a customer is, a store says once.
    if (change === undefined || (field === 'region' && region !== null)) continue;
    taken[field] = strategy === 'merge' ? change : { ...change, over: [...new Set([...change.over, first])] };
  }
  return taken;
}

async function takeSecond(tx: Tx, second: EditOfCustomer, by: Deciding): Promise<void> {
  await takeOfficeEdit(tx, { ...second, id: by.newId() }, by.personId, by);
}

async function secondOrRefused(tx: Tx, conflict: Conflict): Promise<EditOfCustomer> {
  const second = await secondEdit(tx, conflict);
  if (second === null) throw problem('not-decidable', 'The archived line of the edit cannot be read at this moment.');
  return second;
}

/** As the hub counts it: in the name of a box of its branch. */
export async function secondEdit(
  tx: Tx,
  { branchId, second }: Pick<Conflict, 'branchId' | 'second'>,
): Promise<EditOfCustomer | null> {
  const ready = second && (await archivedReading(tx, branchId, second));
  if (ready?.kind !== 'customer-edit') return null;
  const [edit] = await inOwnName(tx, { branchId, incarnation: second?.incarnation ?? '' }, [ready.body]);
  return edit as EditOfCustomer;
}
