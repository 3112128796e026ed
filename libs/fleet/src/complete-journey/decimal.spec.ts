import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hasMoreDecimalsThan, parseDecimal, roundHalfUp, wholeNumberText } from './decimal.js';

describe('a decimal number', () => {
  it.each([
    ['1.005', 101],
    ['1.0049999', 100],
    ['2.675', 268],
    ['0.005', 1],
    ['0.004999999999999999999', 0],
    ['4.440892e-16', 0],
    ['5e-3', 1],
    ['1e3', 100_000],
    ['1.5E+2', 15_000],
    ['.5', 50],
    ['7.', 700],
    ['-0', 0],
    ['000.10', 10],
    ['9999999999.995', 1_000_000_000_000],
    ['1e-999999', 0],
  ])('%s is %d cents, rounded half up', (text, cents) => {
    const decimal = parseDecimal(text);
    expect(decimal?.negative).toBe(false);
    expect(decimal && roundHalfUp(decimal, 2)).toBe(cents);
  });

  it.each(['', '.', 'NA', 'abc', '1,5', '0x10', 'Infinity', 'NaN', '1 2', '1e', '--1', '1e9999999', '1'.repeat(65)])(
    '%s is none',
    (text) => expect(parseDecimal(text)).toBeNull(),
  );

  it('is negative only below zero', () => {
    expect(parseDecimal('-0.001')?.negative).toBe(true);
    expect(parseDecimal('-0.00')?.negative).toBe(false);
  });

  it('is too large rather than inexact', () => {
    for (const text of ['1e300', '12345678901234.56', '1e999999']) {
      const decimal = parseDecimal(text);
      expect(decimal && roundHalfUp(decimal, 2)).toBeNull();
    }
  });

  it('rounds as whole numbers do', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999_999_999 }), fc.integer({ min: 0, max: 6 }), (digits, scale) => {
        const text = scale === 0 ? String(digits) : `${digits}e-${scale}`;
        const expected = Number((BigInt(digits) * 100n * 2n + 10n ** BigInt(scale)) / (2n * 10n ** BigInt(scale)));
        const decimal = parseDecimal(text);
        expect(decimal && roundHalfUp(decimal, 2)).toBe(expected);
      }),
    );
  });

  it('tells a fourth decimal from trailing zeros', () => {
    const more = (text: string) =>
      hasMoreDecimalsThan(parseDecimal(text) ?? { negative: false, digits: '', scale: 0 }, 3);
    expect(more('0.4560000')).toBe(false);
    expect(more('0.4561')).toBe(true);
    expect(more('1e-4')).toBe(true);
    expect(more('0.0000000')).toBe(false);
  });

  it('is an id when it is whole', () => {
    expect(wholeNumberText('9e+05')).toBe('900000');
    expect(wholeNumberText('31198705046')).toBe('31198705046');
    expect(wholeNumberText('0042')).toBe('0042');
    for (const text of ['1.5', '-3', 'x', '', '1e-2', '1e300']) expect(wholeNumberText(text)).toBeNull();
  });
});
