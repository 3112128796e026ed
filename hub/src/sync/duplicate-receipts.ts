import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import { texts } from '../database/columns.js';
import type { Tx } from '../database/unit-of-work.js';
import type { FactContext } from './fact-context.js';

/** A sale that stands, as far as it is asked about by its number. */
export type PrintedSale = {
  id: string;
  number: string;
  incarnation: string;
  seq: number;
  till: string;
  operator: string;
  soldAtMs: number;
  lines: number;
  totalMinor: number;
};

/**
 * Not prepared: planned with the numbers at hand it is one walk along the index; a plan made when the hub was new would
 * read all sales of the branch.
 */
const FIND_PRINTED = `SELECT receipt_number AS number, id, incarnation, seq, till, operator, (extract(epoch FROM sold_at) * 1000)::bigint AS "soldAtMs",
  lines, total_minor AS "totalMinor" FROM sale WHERE branch_id = $1 AND receipt_number = ANY ($2::text[]) ORDER BY seq DESC`;

const MARK_EXCEPTIONS = `INSERT INTO sale_exception (tenant_id, branch_id, sale_id, code, detail, at)
  SELECT $1, $2, id, code, detail, to_timestamp($4::bigint / 1000.0)
  FROM jsonb_to_recordset($3::jsonb) AS r (id uuid, code text, detail text)
  ON CONFLICT DO NOTHING`;

/**
 * Which numbers are printed on sales of the branch; to be asked before others are inserted, so that nearly always it is
 * none. Of several sales with one number the one that came first.
 */
export async function findPrinted(
  tx: Tx,
  { branchId }: FactContext,
  numbers: readonly string[],
): Promise<Map<string, PrintedSale>> {
  const rows = await tx.query<PrintedSale>(FIND_PRINTED, [branchId, texts([...numbers].sort())]);
  return new Map(rows.map((row) => [row.number, row]));
}

export type SaleException = { id: string; code: 'duplicate-receipt-number' | 'duplicate'; detail: string };

/** Both sales stand; of each pair the one that came later is marked. */
export async function markExceptions(
  tx: Tx,
  { tenantId, branchId, nowMs }: FactContext,
  exceptions: readonly SaleException[],
): Promise<void> {
  if (exceptions.length > 0) await tx.query(MARK_EXCEPTIONS, [tenantId, branchId, JSON.stringify(exceptions), nowMs]);
}

/** The number before a sale's own in its till's series; null for the first, and where the edge did not give it. */
export function numberBefore({ receiptNumber, receiptNo, reverses }: SaleBody): string | null {
  if (receiptNo === undefined || receiptNo < 2 || reverses !== undefined) return null;
  const own = String(receiptNo).padStart(6, '0');
  if (!receiptNumber.endsWith(own)) return null;
  return `${receiptNumber.slice(0, -own.length)}${String(receiptNo - 1).padStart(6, '0')}`;
}
