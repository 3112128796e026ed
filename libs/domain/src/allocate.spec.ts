import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { allocate } from './allocate.js';

const weights = fc.array(fc.oneof(fc.nat(), fc.nat({ max: 3 }), fc.maxSafeNat()), { minLength: 1, maxLength: 30 });
const someWeights = weights.filter((list) => list.some((weight) => weight > 0));

describe('allocate', () => {
  it.each<[string, number, number[], number[]]>([
    ['evenly', 9, [1, 1, 1], [3, 3, 3]],
    ['the odd cent to the earlier of equals', 10, [1, 1, 1], [4, 3, 3]],
    ['by largest remainder', 100, [3998, 500, 2747], [55, 7, 38]],
    ['a negative total as the mirror', -10, [1, 1, 1], [-4, -3, -3]],
    ['nothing to a weight of zero', 5, [0, 2, 0, 2], [0, 3, 0, 2]],
    ['a total of zero, even over nothing', 0, [0, 0], [0, 0]],
    ['nothing over nobody', 0, [], []],
    ['all to the only one', 7, [3], [7]],
  ])('spreads %s', (_what, total, over, shares) => {
    expect(allocate(total, over)).toEqual(shares);
  });

  it('adds up to the total exactly, each share the exact one rounded down or up', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), someWeights, (total, over) => {
        const shares = allocate(total, over);
        const weightSum = over.reduce((sum, weight) => sum + BigInt(weight), 0n);
        expect(shares.reduce((sum, share) => sum + BigInt(share), 0n)).toBe(BigInt(total));
        shares.forEach((share, place) => {
          const off = BigInt(share) * weightSum - BigInt(total) * BigInt(over[place] ?? 0);
          expect(off < weightSum && off > -weightSum).toBe(true);
        });
      }),
    );
  });

  it('mirrors for a negative total, without minus zeros', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), someWeights, (total, over) => {
        expect(allocate(-total, over)).toEqual(allocate(total, over).map((share) => 0 - share));
      }),
    );
  });

  it.each<[string, number, number[], string]>([
    ['to spread something over nothing', 1, [0, 0], 'allocation-weights'],
    ['to spread something over nobody', 1, [], 'allocation-weights'],
    ['a negative weight', 1, [2, -1], 'allocation-weights'],
    ['a negative weight even for zero', 0, [-1], 'allocation-weights'],
    ['a fraction', 1.5, [1], 'number-not-safe'],
    ['a fractional weight', 1, [0.5], 'number-not-safe'],
  ])('refuses %s', (_what, total, over, code) => {
    expect(() => allocate(total, over)).toThrow(expect.objectContaining({ code }));
  });
});
