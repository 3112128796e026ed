import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sumMinor } from './money.js';
import { type AmountToTax, inclusiveTax, taxCart, type TaxComponent, type TaxedAmount } from './tax.js';

const VAT15: TaxComponent = { code: 'VAT15', ratePpm: 150_000 };
const GST: TaxComponent = { code: 'GST', ratePpm: 50_000 };
const QST: TaxComponent = { code: 'QST', ratePpm: 99_750 };
const ZERO: TaxComponent = { code: 'ZERO', ratePpm: 0 };

const components = fc.constantFrom([], [VAT15], [GST, QST], [ZERO], [VAT15, ZERO, GST]);
const amount = fc.integer({ min: 0, max: 10_000_000_000 });
const cart = fc.array(fc.record({ discountedMinor: fc.oneof(amount, fc.nat({ max: 9 })), components }), {
  maxLength: 25,
});

describe('inclusiveTax', () => {
  it.each<[number, TaxComponent[], number, number, number[]]>([
    [3998, [VAT15], 3477, 521, [521]],
    [-3998, [VAT15], -3477, -521, [-521]],
    [115, [VAT15], 100, 15, [15]],
    [3998, [], 3998, 0, []],
    [3998, [ZERO], 3998, 0, [0]],
    [11_498, [GST, QST], 10_000, 1498, [500, 998]],
    [1, [VAT15], 1, 0, [0]],
    [0, [VAT15], 0, 0, [0]],
    // 3 × 0.2 ÷ 1.2 is half a cent: away from zero, both ways.
    [3, [{ code: 'VAT20', ratePpm: 200_000 }], 2, 1, [1]],
    [-3, [{ code: 'VAT20', ratePpm: 200_000 }], -2, -1, [-1]],
    // Amount × ppm passes 2^53 here; 10^13 ÷ 1.11 = 9009009009009.009.
    [10_000_000_000_000, [{ code: 'PPN', ratePpm: 110_000 }], 9_009_009_009_009, 990_990_990_991, [990_990_990_991]],
  ])('%d with %j', (discountedMinor, taxes, netMinor, taxMinor, amounts) => {
    const taxed = inclusiveTax(discountedMinor, taxes);
    expect(taxed).toEqual({
      netMinor,
      taxMinor,
      taxes: taxes.map((component, place) => ({ ...component, amountMinor: amounts[place] })),
    });
  });

  it('adds up: net + tax is the amount, the components are the tax, and a return mirrors', () => {
    fc.assert(
      fc.property(amount, components, (discountedMinor, taxes) => {
        const taxed = inclusiveTax(discountedMinor, taxes);
        expect(taxed.netMinor + taxed.taxMinor).toBe(discountedMinor);
        expect(sumMinor(taxed.taxes.map((tax) => tax.amountMinor))).toBe(taxed.taxMinor);
        expect(inclusiveTax(0 - discountedMinor, taxes)).toEqual(mirrored(taxed));
      }),
    );
  });

  it('refuses a negative rate and one tax twice', () => {
    expect(() => inclusiveTax(1, [{ code: 'A', ratePpm: -1 }])).toThrow(expect.objectContaining({ code: 'tax-rate' }));
    expect(() => inclusiveTax(1, [GST, GST])).toThrow(expect.objectContaining({ code: 'tax-doubled' }));
  });
});

describe('taxCart', () => {
  const threeSmall: AmountToTax[] = [3, 3, 3].map((discountedMinor) => ({ discountedMinor, components: [VAT15] }));

  it('rounds each line by line, and the receipt as one by receipt', () => {
    // 3 × 0.15 ÷ 1.15 = 0.39 a line, 1.17 together.
    expect(taxCart(threeSmall, 'line').map((line) => line.taxMinor)).toEqual([0, 0, 0]);
    expect(taxCart(threeSmall, 'receipt').map((line) => line.taxMinor)).toEqual([1, 0, 0]);
  });

  it('by line is inclusiveTax of every line', () => {
    fc.assert(
      fc.property(cart, (lines) => {
        expect(taxCart(lines, 'line')).toEqual(
          lines.map((line) => inclusiveTax(line.discountedMinor, line.components)),
        );
      }),
    );
  });

  it('by receipt: lines of the same components together have exactly the tax of their sum, per component', () => {
    fc.assert(
      fc.property(cart, (lines) => {
        const taxed = taxCart(lines, 'receipt');
        for (const same of new Set(lines.map((line) => line.components))) {
          const mine = taxed.filter((_, place) => lines[place]?.components === same);
          const sum = sumMinor(lines.filter((line) => line.components === same).map((line) => line.discountedMinor));
          const together = inclusiveTax(sum, same);
          expect(sumMinor(mine.map((line) => line.taxMinor))).toBe(together.taxMinor);
          same.forEach((_, place) => {
            const ofComponent = sumMinor(mine.map((line) => line.taxes[place]?.amountMinor ?? Number.NaN));
            expect(ofComponent).toBe(together.taxes[place]?.amountMinor);
          });
        }
      }),
    );
  });

  it('by either: every line adds up, and no line has a tax below zero or above its amount', () => {
    fc.assert(
      fc.property(cart, fc.constantFrom('line' as const, 'receipt' as const), (lines, rounding) => {
        taxCart(lines, rounding).forEach((line, place) => {
          expect(line.netMinor + line.taxMinor).toBe(lines[place]?.discountedMinor);
          expect(sumMinor(line.taxes.map((tax) => tax.amountMinor))).toBe(line.taxMinor);
          for (const part of [line.netMinor, ...line.taxes.map((tax) => tax.amountMinor)]) {
            expect(part).toBeGreaterThanOrEqual(0);
          }
        });
      }),
    );
  });

  it('keeps a small line of several high taxes from paying more tax than it costs', () => {
    const high = [
      { code: 'A', ratePpm: 400_000 },
      { code: 'B', ratePpm: 400_000 },
    ];
    const lines = Array.from({ length: 10 }, () => ({ discountedMinor: 1, components: high }));
    const taxed = taxCart(lines, 'receipt');
    expect(sumMinor(taxed.map((line) => line.taxMinor))).toBe(4);
    expect(Math.min(...taxed.map((line) => line.netMinor))).toBe(0);
  });

  it('mirrors a whole cart by receipt, and taxes what is returned apart from what is sold', () => {
    fc.assert(
      fc.property(cart, (lines) => {
        const returned = lines.map((line) => ({ ...line, discountedMinor: 0 - line.discountedMinor }));
        expect(taxCart(returned, 'receipt')).toEqual(taxCart(lines, 'receipt').map(mirrored));
      }),
    );
    const exchange = [...threeSmall, { discountedMinor: -9, components: [VAT15] }];
    expect(taxCart(exchange, 'receipt').map((line) => line.taxMinor)).toEqual([1, 0, 0, -1]);
  });
});

function mirrored(taxed: TaxedAmount): TaxedAmount {
  return {
    netMinor: 0 - taxed.netMinor,
    taxMinor: 0 - taxed.taxMinor,
    taxes: taxed.taxes.map((tax) => ({ ...tax, amountMinor: 0 - tax.amountMinor })),
  };
}
