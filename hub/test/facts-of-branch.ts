import type { Tx } from '../src/database/unit-of-work.js';

type FactCounts = Record<'lines' | 'sales' | 'saleLines' | 'tenders' | 'taxes' | 'movements' | 'incarnations', number>;

/** How many rows a branch has of what its pushes leave behind. */
export function factCounts(tx: Tx, branchId: string): Promise<FactCounts> {
  return tx.one<FactCounts>(
    `SELECT (SELECT coalesce(sum(last_seq - first_seq + 1), 0)::bigint FROM journal_chunk WHERE branch_id = $1) AS lines, (SELECT count(*) FROM sale WHERE branch_id = $1) AS sales,
       (SELECT count(*) FROM sale_line WHERE branch_id = $1) AS "saleLines", (SELECT count(*) FROM sale_tender WHERE branch_id = $1) AS tenders,
       (SELECT count(*) FROM sale_tax WHERE branch_id = $1) AS taxes, (SELECT count(*) FROM stock_movement WHERE branch_id = $1) AS movements,
       (SELECT count(*) FROM incarnation WHERE branch_id = $1) AS incarnations`,
    [branchId],
  );
}

export type Sums = Record<string, Record<string, unknown>[]>;

/** Every rollup of a branch as it is kept. */
export function sumsOfBranch(tx: Tx, branchId: string): Promise<Sums> {
  return readAll(tx, branchId, KEPT);
}

/** The same, added up from the facts: what the rollups have to equal, row by row. */
export function sumsOfFacts(tx: Tx, branchId: string): Promise<Sums> {
  return readAll(tx, branchId, FROM_FACTS);
}

async function readAll(tx: Tx, branchId: string, statements: Readonly<Record<string, string>>): Promise<Sums> {
  const sums: Sums = {};
  for (const [name, sql] of Object.entries(statements)) sums[name] = await tx.query(sql, [branchId]);
  return sums;
}

const AMOUNTS = ['amount_minor', 'discount_minor', 'net_minor', 'tax_minor', 'total_minor'];
const summed = (alias: string, columns: readonly string[]): string =>
  columns.map((column) => `sum(${alias}.${column})::bigint AS ${column}`).join(', ');

const KEPT = {
  hour: `SELECT business_date, hour, currency, baskets, lines, units_milli, ${AMOUNTS.join(', ')} FROM sales_by_hour WHERE branch_id = $1 ORDER BY 1, 2, 3`,
  operator: `SELECT business_date, operator, currency, baskets, lines, units_milli, ${AMOUNTS.join(', ')} FROM sales_by_operator WHERE branch_id = $1 ORDER BY 1, 2, 3`,
  product: `SELECT business_date, product, currency, lines, units_milli, ${AMOUNTS.join(', ')} FROM sales_by_product WHERE branch_id = $1 ORDER BY 1, 2, 3`,
  tender: `SELECT business_date, tender, currency, amount_minor FROM sales_by_tender WHERE branch_id = $1 ORDER BY 1, 2, 3`,
  modifier: `SELECT business_date, kind, informational, currency, lines, amount_minor FROM sales_by_modifier WHERE branch_id = $1 ORDER BY 1, 2, 3, 4`,
  stock: `SELECT product, quantity_milli FROM stock_balance WHERE branch_id = $1 ORDER BY 1`,
};

const SALE_SUMS = `sum(sign(s.lines))::bigint AS baskets, ${summed('s', ['lines', 'units_milli', ...AMOUNTS])}`;
const OF_LINE = 'JOIN sale_line l ON l.branch_id = s.branch_id AND l.sale_id = s.id';

const FROM_FACTS = {
  hour: `SELECT business_date, hour, currency, ${SALE_SUMS} FROM sale s WHERE branch_id = $1 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
  operator: `SELECT business_date, operator, currency, ${SALE_SUMS} FROM sale s WHERE branch_id = $1 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
  product: `SELECT s.business_date, l.product, s.currency, sum(sign(s.lines))::bigint AS lines, sum(l.quantity_milli)::bigint AS units_milli, ${summed('l', AMOUNTS)}
    FROM sale s ${OF_LINE} WHERE s.branch_id = $1 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
  tender: `SELECT business_date, type AS tender, currency, sum(minor)::bigint AS amount_minor FROM (
      SELECT s.business_date, t.type, s.currency, t.amount_minor AS minor FROM sale s JOIN sale_tender t ON t.branch_id = s.branch_id AND t.sale_id = s.id
        WHERE s.branch_id = $1
      UNION ALL SELECT business_date, 'cash', currency, -change_minor FROM sale WHERE branch_id = $1 AND change_minor <> 0
    ) entry GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
  modifier: `SELECT s.business_date, m.kind, m.informational, s.currency, sum(sign(s.lines))::bigint AS lines, sum(m.amount_minor)::bigint AS amount_minor
    FROM sale s JOIN sale_modifier m ON m.branch_id = s.branch_id AND m.sale_id = s.id WHERE s.branch_id = $1 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`,
  stock: `SELECT product, sum(quantity_milli)::bigint AS quantity_milli FROM stock_movement WHERE branch_id = $1 GROUP BY 1 ORDER BY 1`,
};
