import { decideKey } from '../customers/key-decision.js';
import type { ConflictEffect } from './conflict-effect.js';
import { assertMayChange, holdCustomer } from './decided-customer.js';

/**
 * Another key of a person than the one that stands. keep_hub: what stands does; keep_branch: the branch's is taken in its place.
 * Either way all that either of them opens is sealed under the one that is kept, and every store gets that one.
 */
export const PERSON_KEY_EFFECT: ConflictEffect = {
  strategies: () => ['keep_hub', 'keep_branch'],
  takesMerged: false,
  async apply(tx, { key: person, branchId }, { strategy }, by) {
    const customer = await holdCustomer(tx, person);
    // With the person all keys were destroyed, those that were offered as well.
    if (strategy === 'keep_hub' && customer.isErased) return { state: 'settled' };
    if (strategy === 'keep_branch' || !customer.isDeleted) assertMayChange(customer, by);
    const keep = strategy === 'keep_hub' ? 'hub' : 'branch';
    await decideKey(tx, { person, branchId, keep }, by.personId, by);
    return { state: 'settled', customer: { id: person, op: 'key', changed: [keep] } };
  },
};
