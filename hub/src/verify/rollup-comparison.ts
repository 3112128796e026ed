import type { Tx } from '../database/unit-of-work.js';
import type { Differences } from './differences.js';

const NAMED_MAX = 50;
const SUMS = ['units_milli', 'amount_minor', 'discount_minor', 'net_minor', 'tax_minor', 'total_minor'];

/** `keys` tell the rows of a rollup apart; `rows` gives the same columns, added up from the facts. */
export type Rollup = { table: string; keys: readonly string[]; sums: readonly string[]; rows: string };

const summed = (alias: string, columns: readonly string[]): string =>
  columns.map((column) => `sum(${alias}.${column}) AS ${column}`).join(', ');
const LINES = 'sale s JOIN sale_line l ON l.branch_id = s.branch_id AND l.sale_id = s.id';
const bySale = (table: string, member: string): Rollup => ({
  table,
  keys: ['business_date', member, 'currency'],
  sums: ['baskets', 'lines', ...SUMS],
  rows: `SELECT business_date, ${member}, currency, sum(sign(lines)) AS baskets, ${summed('s', ['lines', ...SUMS])}
    FROM sale s WHERE branch_id = $1 GROUP BY 1, 2, 3`,
});

/** Change and cash back go out in cash, by the rule of `expectedTenders`. */
const ENTRIES = `
  SELECT s.id, s.lines, s.business_date, s.currency, t.type AS tender, t.amount_minor AS minor
    FROM sale s JOIN sale_tender t ON t.branch_id = s.branch_id AND t.sale_id = s.id WHERE s.branch_id = $1
  UNION ALL SELECT id, lines, business_date, currency, 'cash', -change_minor FROM sale WHERE branch_id = $1 AND change_minor <> 0
  UNION ALL SELECT s.id, s.lines, s.business_date, s.currency, 'cash', -t.cash_back_minor
    FROM sale s JOIN sale_tender t ON t.branch_id = s.branch_id AND t.sale_id = s.id WHERE s.branch_id = $1 AND t.cash_back_minor <> 0`;

export const ROLLUPS: readonly Rollup[] = [
  bySale('sales_by_hour', 'hour'),
  bySale('sales_by_operator', 'operator'),
  {
    table: 'sales_by_product',
    keys: ['business_date', 'product', 'currency'],
    sums: ['lines', ...SUMS],
    rows: `SELECT s.business_date, l.product, s.currency, sum(sign(s.lines)) AS lines, sum(l.quantity_milli) AS units_milli, ${summed('l', SUMS.slice(1))}
      FROM ${LINES} WHERE s.branch_id = $1 GROUP BY 1, 2, 3`,
  },
  {
    table: 'sales_by_tender',
    keys: ['business_date', 'tender', 'currency'],
    sums: ['baskets', 'amount_minor'],
    rows: `SELECT business_date, tender, currency, count(DISTINCT id) FILTER (WHERE lines > 0) - count(DISTINCT id) FILTER (WHERE lines < 0) AS baskets, sum(minor) AS amount_minor FROM (${ENTRIES}) entry GROUP BY 1, 2, 3`,
  },
  {
    table: 'sales_by_modifier',
    keys: ['business_date', 'kind', 'informational', 'currency'],
    sums: ['lines', 'amount_minor'],
    rows: `SELECT s.business_date, m.kind, m.informational, s.currency, sum(sign(s.lines)) AS lines, sum(m.amount_minor) AS amount_minor
      FROM sale s JOIN sale_modifier m ON m.branch_id = s.branch_id AND m.sale_id = s.id WHERE s.branch_id = $1 GROUP BY 1, 2, 3, 4`,
  },
  {
    table: 'stock_balance',
    keys: ['product'],
    sums: ['quantity_milli'],
    // By the rule of `stock_movement`; a sum has room for what a movement, turned about, may have none for.
    rows: `SELECT l.product, -sum(l.quantity_milli) AS quantity_milli FROM ${LINES} WHERE s.branch_id = $1 GROUP BY 1`,
  },
];

/** Sums as text: of two that differ beyond 2^53 both would be the same number here. */
type Found = { key: Record<string, unknown>; rows: Record<string, string | null>; kept: Record<string, string | null> };

/** Every sum that reports read against the rows it is the sum of; only what differs leaves the database. */
export async function compareRollups(tx: Tx, branchId: string, differences: Differences): Promise<void> {
  for (const rollup of ROLLUPS) {
    const found = await tx.query<Found>(namesOf(rollup), [branchId]);
    for (const { key, rows, kept } of found) {
      const column = rollup.sums.find((sum) => rows[sum] !== kept[sum]) ?? rollup.sums[0];
      const told = `${column} is ${kept[`${column}`] ?? 'not there'}, its rows make ${rows[`${column}`] ?? 'none'}`;
      const date = key['business_date'];
      const detail = `${rollup.table} ${Object.values(key).join(' ')}: ${told}`;
      differences.add('rollup', detail, typeof date === 'string' ? date : undefined);
    }
    if (found.length === NAMED_MAX) await tellUnnamed(tx, branchId, rollup, differences);
  }
}

/** No date is called equal because its sums were not named. */
async function tellUnnamed(tx: Tx, branchId: string, rollup: Rollup, differences: Differences): Promise<void> {
  const { count, dates } = await tx.one<{ count: number; dates: string[] }>(extentOf(rollup), [branchId]);
  for (const date of dates) differences.dates.add(date);
  if (count > NAMED_MAX) differences.add('rollup', `${rollup.table}: ${count - NAMED_MAX} more rows differ`);
}

const namesOf = (rollup: Rollup): string => {
  const { keys, sums } = rollup;
  const object = (alias: string): string =>
    `json_build_object(${sums.map((sum) => `'${sum}', ${alias}.${sum}::text`).join(', ')})`;
  const key = `json_build_object(${keys.map((name) => `'${name}', ${name}`).join(', ')})`;
  const select = `${key} AS key, ${object('facts')} AS rows, ${object('kept')} AS kept`;
  return `${differing(rollup, select)} ORDER BY ${keys.join(', ')} LIMIT ${NAMED_MAX}`;
};

const extentOf = (rollup: Rollup): string => {
  const dates = rollup.keys.includes('business_date') ? 'array_agg(DISTINCT business_date::text)' : `'{}'::text[]`;
  return differing(rollup, `count(*) AS count, ${dates} AS dates`);
};

const differing = ({ table, keys, sums, rows }: Rollup, select: string): string => {
  const list = (alias: string): string => sums.map((sum) => `${alias}.${sum}`).join(', ');
  return `WITH facts AS (${rows}), kept AS (SELECT ${[...keys, ...sums].join(', ')} FROM ${table} WHERE branch_id = $1)
    SELECT ${select} FROM facts FULL JOIN kept USING (${keys.join(', ')})
    WHERE (${list('facts')}) IS DISTINCT FROM (${list('kept')})`;
};
