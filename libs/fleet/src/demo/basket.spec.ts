import { describe, expect, it } from '@jest/globals';
import { lineAmountMinor } from '@branchline/domain/price.js';
import { quantityMilli } from '@branchline/domain/quantity.js';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import {
  appetiteFor,
  BASKET_LINES_MAX,
  basketSize,
  demoSale,
  demoSaleSchema,
  quantityOf,
  type ShelfItem,
} from './basket.js';
import { demoCatalogueCsv } from './demo-chain.js';

const shelf: ShelfItem[] = parse<Record<string, string>>(demoCatalogueCsv(), { columns: true })
  .filter(({ priceZone }) => priceZone === 'EAST')
  .map(({ product = '', department = '', fractional, priceMinor }) => ({
    product,
    department,
    fractional: fractional === 'yes',
    price: { minor: Number(priceMinor), per: 1 },
  }));
const chances = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));

/** The same numbers at each run. */
function drawing(): () => number {
  let state = 42;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

describe('the size of a basket', () => {
  it.each([
    [0, 1],
    [0.15, 1],
    [0.2, 2],
    [0.5, 4],
    [0.9, 13],
    [0.99, 22],
    [1 - Number.EPSILON, 25],
  ])('%d: %d lines', (chance, lines) => {
    expect(basketSize(chance)).toBe(lines);
  });

  it('grows rarer line by line, to the longest', () => {
    const counts = Array.from({ length: BASKET_LINES_MAX }, () => 0);
    const draws = 100_000;
    for (let n = 0; n < draws; n += 1) counts[basketSize(n / draws) - 1]! += 1;
    for (let size = 1; size < BASKET_LINES_MAX; size += 1) expect(counts[size]!).toBeLessThan(counts[size - 1]!);
    expect(counts.at(-1)).toBeGreaterThan(0);
  });
});

describe('how much is taken', () => {
  const weighed = (minor: number) => ({ fractional: true, price: { minor, per: 1 } });
  const pieces = { fractional: false, price: { minor: 310, per: 1 } };
  it.each([
    ['one, mostly', pieces, 0.79, 1],
    ['two of them', pieces, 0.8, 2],
    ['at most four', pieces, 0.9999, 4],
    ['the least of bananas', weighed(390), 0, 0.641],
    ['bananas for a family', weighed(390), 0.5, 1.603],
    ['no more than can be carried', weighed(250), 0.999, 2.5],
    ['a little ham', weighed(1_990), 0, 0.126],
  ])('%s', (_what, item, chance, expected) => {
    expect(quantityOf(item, chance)).toBe(expected);
  });
});

describe('a customer', () => {
  it('takes each thing once, and always pays enough: by card exactly, in cash with notes', () => {
    fc.assert(
      fc.property(chances, (stream) => {
        const sale = demoSale('id', shelf, () => stream.next().value);
        const total = sale.lines.reduce((sum, { product, quantity }) => {
          const price = shelf.find((known) => known.product === product)?.price;
          return sum + (price ? lineAmountMinor(price, quantityMilli(quantity)) : Number.NaN);
        }, 0);
        const [tender] = sale.tenders;
        expect(sale.expectedTotalMinor).toBe(total);
        expect(new Set(sale.lines.map(({ product }) => product)).size).toBe(sale.lines.length);
        expect(sale.lines.length).toBeGreaterThan(0);
        expect(tender?.type === 'card' ? tender.amountMinor === total : (tender?.amountMinor ?? 0) >= total).toBe(true);
        expect(demoSaleSchema.parse(JSON.parse(JSON.stringify(sale)))).toEqual(sale);
      }),
    );
  });

  it('buys milk and bananas far more often than what nobody needs each week', () => {
    const chance = drawing();
    const taken = new Map<string, number>();
    for (let n = 0; n < 2_000; n += 1)
      for (const { product } of demoSale('id', shelf, chance).lines) taken.set(product, (taken.get(product) ?? 0) + 1);
    const average = [...taken.values()].reduce((sum, count) => sum + count, 0) / shelf.length;
    expect(taken.get('MILK-2L')).toBeGreaterThan(5 * average);
    expect(taken.get('BANANA-KG')).toBeGreaterThan(5 * average);
    expect(taken.get('LIGHT-BULB') ?? 0).toBeLessThan(average);
    // Whatever is on a shelf is bought by somebody some day.
    expect(shelf.every((item) => appetiteFor(item) > 0)).toBe(true);
  });

  it('pays by card mostly, and small sums more often in cash', () => {
    const chance = drawing();
    const sales = Array.from({ length: 3_000 }, () => demoSale('id', shelf, chance));
    const cashShare = (part: typeof sales): number =>
      part.filter(({ tenders }) => tenders[0]?.type === 'cash').length / part.length;
    const isSmall = ({ expectedTotalMinor }: (typeof sales)[number]): boolean => expectedTotalMinor < 2_000;
    expect(cashShare(sales.filter(isSmall))).toBeCloseTo(0.35, 1);
    expect(cashShare(sales.filter((sale) => !isSmall(sale)))).toBeCloseTo(0.12, 1);
  });
});
