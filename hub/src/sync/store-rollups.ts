import type { Tx } from '../database/unit-of-work.js';
import type { SalesDeltas } from './sales-deltas.js';

const SUMS = ['lines', 'units_milli', 'amount_minor', 'discount_minor', 'net_minor', 'tax_minor', 'total_minor'];
const SUM_FIELDS = ['lines', 'unitsMilli', 'amountMinor', 'discountMinor', 'netMinor', 'taxMinor', 'totalMinor'];

type Rollup = { sql: string };

/** `fields` are the members of a delta in the order of `columns`; `keys` of them are the key beside branch and currency. */
function rollup(
  table: string,
  keys: readonly [column: string, field: string, type: string][],
  sums: readonly (readonly [column: string, field: string])[],
): Rollup {
  const columns = ['business_date', ...keys.map(([column]) => column), 'currency', ...sums.map(([column]) => column)];
  const fields = [
    '"businessDate"',
    ...keys.map(([, field]) => `"${field}"`),
    'currency',
    ...sums.map(([, field]) => `"${field}"`),
  ];
  const types = [
    '"businessDate" date',
    ...keys.map(([, field, type]) => `"${field}" ${type}`),
    'currency text',
    ...sums.map(([, field]) => `"${field}" bigint`),
  ];
  const key = ['branch_id', 'business_date', ...keys.map(([column]) => column), 'currency'];
  const updates = sums.map(([column]) => `${column} = ${table}.${column} + excluded.${column}`);
  return {
    sql: `INSERT INTO ${table} (tenant_id, branch_id, ${columns.join(', ')})
      SELECT $1, $2, ${fields.join(', ')} FROM jsonb_to_recordset($3::jsonb) AS delta (${types.join(', ')})
      ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${updates.join(', ')}`,
  };
}

const BASKETS = ['baskets', 'baskets'] as const;
const LINE_SUMS = SUMS.map((column, at) => [column, SUM_FIELDS[at] as string] as const);
const AMOUNT = ['amount_minor', 'amountMinor'] as const;

/** The named rollups. Reports know which of them answers which dimensions. */
const BY_HOUR = rollup('sales_by_hour', [['hour', 'hour', 'smallint']], [BASKETS, ...LINE_SUMS]);
const BY_OPERATOR = rollup('sales_by_operator', [['operator', 'operator', 'text']], [BASKETS, ...LINE_SUMS]);
const BY_PRODUCT = rollup('sales_by_product', [['product', 'product', 'text']], LINE_SUMS);
const BY_TENDER = rollup('sales_by_tender', [['tender', 'tender', 'text']], [BASKETS, AMOUNT]);
const BY_MODIFIER = rollup(
  'sales_by_modifier',
  [
    ['kind', 'kind', 'text'],
    ['informational', 'informational', 'boolean'],
  ],
  [['lines', 'lines'], AMOUNT],
);

const STOCK = `INSERT INTO stock_balance (tenant_id, branch_id, product, quantity_milli)
  SELECT $1, $2, product, "quantityMilli" FROM jsonb_to_recordset($3::jsonb) AS delta (product text, "quantityMilli" bigint)
  ON CONFLICT (branch_id, product) DO UPDATE SET quantity_milli = stock_balance.quantity_milli + excluded.quantity_milli`;

/** Adds what the sales just inserted amount to, in the transaction that inserted them. */
export async function storeDeltas(
  tx: Tx,
  at: { tenantId: string; branchId: string },
  deltas: SalesDeltas,
): Promise<void> {
  const steps: [string, readonly unknown[]][] = [
    [STOCK, deltas.stock],
    [BY_HOUR.sql, deltas.byHour],
    [BY_PRODUCT.sql, deltas.byProduct],
    [BY_TENDER.sql, deltas.byTender],
    [BY_OPERATOR.sql, deltas.byOperator],
    [BY_MODIFIER.sql, deltas.byModifier],
  ];
  for (const [sql, rows] of steps) {
    if (rows.length > 0) await tx.query(sql, [at.tenantId, at.branchId, JSON.stringify(rows)]);
  }
}
