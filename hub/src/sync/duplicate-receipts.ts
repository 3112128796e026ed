import { texts } from '../database/columns.js';
import type { Tx } from '../database/unit-of-work.js';
import type { FactContext } from './fact-context.js';

export type PrintedSale = { id: string; receiptNumber: string };

/**
 * Not prepared: planned with the numbers at hand it is one walk along the index; a plan made when the hub was new would
 * read all sales of the branch.
 */
const FIND_PRINTED = `SELECT receipt_number AS number FROM sale WHERE branch_id = $1 AND receipt_number = ANY ($2::text[])`;

const MARK_DUPLICATES = `INSERT INTO sale_exception (tenant_id, branch_id, sale_id, code, detail, at)
  SELECT $1, $2, id, 'duplicate-receipt-number', "receiptNumber", to_timestamp($4::bigint / 1000.0)
  FROM jsonb_to_recordset($3::jsonb) AS r (id uuid, "receiptNumber" text)
  ON CONFLICT DO NOTHING`;

/** Which of their numbers are printed on sales of the branch; to be asked before these are inserted, so that it is none. */
export async function findPrinted(
  tx: Tx,
  { branchId }: FactContext,
  sales: readonly PrintedSale[],
): Promise<Set<string>> {
  const numbers = sales.map(({ receiptNumber }) => receiptNumber).sort();
  const rows = await tx.query<{ number: string }>(FIND_PRINTED, [branchId, texts(numbers)]);
  return new Set(rows.map(({ number }) => number));
}

/**
 * Both sales stand; of each pair the one that came later is marked.
 * @param earlier what `findPrinted` gave
 * @param inserted in the order in which they came
 */
export async function markDuplicateReceipts(
  tx: Tx,
  { tenantId, branchId, nowMs }: FactContext,
  earlier: ReadonlySet<string>,
  inserted: readonly PrintedSale[],
): Promise<void> {
  const printed = new Set(earlier);
  const doubled = inserted.filter(({ receiptNumber }) => {
    const isDoubled = printed.has(receiptNumber);
    printed.add(receiptNumber);
    return isDoubled;
  });
  if (doubled.length > 0)
    await tx.query(MARK_DUPLICATES, [
      tenantId,
      branchId,
      JSON.stringify(doubled.map(({ id, receiptNumber }) => ({ id, receiptNumber }))),
      nowMs,
    ]);
}
