import type { DayFigures, SaleFigures } from '@branchline/domain/z-report.js';
import type { Tx } from '../database/unit-of-work.js';
import type { Verification } from './answer.js';
import type { Differences } from './differences.js';

const COLUMNS = {
  baskets: 'baskets',
  lines: 'lines',
  units_milli: 'unitsMilli',
  amount_minor: 'amountMinor',
  discount_minor: 'discountMinor',
  net_minor: 'netMinor',
  tax_minor: 'taxMinor',
  total_minor: 'totalMinor',
} as const satisfies Record<string, keyof DayFigures>;
type Column = keyof typeof COLUMNS;

/** Not as numbers: a thousand sales, each within its bounds, can sum to more than a double keeps exactly. */
export type DaySums = Record<Column, bigint>;

/** One sale more. */
export function addToDay(days: Map<string, DaySums>, sale: SaleFigures): void {
  const day = days.get(sale.businessDate);
  const sums = Object.entries(COLUMNS).map(([column, name]) => {
    const sum = day?.[column as Column] ?? 0n;
    return [column, sum + BigInt(sale[name] ?? 1)] as const;
  });
  days.set(sale.businessDate, Object.fromEntries(sums) as DaySums);
}

/** Who else keeps money, quantity and baskets of a date, and which of them. */
const KEPT: Readonly<Record<string, { columns: readonly Column[]; baskets: string }>> = {
  sale: { columns: Object.keys(COLUMNS) as Column[], baskets: 'sum(sign(lines))' },
  sales_by_hour: { columns: Object.keys(COLUMNS) as Column[], baskets: 'sum(baskets)' },
  sales_by_operator: { columns: Object.keys(COLUMNS) as Column[], baskets: 'sum(baskets)' },
  sales_by_product: { columns: (Object.keys(COLUMNS) as Column[]).filter((name) => name !== 'baskets'), baskets: '' },
};

type KeptDay = { businessDate: string } & Record<Column, string>;

/**
 * The sums of each business date as the archive has them against those of the rows and of the rollups. As text: what was
 * tampered with may be beyond any number that can be kept exactly.
 *
 * @returns every date that any of them knows; unequal where they disagree, or where a row was found to differ
 */
export async function compareDays(
  tx: Tx,
  branchId: string,
  archive: ReadonlyMap<string, DaySums>,
  differences: Differences,
): Promise<Verification['days']> {
  const dates = new Set(archive.keys());
  for (const [table, { columns, baskets }] of Object.entries(KEPT)) {
    const sums = columns.map((name) => `(${name === 'baskets' ? baskets : `sum(${name})`})::text AS ${name}`);
    const kept = await tx.query<KeptDay>(
      `SELECT business_date::text AS "businessDate", ${sums.join(', ')} FROM ${table} WHERE branch_id = $1 GROUP BY 1`,
      [branchId],
    );
    const byDate = new Map(kept.map((day) => [day.businessDate, day]));
    for (const date of byDate.keys()) dates.add(date);
    for (const date of new Set([...archive.keys(), ...byDate.keys()])) {
      const told = differenceOf(columns, archive.get(date), byDate.get(date));
      if (told !== null) differences.add('day-sums', `${date}: ${table} ${told}`, date);
    }
  }
  return [...dates].sort().map((businessDate) => ({ businessDate, equal: !differences.dates.has(businessDate) }));
}

function differenceOf(
  columns: readonly Column[],
  archive: DaySums | undefined,
  kept: KeptDay | undefined,
): string | null {
  for (const name of columns) {
    const said = String(archive?.[name] ?? 0n);
    const is = kept?.[name] ?? '0';
    if (said !== is) return `has ${name} ${is}, the archive ${said}`;
  }
  return null;
}
