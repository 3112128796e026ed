import { standing } from '@branchline/domain/customer.js';
import { problem } from '@branchline/http/problem.js';
import { officeEdit, takeOfficeEdit } from '../customers/office-edit.js';
import type { EditOfCustomer } from '../customers/merge-edits.js';
import type { Tx } from '../database/unit-of-work.js';
import type { Conflict } from './conflict.js';
import type { ConflictEffect, Deciding, Decision, Effect } from './conflict-effect.js';
import {
  assertMayChange,
  changedSince,
  holdCustomer,
  putMerged,
  sealedMerged,
  type HeldCustomer,
} from './decided-customer.js';

/** By field the edit that wrote it, at either side. */
export type DisputedFields = Readonly<Record<string, string>>;

/** @param side of a conflict about a customer */
export function disputedFields(side: Record<string, unknown> | null): DisputedFields {
  return (side?.['fields'] ?? {}) as DisputedFields;
}

/**
 * Fields of a customer that were written at two places. What is decided is written as an edit of head office over both, so
 * that it goes to every store as any other, and the one that lost stays beside nothing any more.
 * - keep_hub: in each field what stood here before; keep_branch: what the branch wrote; merge: what the rule chose, field by
 *   field, and what is told with it.
 * Somebody who wrote a field since had seen one of the two: it is left as it is.
 * A `constraint_violation` is a delete that was withheld: keep_hub, the customer stays; keep_branch, head office deletes.
 */
export const CUSTOMER_EFFECT: ConflictEffect = {
  strategies: ({ type }) =>
    type === 'data_mismatch' ? ['keep_hub', 'keep_branch', 'merge'] : ['keep_hub', 'keep_branch'],
  takesMerged: true,
  sealed: async (tx, { key }, merged, by) => sealedMerged(tx, await holdCustomer(tx, key), merged, by),
  async apply(tx, conflict, decision, by) {
    const customer = await holdCustomer(tx, conflict.key);
    if (conflict.type === 'constraint_violation') return decideDelete(tx, customer, decision, by);
    await putChosen(tx, customer, chosenOf(customer, conflict, decision), decision, by);
    await putMerged(tx, customer.id, decision.merged, by);
    const changed = await changedSince(tx, customer);
    return { state: 'settled', customer: { id: customer.id, op: 'edit', changed } };
  },
};

async function decideDelete(tx: Tx, customer: HeldCustomer, { strategy }: Decision, by: Deciding): Promise<Effect> {
  if (strategy === 'keep_hub') return { state: 'settled' };
  assertMayChange(customer, by);
  const edit = { ...officeEdit(customer.state, {}, by), customer: customer.id, op: 'delete' as const };
  await takeOfficeEdit(tx, edit, by.personId, by);
  return { state: 'settled', customer: { id: customer.id, op: 'delete', changed: [] } };
}

async function putChosen(
  tx: Tx,
  customer: HeldCustomer,
  changes: EditOfCustomer['changes'],
  { strategy }: Decision,
  by: Deciding,
): Promise<void> {
  const isNothing = Object.keys(changes).length === 0;
  if (strategy === 'keep_branch') assertMayChange(customer, by);
  if (strategy === 'keep_branch' && isNothing)
    throw problem('not-decidable', 'Somebody wrote there since, having seen one of the two: keep_hub, or merge.');
  if (isNothing) return;
  assertMayChange(customer, by);
  const edit = { ...officeEdit(customer.state, changes, by), customer: customer.id, op: 'edit' as const };
  await takeOfficeEdit(tx, edit, by.personId, by);
}

function chosenOf(
  { state, isDeleted, isErased }: HeldCustomer,
  { hub, branch }: Conflict,
  { strategy, merged }: Decision,
): EditOfCustomer['changes'] {
  const changes: EditOfCustomer['changes'] = {};
  if (isDeleted || isErased) return changes;
  const [ours, theirs] = [disputedFields(hub), disputedFields(branch)];
  for (const [field, our] of Object.entries(ours)) {
    const their = theirs[field];
    if (merged !== null && Object.hasOwn(merged, field)) continue;
    const live = state.fields[field]?.live ?? [];
    const [one, other] = [our, their].map((edit) => live.find((write) => write.edit === edit));
    if (one === undefined || other === undefined) continue;
    const chosen = { keep_hub: one, keep_branch: other, merge: standing(state, field) ?? one }[strategy];
    changes[field] = { value: chosen.value, over: [one.edit, other.edit] };
  }
  return changes;
}
