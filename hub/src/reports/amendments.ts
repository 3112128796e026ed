import { code } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, pageQuery, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';

export const amendmentQuery = z.strictObject({ ...pageQuery, from: z.iso.date(), to: z.iso.date(), branch: code });
export type AmendmentQuery = z.infer<typeof amendmentQuery>;

/** A sale that was added to a day after its seal. */
export const amendmentItem = z.strictObject({
  businessDate: z.iso.date(),
  number: z.int().meta({ description: 'within the business date, from 1' }),
  postingDate: z.iso.date().meta({ description: 'the business date on which it was recorded' }),
  sale: z.uuid(),
  receiptNumber: z.string(),
  currency: z.string(),
  totalMinor: z.int(),
});
export type AmendmentItem = z.infer<typeof amendmentItem>;

const cursor = z.tuple([z.iso.date(), z.int().min(0).max(2_147_483_647)]);

/** In the order of dates and numbers. */
export async function listAmendments(
  tx: Tx,
  branchId: string,
  { from, to, limit, after }: AmendmentQuery,
): Promise<Page<AmendmentItem>> {
  const [afterDate, afterNumber] = after === undefined ? ['0001-01-01', 0] : decodeCursor(cursor, after);
  const rows = await tx.query<AmendmentItem>(LIST, [branchId, from, to, afterDate, afterNumber, limit + 1]);
  return pageOf(
    rows,
    limit,
    ({ businessDate, number }) => [businessDate, number],
    (row) => row,
  );
}

const LIST = `
SELECT a.business_date::text AS "businessDate", a.number, a.posting_date::text AS "postingDate", a.sale_id AS sale,
  s.receipt_number AS "receiptNumber", s.currency, s.total_minor AS "totalMinor"
FROM day_amendment a JOIN sale s ON s.branch_id = a.branch_id AND s.id = a.sale_id
WHERE a.branch_id = $1 AND a.business_date BETWEEN $2 AND $3 AND (a.business_date, a.number) > ($4::date, $5::integer)
ORDER BY a.business_date, a.number LIMIT $6`;
