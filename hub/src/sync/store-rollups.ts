import { bools, int8s, slicesOf, texts } from '../database/columns.js';
import type { PreparedStatement, StatementOfRows, Tx } from '../database/unit-of-work.js';
import type { SalesDeltas } from './sales-deltas.js';

type ColumnType = 'date' | 'text' | 'smallint' | 'boolean' | 'bigint';
/** A column, and the member of a delta that goes there. */
type Column = readonly [column: string, field: string, type: ColumnType];
type Rollup = { statement: PreparedStatement; columns: readonly Column[] };

/** What stands beside branch and, in the end, currency is the key; the sums are added to. */
function rollup(table: string, keys: readonly Column[], sums: readonly Column[]): Rollup {
  const columns = [...keys, ...sums];
  const names = columns.map(([column]) => column);
  const updates = sums.map(([column]) => `${column} = ${table}.${column} + excluded.${column}`);
  return {
    columns,
    statement: {
      name: `add-to-${table}`,
      text: `INSERT INTO ${table} (tenant_id, branch_id, ${names.join(', ')})
      SELECT $1, $2, ${columns.map(([, , type], at) => `unnest($${at + 3}::${SENT_AS[type]}[])::${type}`).join(', ')}
      ON CONFLICT (branch_id, ${keys.map(([column]) => column).join(', ')}) DO UPDATE SET ${updates.join(', ')}`,
    },
  };
}

const SENT_AS: Readonly<Record<ColumnType, 'text' | 'int8' | 'bool'>> = {
  date: 'text',
  text: 'text',
  smallint: 'int8',
  boolean: 'bool',
  bigint: 'int8',
};

type Delta = Readonly<Record<string, string | number | boolean>>;

/** The table of its columns says of each member what it is, which the compiler does not follow. */
function columnOf([, field, type]: Column, deltas: readonly Delta[]): Buffer {
  const values: unknown = deltas.map((delta) => delta[field]);
  if (SENT_AS[type] === 'text') return texts(values as string[]);
  if (SENT_AS[type] === 'bool') return bools(values as boolean[]);
  return int8s(values as number[]);
}

const DATE = ['business_date', 'businessDate', 'date'] as const;
const CURRENCY = ['currency', 'currency', 'text'] as const;
const BASKETS = ['baskets', 'baskets', 'bigint'] as const;
const LINES = ['lines', 'lines', 'bigint'] as const;
const AMOUNT = ['amount_minor', 'amountMinor', 'bigint'] as const;
const LINE_SUMS: readonly Column[] = [
  LINES,
  ['units_milli', 'unitsMilli', 'bigint'],
  AMOUNT,
  ['discount_minor', 'discountMinor', 'bigint'],
  ['net_minor', 'netMinor', 'bigint'],
  ['tax_minor', 'taxMinor', 'bigint'],
  ['total_minor', 'totalMinor', 'bigint'],
];

/** The named rollups. Reports know which of them answers which dimensions. */
const BY_HOUR = rollup('sales_by_hour', [DATE, ['hour', 'hour', 'smallint'], CURRENCY], [BASKETS, ...LINE_SUMS]);
const BY_OPERATOR = rollup(
  'sales_by_operator',
  [DATE, ['operator', 'operator', 'text'], CURRENCY],
  [BASKETS, ...LINE_SUMS],
);
const BY_PRODUCT = rollup('sales_by_product', [DATE, ['product', 'product', 'text'], CURRENCY], LINE_SUMS);
const BY_TENDER = rollup('sales_by_tender', [DATE, ['tender', 'tender', 'text'], CURRENCY], [BASKETS, AMOUNT]);
const BY_MODIFIER = rollup(
  'sales_by_modifier',
  [DATE, ['kind', 'kind', 'text'], ['informational', 'informational', 'boolean'], CURRENCY],
  [LINES, AMOUNT],
);
const STOCK = rollup(
  'stock_balance',
  [['product', 'product', 'text']],
  [['quantity_milli', 'quantityMilli', 'bigint']],
);

/** Rows of one rollup at a time: each is looked for first. */
const DELTAS_AT_A_TIME = 250;

/** Adds what the sales just inserted amount to, in the transaction that inserted them. */
export function* deltaStatements(
  tx: Tx,
  at: { tenantId: string; branchId: string },
  deltas: SalesDeltas,
): Generator<StatementOfRows<unknown>> {
  const steps: [Rollup, readonly Delta[]][] = [
    [STOCK, deltas.stock],
    [BY_HOUR, deltas.byHour],
    [BY_PRODUCT, deltas.byProduct],
    [BY_TENDER, deltas.byTender],
    [BY_OPERATOR, deltas.byOperator],
    [BY_MODIFIER, deltas.byModifier],
  ];
  for (const [{ statement, columns }, rows] of steps) {
    for (const slice of slicesOf(rows, DELTAS_AT_A_TIME)) {
      const values = columns.map((column) => columnOf(column, slice));
      yield { rows: slice.length, send: () => tx.prepared(statement, [at.tenantId, at.branchId, ...values]) };
    }
  }
}
