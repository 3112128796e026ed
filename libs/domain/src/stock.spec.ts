import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { movementsOfSale, onHand } from './stock.js';

describe('stock', () => {
  it('takes the quantity of each line out of stock', () => {
    const lines = [
      { product: 'MILK-1L', quantityMilli: 2000 },
      { product: 'CHEESE', quantityMilli: 456 },
      { product: 'MILK-1L', quantityMilli: 1000 },
    ];
    expect(movementsOfSale(lines)).toEqual([
      { product: 'MILK-1L', quantityMilli: -2000, reason: 'sale' },
      { product: 'CHEESE', quantityMilli: -456, reason: 'sale' },
      { product: 'MILK-1L', quantityMilli: -1000, reason: 'sale' },
    ]);
  });

  it('sums movements per product, below zero too', () => {
    const movements = [
      { product: 'MILK-1L', quantityMilli: 1000, reason: 'receipt' },
      { product: 'MILK-1L', quantityMilli: -3000, reason: 'sale' },
      { product: '__proto__', quantityMilli: 5, reason: 'count' },
    ];
    expect([...onHand(movements)]).toEqual([
      ['MILK-1L', -2000],
      ['__proto__', 5],
    ]);
  });

  it('is conserved: what is received and sold again leaves nothing, in any order', () => {
    const line = fc.record({
      product: fc.constantFrom('A', 'B', 'C'),
      quantityMilli: fc.integer({ min: 1, max: 1e9 }),
    });
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const received = lines.map((each) => ({ ...each, reason: 'receipt' }));
        const sums = onHand([...movementsOfSale(lines), ...received.toReversed()]);
        expect([...sums.values()].every((sum) => sum === 0)).toBe(true);
        expect(sums.size).toBe(new Set(lines.map((each) => each.product)).size);
      }),
    );
  });

  it('refuses a quantity that is no integer', () => {
    expect(() => movementsOfSale([{ product: 'A', quantityMilli: 0.5 }])).toThrow(
      expect.objectContaining({ code: 'number-not-safe' }),
    );
  });
});
