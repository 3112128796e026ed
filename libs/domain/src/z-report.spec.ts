import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sumMinor } from './money.js';
import {
  closeShift,
  expectedTenders,
  type SaleFigures,
  sumByBusinessDate,
  sumDayFigures,
  tenderEntriesOfSale,
} from './z-report.js';

const COUNTS = ['lines', 'unitsMilli', 'amountMinor', 'discountMinor', 'netMinor', 'taxMinor', 'totalMinor'] as const;
const cents = fc.integer({ min: -1_000_000, max: 1_000_000 });
const anyFigures: fc.Arbitrary<SaleFigures> = fc.record({
  businessDate: fc.constantFrom('2026-11-19', '2026-11-20', '2026-11-21'),
  lines: fc.nat({ max: 20 }),
  unitsMilli: cents,
  amountMinor: cents,
  discountMinor: cents,
  netMinor: cents,
  taxMinor: cents,
  totalMinor: cents,
});

function figures(over: Partial<SaleFigures>): SaleFigures {
  return {
    businessDate: '2026-11-20',
    lines: 1,
    unitsMilli: 1000,
    amountMinor: 1000,
    discountMinor: 100,
    netMinor: 783,
    taxMinor: 117,
    totalMinor: 900,
    ...over,
  };
}

describe('sumByBusinessDate', () => {
  it('sums sales per date, in order of date, with the columns of the sales report', () => {
    const late = figures({ businessDate: '2026-11-21', unitsMilli: 456 });
    expect(sumByBusinessDate([late, figures({}), figures({ lines: 3, unitsMilli: 1456 })])).toEqual([
      {
        businessDate: '2026-11-20',
        baskets: 2,
        lines: 4,
        units: 2.456,
        amountMinor: 2000,
        discountMinor: 200,
        netMinor: 1566,
        taxMinor: 234,
        totalMinor: 1800,
      },
      {
        businessDate: '2026-11-21',
        baskets: 1,
        lines: 1,
        units: 0.456,
        amountMinor: 1000,
        discountMinor: 100,
        netMinor: 783,
        taxMinor: 117,
        totalMinor: 900,
      },
    ]);
  });

  it('of nothing is nothing', () => {
    expect(sumByBusinessDate([])).toEqual([]);
  });

  it('loses and doubles nothing, and a sum of sums is the sum: Z, day seal and hub agree however they group', () => {
    fc.assert(
      fc.property(fc.array(anyFigures), fc.nat(), (sales, cut) => {
        const days = sumDayFigures(sales);
        expect(sumMinor(days.map((day) => day.baskets))).toBe(sales.length);
        for (const column of COUNTS) {
          expect(sumMinor(days.map((day) => day[column]))).toBe(sumMinor(sales.map((sale) => sale[column])));
        }
        const place = sales.length === 0 ? 0 : cut % sales.length;
        const shifts = [...sumDayFigures(sales.slice(place)), ...sumDayFigures(sales.slice(0, place))];
        expect(sumDayFigures(shifts)).toEqual(days);
      }),
    );
  });
});

describe('tender ledger', () => {
  it('takes tenders in whole, and change and cash back out in cash', () => {
    const tenders = [
      { tenderNo: 1, type: 'cash', amountMinor: 5000 },
      { tenderNo: 2, type: 'card', amountMinor: 2345, cashBackMinor: 200 },
    ];
    expect(tenderEntriesOfSale('ZAR', tenders, 100)).toEqual([
      { tenderType: 'cash', currency: 'ZAR', amountMinor: 5000 },
      { tenderType: 'card', currency: 'ZAR', amountMinor: 2345 },
      { tenderType: 'cash', currency: 'ZAR', amountMinor: -100 },
      { tenderType: 'cash', currency: 'ZAR', amountMinor: -200 },
    ]);
  });

  it('lists a tender type that was used, even with 0', () => {
    expect(tenderEntriesOfSale('ZAR', [{ tenderNo: 1, type: 'card', amountMinor: 0 }], 0)).toEqual([
      { tenderType: 'card', currency: 'ZAR', amountMinor: 0 },
    ]);
  });

  it('sums per type and currency, never across, whatever the order', () => {
    const entries = [
      { tenderType: 'cash', currency: 'ZAR', amountMinor: 5000 },
      { tenderType: 'cash', currency: 'USD', amountMinor: 7 },
      { tenderType: 'card', currency: 'ZAR', amountMinor: 2345 },
      { tenderType: 'cash', currency: 'ZAR', amountMinor: -100 },
    ];
    const expected = [
      { tenderType: 'card', currency: 'ZAR', expectedMinor: 2345 },
      { tenderType: 'cash', currency: 'USD', expectedMinor: 7 },
      { tenderType: 'cash', currency: 'ZAR', expectedMinor: 4900 },
    ];
    expect(expectedTenders(entries)).toEqual(expected);
    expect(expectedTenders(entries.toReversed())).toEqual(expected);
  });
});

