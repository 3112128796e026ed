import type { Tx } from '../database/unit-of-work.js';
import type { EditOfCustomer } from './merge-edits.js';

/**
 * A delete is for ever, and nothing that anybody else writes stands against it. A store's counts for the customers of its own
 * region, of whom it is told, and for those whom it made; of others it knows at most an id. Such a delete is withheld, until
 * head office has decided.
 * @param edits that a branch told, just stored @returns the ids of those withheld
 */
export async function withholdDeletes(
  tx: Tx,
  branchId: string,
  edits: readonly EditOfCustomer[],
): Promise<ReadonlySet<string>> {
  const deletes = edits.filter(({ op }) => op === 'delete');
  if (deletes.length === 0) return new Set();
  const known = await tx.query<{ id: string; isTheirs: boolean; isAnyones: boolean }>(KNOWN, [
    branchId,
    deletes.map(({ customer }) => customer),
  ]);
  const made = new Set(edits.filter(({ op }) => op === 'create').map(({ customer }) => customer));
  const isTheirs = ({ customer }: EditOfCustomer): boolean => {
    const row = known.find(({ id }) => id === customer);
    if (row?.isTheirs) return true;
    return (row?.isAnyones ?? true) && made.has(customer);
  };
  const withheld = deletes.filter((edit) => !isTheirs(edit)).map(({ id }) => id);
  if (withheld.length > 0) await tx.execute(WITHHOLD, [tx.tenantId, branchId, withheld]);
  return new Set(withheld);
}

/** That it came is all that it says: its box need not show it as pending. */
export function withoutEffect(edit: EditOfCustomer): EditOfCustomer {
  return { ...edit, op: 'edit', changes: {} };
}

/** Who says it made one that head office made did not. Without a lock: customers are locked together, in the order of their ids (`merge-edits.ts`). */
const KNOWN = `
SELECT c.id, c.region IS NULL AND c.made_by IS NULL AS "isAnyones",
  coalesce(c.region = b.region OR c.made_by = b.id AND NOT EXISTS (
    SELECT FROM customer_office_edit o WHERE o.tenant_id = c.tenant_id AND o.customer_id = c.id AND o.op = 'create'), false) AS "isTheirs"
FROM customer c JOIN branch b ON b.id = $1 WHERE c.id = ANY ($2::uuid[])`;

const WITHHOLD = `
INSERT INTO customer_edit_withheld (tenant_id, branch_id, id) SELECT $1, $2, id FROM unnest($3::uuid[]) AS withheld (id)
ON CONFLICT DO NOTHING`;
