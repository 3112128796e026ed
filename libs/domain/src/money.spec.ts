import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DomainError } from './errors.js';
import { addMoney, assertSafe, currencyDigits, mulDiv, negateMoney, sumMinor } from './money.js';

const MAX = Number.MAX_SAFE_INTEGER;

describe('mulDiv', () => {
  it.each([
    [333, 1, 2, 167],
    [-333, 1, 2, -167],
    [333, -1, 2, -167],
    [333, 1, -2, -167],
    [-333, -1, 2, 167],
    [1, 1, 3, 0],
    [2, 1, 3, 1],
    [-1, 1, 3, 0],
    [0, 5, 7, 0],
    [9_000_000_000, 110_000, 1_110_000, 891_891_892],
    [MAX, MAX, MAX, MAX],
    [-MAX, MAX, MAX, -MAX],
  ])('%d × %d ÷ %d is %d', (a, b, c, expected) => {
    expect(mulDiv(a, b, c)).toBe(expected);
  });

  it('is never further than half a divisor from the exact quotient, and at exactly half goes away from zero', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.integer(), fc.integer({ min: 1 }), (a, b, c) => {
        const exact = BigInt(a) * BigInt(b);
        fc.pre(abs(exact / BigInt(c)) < BigInt(MAX));
        const twiceOff = 2n * (BigInt(mulDiv(a, b, c)) * BigInt(c) - exact);
        expect(abs(twiceOff) <= BigInt(c)).toBe(true);
        if (abs(twiceOff) === BigInt(c)) expect(twiceOff > 0n).toBe(exact > 0n);
      }),
    );
  });

  it('mirrors: a return is exactly minus its sale', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), fc.integer({ min: 1 }), (a, b, c) => {
        fc.pre(abs((BigInt(a) * BigInt(b)) / BigInt(c)) < BigInt(MAX));
        expect(mulDiv(-a, b, c)).toBe(0 - mulDiv(a, b, c));
      }),
    );
  });

  it.each([
    ['a fraction', () => mulDiv(1.5, 1, 1), 'number-not-safe'],
    ['an unsafe factor', () => mulDiv(1, 2 ** 53, 1), 'number-not-safe'],
    ['an unsafe result', () => mulDiv(MAX, 2, 1), 'number-not-safe'],
    ['a result that only rounding makes unsafe', () => mulDiv(2 ** 27 - 1, 2 ** 27 + 1, 2), 'number-not-safe'],
    ['a divisor of zero', () => mulDiv(1, 1, 0), 'division-by-zero'],
  ])('refuses %s', (_what, act, code) => {
    expect(codeOf(act)).toBe(code);
  });
});

describe('money', () => {
  it('adds amounts of one currency', () => {
    expect(addMoney({ minor: 1999, currency: 'ZAR' }, { minor: -500, currency: 'ZAR' })).toEqual({
      minor: 1499,
      currency: 'ZAR',
    });
  });

  it('refuses to mix currencies', () => {
    expect(codeOf(() => addMoney({ minor: 1, currency: 'ZAR' }, { minor: 1, currency: 'EUR' }))).toBe('currency-mixed');
  });

  it('negates, and keeps zero a plain zero', () => {
    expect(negateMoney({ minor: 7, currency: 'ZAR' }).minor).toBe(-7);
    expect(Object.is(negateMoney({ minor: 0, currency: 'ZAR' }).minor, 0)).toBe(true);
  });

  it.each([Number.NaN, Infinity, 0.5, 2 ** 53, -(2 ** 53)])('does not take %d for an amount', (value) => {
    expect(codeOf(() => assertSafe(value))).toBe('number-not-safe');
  });

  it('sums, and refuses a sum that a double cannot hold', () => {
    expect(sumMinor([])).toBe(0);
    expect(sumMinor([1, -3, 5])).toBe(3);
    expect(codeOf(() => sumMinor([MAX, 1]))).toBe('number-not-safe');
  });

  it.each([
    ['ZAR', 2],
    ['USD', 2],
    ['JPY', 0],
    ['UGX', 0],
    ['KWD', 3],
    ['OMR', 3],
    ['CLF', 4],
    // CLDR, and with it Intl, says 0 for these; ISO 4217 does not.
    ['RSD', 2],
    ['IDR', 2],
    ['IQD', 3],
  ])('%s has %d minor digits', (code, digits) => {
    expect(currencyDigits(code)).toBe(digits);
  });

  it.each(['', 'zar', 'ZA', 'ZARR', 'ZA1'])('does not take "%s" for a currency', (code) => {
    expect(codeOf(() => currencyDigits(code))).toBe('currency-code');
  });
});

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof DomainError) return error.code;
    throw error;
  }
  return 'nothing thrown';
}
