import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { lineAmountMinor, type Price } from './price.js';
import { QUANTITY_MILLI_MAX, quantityDecimal } from './quantity.js';

describe('lineAmountMinor', () => {
  it.each<[string, Price, number, number]>([
    ['two at 19.99', { minor: 1999, per: 1 }, 2000, 3998],
    ['3 for 10.00, three taken', { minor: 1000, per: 3 }, 3000, 1000],
    ['3 for 10.00, one taken', { minor: 1000, per: 3 }, 1000, 333],
    ['3 for 10.00, two taken', { minor: 1000, per: 3 }, 2000, 667],
    ['fuel at 2.599 a litre', { minor: 2599, per: 10 }, 8776, 2281],
    ['weighed goods', { minor: 8999, per: 1 }, 456, 4104],
    ['half of 3.33 goes up', { minor: 333, per: 1 }, 500, 167],
    ['half of 3.33 returned', { minor: 333, per: 1 }, -500, -167],
    ['a price per 100 g', { minor: 250, per: 0.1 }, 456, 1140],
    ['nothing to pay', { minor: 0, per: 1 }, 8_776_000, 0],
  ])('%s', (_what, price, quantityMilli, amountMinor) => {
    expect(lineAmountMinor(price, quantityMilli)).toBe(amountMinor);
  });

  it('gives back exactly the gross of a price per the very quantity sold, fractional or huge', () => {
    const quantities = fc.oneof(fc.integer({ min: 1, max: QUANTITY_MILLI_MAX }), fc.constantFrom(1, 456, 8_776_000));
    fc.assert(
      fc.property(fc.maxSafeInteger(), quantities, (gross, milli) => {
        expect(lineAmountMinor({ minor: gross, per: quantityDecimal(milli) }, milli)).toBe(gross);
      }),
    );
  });

  it.each([
    [0, 'price-per'],
    [-1, 'price-per'],
    [0.0001, 'quantity-decimals'],
    [Number.NaN, 'quantity-range'],
  ])('refuses a price per %d units', (per, code) => {
    expect(() => lineAmountMinor({ minor: 100, per }, 1000)).toThrow(expect.objectContaining({ code }));
  });

  it('refuses an amount that cannot be kept exactly', () => {
    const tooMuch = { minor: Number.MAX_SAFE_INTEGER, per: 1 };
    expect(() => lineAmountMinor(tooMuch, 2000)).toThrow(expect.objectContaining({ code: 'number-not-safe' }));
  });
});
