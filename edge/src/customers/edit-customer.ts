import { latestHlc, NO_CUSTOMER, seenOf, standing, type CustomerEdit } from '@branchline/domain/customer.js';
import { problem } from '@branchline/http/problem.js';
import type { CustomerValues } from '@branchline/replication/customer-input.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import type { CustomerEditBody } from '@branchline/replication/kinds/customer-edit.js';
import type { Command } from '../store/command.js';
import type { ReadTx } from '../store/tx.js';
import { branchSettings } from '../tills/branch-settings.js';
import { customerRows, stateSeen } from './customer-rows.js';
import { isErased } from './person-keys.js';

export type EditToPropose = {
  id: string;
  customer: string;
  op: CustomerEdit['op'];
  /** Personal ones under the person's key. */
  values: CustomerValues;
  /** Over the JSON as received, personal fields masked. */
  contentHash: string;
  box: string;
  /** Hub's clock minus ours; null: not known. */
  hubOffsetMs: number | null;
};

/** `replayed`: the same was said before, and stands. */
export type EditOutcome = { replayed: boolean };

/**
 * A customer is created, changed or deleted here: a proposal, shown beside what the hub has decided until it decides on this.
 * What changes nothing is no edit.
 *
 * @throws Problem same-id-other-content, already-exists, not-found, customer-erased
 */
export const editCustomer: Command<EditToPropose, EditOutcome> = {
  name: 'edit-customer',
  decide(tx, edit, { nowMs }) {
    if (isErased(tx, edit.customer)) throw problem('customer-erased');
    if (isReplay(tx, edit)) return { lines: [], answer: () => ({ replayed: true }) };
    const body = decideEdit(tx, edit, nowMs);
    if (body === null) return { lines: [], answer: () => ({ replayed: false }) };
    const { id, customer, contentHash } = edit;
    return {
      lines: [{ kind: 'customer-edit', key: id, refs: [`customer:${customer}`], contentHash, body }],
      answer: () => ({ replayed: false }),
    };
  },
};

/** @throws Problem same-id-other-content */
function isReplay(tx: ReadTx, { id, customer, op, contentHash }: EditToPropose): boolean {
  const stored =
    op === 'create'
      ? tx.get<{ hash: string }>(
          `SELECT content_hash AS hash FROM customer_edit WHERE customer = ? AND op = 'create'`,
          customer,
        )
      : tx.get<{ hash: string }>('SELECT content_hash AS hash FROM customer_edit WHERE id = ?', id);
  if (stored === undefined) return false;
  if (stored.hash === contentHash) return true;
  throw problem('same-id-other-content');
}

function decideEdit(tx: ReadTx, edit: EditToPropose, nowMs: number): CustomerEditBody | null {
  const { id, customer, op, box } = edit;
  const rows = customerRows(tx, customer);
  const state = rows === null ? NO_CUSTOMER : stateSeen(rows);
  if (op === 'create') {
    const isKnown = tx.get('SELECT 1 FROM customer_gone WHERE id = ?', customer) !== undefined;
    if (rows !== null || isKnown) throw problem('already-exists', 'there is a customer of this id');
  } else if (rows === null || state.deleted !== null) throw problem('not-found');
  // A new customer is first of all this region's.
  const values = op === 'create' ? { ...edit.values, region: branchSettings(tx).region } : edit.values;
  const changes: CustomerEdit['changes'] = {};
  for (const [field, value] of Object.entries(values)) {
    if (value === undefined || (standing(state, field)?.value ?? null) === value) continue;
    changes[field] = { value, over: seenOf(state, field) };
  }
  if (op === 'edit' && Object.keys(changes).length === 0) return null;
  // By the hub's clock as far as it is known: a box of next year must not win until then.
  const hlc = nextHlc(latestHlc(state, box), Math.max(0, nowMs + (edit.hubOffsetMs ?? 0)));
  return { id, customer, op, box, hlc, changes: changes as CustomerEditBody['changes'] };
}
