import { sumMinor } from './money.js';
import { quantityDecimal } from './quantity.js';
import { CASH, type SaleTender } from './sale.js';

/** What one sale (or any sum of sales; then with `baskets`) adds to a business date. Amounts in minor units. */
export type SaleFigures = {
  businessDate: string;
  /** Absent: one sale. */
  baskets?: number;
  lines: number;
  unitsMilli: number;
  amountMinor: number;
  discountMinor: number;
  netMinor: number;
  taxMinor: number;
  totalMinor: number;
};

/** Sums of one business date, units in thousandths: as journaled with a Z. */
export type DayFigures = SaleFigures & { baskets: number };
/** Sums of one business date with the columns of the sales report; `units` is a decimal. */
export type DayReport = Omit<DayFigures, 'unitsMilli'> & { units: number };

/** A signed entry of the tender ledger: positive comes in, negative goes out. */
export type TenderEntry = { tenderType: string; currency: string; amountMinor: number };
export type ExpectedTender = { tenderType: string; currency: string; expectedMinor: number };
/** What was counted; without `currency` in the shift's own. */
export type DeclaredTender = { tenderType: string; amountMinor: number; currency?: string };
/** difference = declared − expected: positive is over, negative is short; null where nothing (usable) was declared. */
export type ClosedTender = ExpectedTender & { declaredMinor: number | null; differenceMinor: number | null };

export type ShiftToClose = {
  floatMinor: number;
  currency: string;
  entries: readonly TenderEntry[];
  declared: readonly DeclaredTender[];
};

/**
 * Σ per business date, ordered by date, units in thousandths. The one formula of X, Z, day seal and the hub's check of
 * them. Throws `number-not-safe`.
 */
export function sumDayFigures(figures: Iterable<SaleFigures>): DayFigures[] {
  const days = new Map<string, DayFigures>();
  for (const figure of figures) {
    const day = days.get(figure.businessDate) ?? emptyDay(figure.businessDate);
    days.set(figure.businessDate, {
      businessDate: figure.businessDate,
      baskets: sumMinor([day.baskets, figure.baskets ?? 1]),
      lines: sumMinor([day.lines, figure.lines]),
      unitsMilli: sumMinor([day.unitsMilli, figure.unitsMilli]),
      amountMinor: sumMinor([day.amountMinor, figure.amountMinor]),
      discountMinor: sumMinor([day.discountMinor, figure.discountMinor]),
      netMinor: sumMinor([day.netMinor, figure.netMinor]),
      taxMinor: sumMinor([day.taxMinor, figure.taxMinor]),
      totalMinor: sumMinor([day.totalMinor, figure.totalMinor]),
    });
  }
  return [...days.values()].sort((a, b) => compare(a.businessDate, b.businessDate));
}

/** `sumDayFigures` with the sales report's columns: `units` as a decimal. Throws `number-not-safe`. */
export function sumByBusinessDate(figures: Iterable<SaleFigures>): DayReport[] {
  return sumDayFigures(figures).map(({ unitsMilli, ...day }) => ({
    businessDate: day.businessDate,
    baskets: day.baskets,
    lines: day.lines,
    units: quantityDecimal(unitsMilli),
    amountMinor: day.amountMinor,
    discountMinor: day.discountMinor,
    netMinor: day.netMinor,
    taxMinor: day.taxMinor,
    totalMinor: day.totalMinor,
  }));
}

/**
 * The ledger entries of a sale: each tender comes in whole, change and cash back go out in cash. Entries of 0 are left
 * out but the tenders' own, so that a tender type that was used is always listed.
 */
export function tenderEntriesOfSale(
  currency: string,
  tenders: readonly SaleTender[],
  changeMinor: number,
): TenderEntry[] {
  const entries = tenders.map(({ type, amountMinor }) => ({ tenderType: type, currency, amountMinor }));
  const outMinor = [changeMinor, ...tenders.map((tender) => tender.cashBackMinor ?? 0)].filter((out) => out !== 0);
  return [...entries, ...outMinor.map((out) => ({ tenderType: CASH, currency, amountMinor: 0 - out }))];
}

/**
 * Σ signed entries per tender type and currency, ordered by both. Throws `number-not-safe`. Source: domain.md, expected
 * cash.
 */
export function expectedTenders(entries: Iterable<TenderEntry>): ExpectedTender[] {
  const sums = new Map<string, ExpectedTender>();
  for (const { tenderType, currency, amountMinor } of entries) {
    const key = JSON.stringify([tenderType, currency]);
    const expectedMinor = sumMinor([sums.get(key)?.expectedMinor ?? 0, amountMinor]);
    sums.set(key, { tenderType, currency, expectedMinor });
  }
  return [...sums.values()].sort((a, b) => compare(a.tenderType, b.tenderType) || compare(a.currency, b.currency));
}

/**
 * Expected against counted, per tender type and currency, ordered by both. The float counts into expected cash, so cash
 * is always listed; what was expected and not declared has null, not zero; what was declared and never expected is listed
 * with 0 expected; a type declared twice is added up. Whatever is declared, closing never fails: sums that are no exact
 * integers count as not declared.
 */
export function closeShift(shift: ShiftToClose): ClosedTender[] {
  const float = { tenderType: CASH, currency: shift.currency, amountMinor: shift.floatMinor };
  const declared = shift.declared.map((counted) => ({ ...counted, currency: counted.currency ?? shift.currency }));
  const seen = declared.map(({ tenderType, currency }) => ({ tenderType, currency, amountMinor: 0 }));
  return expectedTenders([float, ...shift.entries, ...seen]).map((tender) => {
    const counted = declared.filter(
      ({ tenderType, currency }) => tenderType === tender.tenderType && currency === tender.currency,
    );
    const sumMinorDeclared = counted.reduce((sum, { amountMinor }) => sum + amountMinor, 0);
    const differenceMinor = sumMinorDeclared - tender.expectedMinor;
    const usable =
      counted.length > 0 && Number.isSafeInteger(sumMinorDeclared) && Number.isSafeInteger(differenceMinor);
    return {
      ...tender,
      declaredMinor: usable ? sumMinorDeclared : null,
      differenceMinor: usable ? differenceMinor : null,
    };
  });
}

function emptyDay(businessDate: string): DayFigures {
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

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