describe('closeShift', () => {
  const entries = [
    { tenderType: 'cash', currency: 'ZAR', amountMinor: 5000 },
    { tenderType: 'cash', currency: 'ZAR', amountMinor: -100 },
    { tenderType: 'card', currency: 'ZAR', amountMinor: 2345 },
  ];
  const shift = { floatMinor: 1000, currency: 'ZAR', entries };

  it('counts the float into expected cash and says what is over and short', () => {
    const declared = [
      { tenderType: 'cash', amountMinor: 5880 },
      { tenderType: 'card', amountMinor: 2400 },
    ];
    expect(closeShift({ ...shift, declared })).toEqual([
      { tenderType: 'card', currency: 'ZAR', expectedMinor: 2345, declaredMinor: 2400, differenceMinor: 55 },
      { tenderType: 'cash', currency: 'ZAR', expectedMinor: 5900, declaredMinor: 5880, differenceMinor: -20 },
    ]);
  });

  it('lists what was not declared as null, not as zero', () => {
    const [card, cash] = closeShift({ ...shift, declared: [{ tenderType: 'cash', amountMinor: 0 }] });
    expect(card).toMatchObject({ tenderType: 'card', declaredMinor: null, differenceMinor: null });
    expect(cash).toMatchObject({ tenderType: 'cash', declaredMinor: 0, differenceMinor: -5900 });
  });

  it('closes an empty shift with its float', () => {
    expect(closeShift({ ...shift, entries: [], declared: [] })).toEqual([
      { tenderType: 'cash', currency: 'ZAR', expectedMinor: 1000, declaredMinor: null, differenceMinor: null },
    ]);
  });

  it('lists what was declared and never expected, and adds up what was declared in parts', () => {
    const declared = [
      { tenderType: 'voucher', amountMinor: 50 },
      { tenderType: 'voucher', amountMinor: 25 },
      { tenderType: 'cash', amountMinor: 3, currency: 'USD' },
    ];
    expect(closeShift({ ...shift, entries: [], declared })).toEqual([
      { tenderType: 'cash', currency: 'USD', expectedMinor: 0, declaredMinor: 3, differenceMinor: 3 },
      { tenderType: 'cash', currency: 'ZAR', expectedMinor: 1000, declaredMinor: null, differenceMinor: null },
      { tenderType: 'voucher', currency: 'ZAR', expectedMinor: 0, declaredMinor: 75, differenceMinor: 75 },
    ]);
  });

  it('never fails, whatever is declared', () => {
    const declaredMinor = fc.oneof(fc.double(), fc.maxSafeInteger());
    const declared = fc.array(
      fc.record({ tenderType: fc.constantFrom('cash', 'card', 'x', '__proto__'), amountMinor: declaredMinor }),
    );
    fc.assert(
      fc.property(declared, (counted) => {
        const rows = closeShift({ ...shift, declared: counted });
        expect(rows.find((row) => row.tenderType === 'cash')?.expectedMinor).toBe(5900);
        for (const row of rows) {
          if (row.declaredMinor === null) expect(row.differenceMinor).toBeNull();
          else expect(row.differenceMinor).toBe(row.declaredMinor - row.expectedMinor);
        }
      }),
    );
  });
});
