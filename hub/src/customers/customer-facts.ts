import type { Tx } from '../database/unit-of-work.js';
import type { FactContext } from '../sync/fact-context.js';
import type { LineOfKind } from '../sync/read-line.js';
import type { Inserted } from '../sync/inserted.js';
import type { LineRef, NewConflict } from '../worklists/record-conflict.js';
import type { Dispute } from './disputed-writes.js';
import { withholdDeletes, withoutEffect } from './foreign-deletes.js';
import { mergeEdits, type EditOfCustomer } from './merge-edits.js';
import { noteMaker } from './person-key-offers.js';

const INSERT_EDITS = `
INSERT INTO customer_edit (tenant_id, branch_id, incarnation, id, customer_id, op, box, hlc, changes, seq, content_hash)
SELECT $1, $2, $3, id, customer, op, box, hlc, changes, seq, "contentHash"
FROM jsonb_to_recordset($4::jsonb)
  AS r (id uuid, customer uuid, op text, box uuid, hlc text, changes jsonb, seq bigint, "contentHash" text)
ON CONFLICT (branch_id, id) DO NOTHING
RETURNING id`;

/** What a store told of customers, and what it comes to. A rebuild joins it afterwards, from all that is stored of each. */
export async function insertCustomerEdits(
  tx: Tx,
  { tenantId, branchId, incarnation, nowMs, isRebuild }: FactContext,
  lines: readonly LineOfKind<'customer-edit'>[],
): Promise<Inserted> {
  const rows = lines.map(({ seq, contentHash, body: { id, customer, op, box, hlc, changes } }) => {
    return { id, customer, op, box, hlc, changes, seq, contentHash };
  });
  const stored = await tx.query<{ id: string }>(INSERT_EDITS, [tenantId, branchId, incarnation, JSON.stringify(rows)]);
  const inserted = new Set(stored.map(({ id }) => id));
  if (isRebuild) return { ids: inserted };
  const named = lines.filter(({ body }) => inserted.has(body.id)).map(({ body }) => body);
  const fresh = await inOwnName(tx, { branchId, incarnation }, named as EditOfCustomer[]);
  const withheld = await withholdDeletes(tx, branchId, fresh);
  const counted = fresh.map((edit) => (withheld.has(edit.id) ? withoutEffect(edit) : edit));
  const disputes = await mergeEdits(tx, counted, nowMs, 'branch');
  const made = named.filter(({ op }) => op === 'create').map(({ customer }) => customer);
  await noteMaker(tx, branchId, made);
  const seqs = new Map(lines.map(({ seq, body }) => [body.id, seq]));
  const lineOf = (edit: string): LineRef => ({ incarnation, seq: seqs.get(edit) as number });
  const conflicts = [
    ...disputes.map((dispute) => conflictOf(dispute, lineOf(dispute.edit))),
    ...fresh.filter(({ id }) => withheld.has(id)).map((edit) => conflictOfDelete(edit, lineOf(edit.id))),
  ];
  return { ids: inserted, disputes: conflicts };
}

function conflictOfDelete({ customer, id }: EditOfCustomer, second: LineRef): NewConflict {
  return {
    ...{ type: 'constraint_violation', kind: 'customer', key: customer, first: null, second },
    ...{ hub: {}, branch: { delete: id } },
    suggested: 'keep_hub',
    reason:
      'A store of another region deleted this customer, of whom it is told nothing. A delete is for ever: the customer stays until somebody has asked that store.',
  };
}

/** Without values: the edits that are named have them, under the person's key. */
function conflictOf({ customer, edit, fields }: Dispute, second: LineRef): NewConflict {
  const stands = fields.filter(({ isAhead }) => isAhead).length;
  return {
    type: 'data_mismatch',
    kind: 'customer',
    key: customer,
    first: null,
    second,
    hub: { fields: Object.fromEntries(fields.map(({ field, stood }) => [field, stood])) },
    branch: { fields: Object.fromEntries(fields.map(({ field }) => [field, edit])) },
    suggested: stands === fields.length ? 'keep_branch' : stands === 0 ? 'keep_hub' : 'merge',
    reason:
      'The same field of a customer was written at two places, neither having seen the other. What was written later stands by now, the other is kept beside it: the suggestion leaves it so.',
  };
}

/**
 * A store speaks for boxes of its own branch, also those it had: an edit in the name of another's would tell that box that
 * its own edits up to any clock have been decided on. It counts as the one's that told it.
 */
export async function inOwnName<E extends { box: string }>(
  tx: Tx,
  { branchId, incarnation }: Pick<FactContext, 'branchId' | 'incarnation'>,
  edits: readonly E[],
): Promise<E[]> {
  if (edits.length === 0) return [];
  const boxes = await tx.query<{ id: string; isTeller: boolean }>(OWN_BOXES, [branchId, incarnation]);
  const own = new Set(boxes.map(({ id }) => id));
  const teller = boxes.find(({ isTeller }) => isTeller)?.id;
  if (teller === undefined) throw new Error(`the history ${incarnation} has no box`);
  return edits.map((edit) => (own.has(edit.box) ? edit : { ...edit, box: teller }));
}

const OWN_BOXES = `
SELECT box.id, box.id = i.box_id AS "isTeller" FROM incarnation i JOIN box ON box.branch_id = i.branch_id
WHERE i.branch_id = $1 AND i.incarnation = $2`;
