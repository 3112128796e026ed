import { businessDate } from '@branchline/domain/business-date.js';
import type { Tx } from '../database/unit-of-work.js';
import type { FactContext } from './fact-context.js';
import type { LineOfKind } from './read-line.js';

/** As the edge marks a sale whose business date it had sealed before. */
export const LATE = 'late';

/**
 * Sales of a day that was sealed keep their business date, and are numbered as amendments of it, with the date on which
 * they were posted. The branch is held, so that no number is given twice. Hardly ever any: a push of others asks nothing.
 */
export async function numberAmendments(
  tx: Tx,
  { tenantId, branchId, timeZone }: FactContext,
  sales: readonly LineOfKind<'sale'>[],
): Promise<void> {
  const late = sales.filter(({ body }) => body.flags.includes(LATE));
  if (late.length === 0) return;
  const { cutOffMinutes } = await tx.one<{ cutOffMinutes: number }>(
    'SELECT cut_off_minutes AS "cutOffMinutes" FROM branch WHERE id = $1',
    [branchId],
  );
  const rows = late.map(({ atMs, body }, place) => ({
    place,
    sale: body.id,
    date: body.businessDate,
    posted: businessDate(atMs, timeZone, cutOffMinutes),
  }));
  await tx.query(NUMBER, [tenantId, branchId, JSON.stringify(rows)]);
}

const NUMBER = `
INSERT INTO day_amendment (tenant_id, branch_id, business_date, number, sale_id, posting_date)
SELECT $1, $2, r.date, coalesce((SELECT max(a.number) FROM day_amendment a WHERE a.branch_id = $2 AND a.business_date = r.date), 0)
    + row_number() OVER (PARTITION BY r.date ORDER BY r.place), r.sale, r.posted
FROM jsonb_to_recordset($3::jsonb) AS r (place integer, sale uuid, date date, posted date)
WHERE NOT EXISTS (SELECT FROM day_amendment a WHERE a.branch_id = $2 AND a.sale_id = r.sale)`;
