import { sumDayFigures, type DayFigures, type SaleFigures, type TenderEntry } from '@branchline/domain/z-report.js';
import { quantityDecimal } from '@branchline/domain/quantity.js';
import type { ReadTx } from '../store/tx.js';

const SUMS = `
  sum(sign(lines)) AS baskets, sum(lines) AS lines, sum(units_milli) AS unitsMilli, sum(amount_minor) AS amountMinor,
  sum(discount_minor) AS discountMinor, sum(net_minor) AS netMinor, sum(tax_minor) AS taxMinor,
  sum(total_minor) AS totalMinor`;

/** Sums of a shift per business date. The arithmetic, and its bounds, are the domain's; SQLite only adds integers up. */
export function figuresOfShift(tx: ReadTx, shiftNo: number): DayFigures[] {
  return sumDayFigures(
    tx.all<SaleFigures>(
      `SELECT business_date AS businessDate, ${SUMS} FROM sale WHERE shift_no = ? GROUP BY business_date`,
      shiftNo,
    ),
  );
}

/** Sums of a business date over all tills; zeros where nothing was sold. */
export function figuresOfDate(tx: ReadTx, businessDate: string): DayFigures {
  const [figures] = sumDayFigures(
    tx.all<SaleFigures>(
      `SELECT business_date AS businessDate, ${SUMS} FROM sale WHERE business_date = ? GROUP BY business_date`,
      businessDate,
    ),
  );
  return figures ?? emptyFigures(businessDate);
}

/** The tender ledger of a shift, summed per type: what `closeShift` takes. */
export function entriesOfShift(tx: ReadTx, shiftNo: number): TenderEntry[] {
  return tx.all<TenderEntry>(
    `SELECT tender_type AS tenderType, currency, sum(amount_minor) AS amountMinor FROM tender_entry
     WHERE shift_no = ? GROUP BY tender_type, currency`,
    shiftNo,
  );
}

/** How many sales of a shift bear each flag, by flag. */
export function flagsOfShift(tx: ReadTx, shiftNo: number): [flag: string, sales: number][] {
  const counts = new Map<string, number>();
  for (const { flags, sales } of tx.all<{ flags: string; sales: number }>(
    'SELECT flags, count(*) AS sales FROM sale WHERE shift_no = ? AND flags IS NOT NULL GROUP BY flags',
    shiftNo,
  )) {
    for (const flag of flags.split(' ')) counts.set(flag, (counts.get(flag) ?? 0) + sales);
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Number of the till's last Z and its grand total. */
export function totalOfTill(tx: ReadTx, till: string): { lastZ: number; grandTotalMinor: number } {
  const row = tx.get<{ lastZ: number; grandTotalMinor: number }>(
    'SELECT last_z AS lastZ, grand_total_minor AS grandTotalMinor FROM till_total WHERE till = ?',
    till,
  );
  return row ?? { lastZ: 0, grandTotalMinor: 0 };
}

/** Sums with the columns of the sales report, as the API shows them. */
export function figuresAnswer({ unitsMilli, ...figures }: Omit<DayFigures, 'businessDate'>) {
  return {
    baskets: figures.baskets,
    lines: figures.lines,
    units: quantityDecimal(unitsMilli),
    amountMinor: figures.amountMinor,
    discountMinor: figures.discountMinor,
    netMinor: figures.netMinor,
    taxMinor: figures.taxMinor,
    totalMinor: figures.totalMinor,
  };
}

/** Σ over all dates of a shift. */
export function totalsOf(byBusinessDate: readonly DayFigures[]): Omit<DayFigures, 'businessDate'> {
  const [total] = sumDayFigures(byBusinessDate.map((figures) => ({ ...figures, businessDate: 'all' })));
  return total ?? emptyFigures('all');
}

function emptyFigures(businessDate: string): DayFigures {
  return {
    businessDate,
    baskets: 0,
    lines: 0,
    unitsMilli: 0,
    amountMinor: 0,
    discountMinor: 0,
    netMinor: 0,
    taxMinor: 0,
    totalMinor: 0,
  };
}
