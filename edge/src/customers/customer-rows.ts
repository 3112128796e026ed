import {
  join,
  NO_CUSTOMER,
  stateOfEdit,
  valuesOf,
  type CustomerEdit,
  type CustomerState,
} from '@branchline/domain/customer.js';
import type { FeedBody } from '@branchline/replication/feed.js';
import type { ReadTx } from '../store/tx.js';

/** What the hub has decided, among what is opened of a customer; the others are ids of edits. */
export const HUB_SOURCE = '';

export type CustomerRecord = FeedBody<'customer'>;
export type PendingEdit = CustomerEdit & { at: number };

/** A customer as the file has it: values of persons under their key. */
export type CustomerRows = {
  hub: CustomerRecord | null;
  /** Own edits that the hub has not decided on, oldest first. */
  pending: PendingEdit[];
};

/** @returns null for a customer that nothing is known of, or that is no longer to be shown */
export function customerRows(tx: ReadTx, id: string): CustomerRows | null {
  const row = tx.get<{ body: string }>('SELECT body FROM customer WHERE id = ?', id);
  const hub = row === undefined ? null : (JSON.parse(row.body) as CustomerRecord);
  if (hub === null && tx.get('SELECT 1 FROM customer_gone WHERE id = ?', id) !== undefined) return null;
  const pending = editsOf(tx, id).filter(({ box, hlc }) => hlc > (hub?.judged[box] ?? ''));
  return hub === null && pending.length === 0 ? null : { hub, pending };
}

type EditRow = { id: string; op: CustomerEdit['op']; box: string; hlc: string; changes: string; at: number };

function editsOf(tx: ReadTx, customer: string): PendingEdit[] {
  return tx
    .all<EditRow>('SELECT id, op, box, hlc, changes, at FROM customer_edit WHERE customer = ? ORDER BY hlc', customer)
    .map((row) => ({ ...row, changes: JSON.parse(row.changes) as CustomerEdit['changes'] }));
}

/** What this edge sees: the hub's decision with what is pending joined to it, by the hub's own rule. */
export function stateSeen({ hub, pending }: CustomerRows): CustomerState {
  return pending.reduce((state, edit) => join(state, stateOfEdit(edit)), stateOfRecord(hub));
}

function stateOfRecord(hub: CustomerRecord | null): CustomerState {
  if (hub === null) return NO_CUSTOMER;
  const fields: CustomerState['fields'] = {};
  for (const [field, stands] of Object.entries(hub.fields) as [string, RecordField | undefined][]) {
    if (stands === undefined) continue;
    const { value, edits, hlc } = stands;
    // All that a change has to be over; which of them wrote the value is the hub's to know.
    fields[field] = { live: edits.map((edit) => ({ edit, value, hlc, box: '' })), past: [] };
  }
  return { fields, deleted: null, judged: hub.judged };
}

type RecordField = { value: string | null; edits: string[]; hlc: string };

/** Still under the person's key. */
export function sealedValues(rows: CustomerRows): Record<string, string | null> {
  return valuesOf(stateSeen(rows));
}
