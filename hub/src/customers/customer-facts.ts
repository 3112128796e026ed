import type { Tx } from '../database/unit-of-work.js';
import type { FactContext } from '../sync/fact-context.js';
import type { LineOfKind } from '../sync/read-line.js';
import { mergeEdits } from './merge-edits.js';
import { noteMaker } from './person-key-offers.js';

const INSERT_EDITS = `
INSERT INTO customer_edit (tenant_id, branch_id, incarnation, id, customer_id, op, box, hlc, changes, seq, content_hash)
SELECT $1, $2, $3, id, customer, op, box, hlc, changes, seq, "contentHash"
FROM jsonb_to_recordset($4::jsonb)
  AS r (id uuid, customer uuid, op text, box uuid, hlc text, changes jsonb, seq bigint, "contentHash" text)
ON CONFLICT (branch_id, id) DO NOTHING
RETURNING id`;

/**
 * What a store told of customers, and what it comes to. A rebuild joins it afterwards, from all that is stored of each.
 * @returns the ids inserted
 */
export async function insertCustomerEdits(
  tx: Tx,
  { tenantId, branchId, incarnation, nowMs, isRebuild }: FactContext,
  lines: readonly LineOfKind<'customer-edit'>[],
): Promise<Set<string>> {
  const rows = lines.map(({ seq, contentHash, body: { id, customer, op, box, hlc, changes } }) => {
    return { id, customer, op, box, hlc, changes, seq, contentHash };
  });
  const stored = await tx.query<{ id: string }>(INSERT_EDITS, [tenantId, branchId, incarnation, JSON.stringify(rows)]);
  const inserted = new Set(stored.map(({ id }) => id));
  if (isRebuild) return inserted;
  const named = lines.filter(({ body }) => inserted.has(body.id)).map(({ body }) => body);
  const fresh = await inOwnName(tx, { branchId, incarnation }, named);
  await mergeEdits(tx, fresh as Parameters<typeof mergeEdits>[1], nowMs, 'branch');
  const made = named.filter(({ op }) => op === 'create').map(({ customer }) => customer);
  await noteMaker(tx, branchId, made);
  return inserted;
}

/**
 * A store speaks for boxes of its own branch, also those it had: an edit in the name of another's would tell that box that
 * its own edits up to any clock have been decided on. It counts as the one's that told it.
 */
async function inOwnName<E extends { box: string }>(
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
