import type { Tx } from '../database/unit-of-work.js';
import type { FactContext } from '../sync/fact-context.js';
import type { LineOfKind } from '../sync/read-line.js';
import { mergeEdits } from './merge-edits.js';

const INSERT_EDITS = `
INSERT INTO customer_edit (tenant_id, branch_id, incarnation, id, customer_id, op, box, hlc, changes, seq, content_hash)
SELECT $1, $2, $3, id, customer, op, box, hlc, changes, seq, "contentHash"
FROM jsonb_to_recordset($4::jsonb)
  AS r (id uuid, customer uuid, op text, box uuid, hlc text, changes jsonb, seq bigint, "contentHash" text)
ON CONFLICT (branch_id, id) DO NOTHING
RETURNING id`;

/** What a store told of customers, and what it comes to. @returns the ids inserted */
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
  const fresh = lines.filter(({ body }) => inserted.has(body.id)).map(({ body }) => body);
  await mergeEdits(tx, fresh as Parameters<typeof mergeEdits>[1], nowMs, isRebuild ? 'rebuild' : 'branch');
  return inserted;
}
