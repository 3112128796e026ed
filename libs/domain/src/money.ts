import { DomainError } from './errors.js';

/** An amount in the minor unit of an ISO 4217 currency (JPY 0, EUR 2, KWD 3 digits). Never a float, never mixed. */
export type Money = { minor: number; currency: string };

/**
 * Returns `value` when it is an integer that a double holds exactly; throws `number-not-safe` otherwise (NaN, fractions,
 * 2^53 and beyond). Source: domain.md, Numbers.
 */
export function assertSafe(value: number): number {
  if (!Number.isSafeInteger(value)) {
    throw new DomainError('number-not-safe', `${value} is not an integer that can be kept exactly`);
  }
  return value;
}

/** a + b in minor units; throws `currency-mixed` for two currencies, `number-not-safe` beyond 2^53. */
export function addMoney(a: Money, b: Money): Money {
  if (a.currency !== b.currency) {
    throw new DomainError('currency-mixed', `${a.currency} and ${b.currency} cannot be added`);
  }
  return { minor: assertSafe(assertSafe(a.minor) + assertSafe(b.minor)), currency: a.currency };
}

/** −a. Zero stays 0: a −0 would be another content in JSON comparisons and hashes. */
export function negateMoney(a: Money): Money {
  return { minor: 0 - assertSafe(a.minor), currency: a.currency };
}

/** Σ of minor units (or thousandths) of one currency; 0 for none. Throws `number-not-safe` as soon as a step is not exact. */
export function sumMinor(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum = assertSafe(sum + assertSafe(value));
  return sum;
}

/*
 * A table and not Intl: ICU follows CLDR, which departs from ISO 4217 (RSD, IQD, LBP: 0 digits) and changes with the
 * Node version. Two boxes that disagree about digits disagree about money by powers of ten.
 */
const DIGITS_OTHER_THAN_TWO: ReadonlyMap<string, number> = new Map([
  ...'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' ').map((code) => [code, 0] as const),
  ...'BHD IQD JOD KWD LYD OMR TND'.split(' ').map((code) => [code, 3] as const),
  ...'CLF UYW'.split(' ').map((code) => [code, 4] as const),
]);

/** Digits of the minor unit by ISO 4217; throws `currency-code` for what is not three capital letters. */
export function currencyDigits(code: string): number {
  if (!/^[A-Z]{3}$/.test(code)) throw new DomainError('currency-code', `"${code}" is not a currency code`);
  return DIGITS_OTHER_THAN_TWO.get(code) ?? 2;
}

/**
 * a × b ÷ c, rounded once, half away from zero; the product may pass 2^53 (IDR 90 million × ppm does). Half-up would
 * sell 333 × 0.5 at 167 and refund 166. Throws `number-not-safe` for unsafe input or result, `division-by-zero`.
 * Source: domain.md, Numbers.
 */
export function mulDiv(a: number, b: number, c: number): number {
  const product = BigInt(assertSafe(a)) * BigInt(assertSafe(b));
  const divisor = BigInt(assertSafe(c));
  if (divisor === 0n) throw new DomainError('division-by-zero', `${a} × ${b} ÷ 0`);
  const quotient = product / divisor;
  const rest = product % divisor;
  if (2n * absolute(rest) < absolute(divisor)) return assertSafe(Number(quotient));
  return assertSafe(Number(quotient + (product < 0n === divisor < 0n ? 1n : -1n)));
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value;
}
