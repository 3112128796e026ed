import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { gtinCheckDigit, isGtin } from './gtin.js';

const body = fc.constantFrom(7, 11, 12, 13).chain((length) => fc.stringMatching(new RegExp(`^[0-9]{${length}}$`)));

describe('gtin', () => {
  it.each(['4006381333931', '96385074', '036000291452', '10614141000415', '9780306406157'])('%s is one', (code) => {
    expect(isGtin(code)).toBe(true);
  });

  it.each(['4006381333932', '96385075', '400638133393', '', '40063813339310', ' 4006381333931', '400638133393١', '0'])(
    '"%s" is none',
    (code) => {
      expect(isGtin(code)).toBe(false);
    },
  );

  it('finds every single wrong digit', () => {
    const change = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(body, fc.nat(), change, (digits, anyPlace, by) => {
        const code = `${digits}${gtinCheckDigit(digits)}`;
        const place = anyPlace % code.length;
        const wrong = `${code.slice(0, place)}${(Number(code[place]) + by) % 10}${code.slice(place + 1)}`;
        expect(isGtin(code)).toBe(true);
        expect(isGtin(wrong)).toBe(false);
      }),
    );
  });

  it.each(['', '12345678', '12345a7', '12345678901234'])('makes no check digit for "%s"', (digits) => {
    expect(() => gtinCheckDigit(digits)).toThrow(expect.objectContaining({ code: 'gtin-digits' }));
  });
});
