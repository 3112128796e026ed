import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DomainError } from './errors.js';
import { QUANTITY_MILLI_MAX, quantityDecimal, quantityMilli } from './quantity.js';

describe('quantityMilli', () => {
  it.each([
    [2, 2000],
    [0.456, 456],
    [1.005, 1005],
    [8776, 8_776_000],
    [8.776, 8776],
    [0.001, 1],
    [-0.29, -290],
    [1_000_000_000, QUANTITY_MILLI_MAX],
    [999_999_999.999, 999_999_999_999],
  ])('%d is %d thousandths', (decimal, milli) => {
    expect(quantityMilli(decimal)).toBe(milli);
  });

  it('reads every quantity of at most three decimals exactly, and writes it back', () => {
    fc.assert(
      fc.property(fc.integer({ min: -QUANTITY_MILLI_MAX, max: QUANTITY_MILLI_MAX }), (milli) => {
        const sign = milli < 0 ? '-' : '';
        const digits = String(Math.abs(milli)).padStart(4, '0');
        const written = Number(`${sign}${digits.slice(0, -3)}.${digits.slice(-3)}`);
        expect(quantityMilli(written)).toBe(milli);
        expect(quantityDecimal(milli)).toBe(written);
      }),
    );
  });

  it('keeps zero a plain zero', () => {
    expect(Object.is(quantityMilli(-0), 0)).toBe(true);
  });

  it.each([0.4567, 1.0001, 0.1 + 0.2, 1e-7, 1e-300])('refuses %d: more than three decimals', (decimal) => {
    expect(() => quantityMilli(decimal)).toThrow(expect.objectContaining({ code: 'quantity-decimals' }));
  });

  it.each([Number.NaN, Infinity, -Infinity, 1_000_000_000.001, -1e300])('refuses %d: out of range', (decimal) => {
    expect(() => quantityMilli(decimal)).toThrow(DomainError);
    expect(() => quantityMilli(decimal)).toThrow(expect.objectContaining({ code: 'quantity-range' }));
  });
});
