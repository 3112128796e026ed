import { DomainError } from './errors.js';
import { assertSafe } from './money.js';

/** A thousand million units. Far below 2^53 thousandths, so that decimals up to here are told apart exactly by doubles. */
export const QUANTITY_MILLI_MAX = 1_000_000_000_000;

/**
 * A decimal quantity of the API in thousandths, exact: 0.456 → 456, 8776 → 8776000. Throws `quantity-decimals` for a
 * fourth decimal, `quantity-range` for what is not finite or beyond ± a thousand million. Source: domain.md, Numbers.
 */
export function quantityMilli(decimal: number): number {
  const milli = Math.round(decimal * 1000);
  // Written so that NaN is refused too.
  if (!(Math.abs(milli) <= QUANTITY_MILLI_MAX)) {
    throw new DomainError('quantity-range', `a quantity of ${decimal} is out of range`);
  }
  // A literal with up to three decimals parses to the double nearest to milli/1000, and so does this division.
  if (milli / 1000 !== decimal) {
    throw new DomainError('quantity-decimals', `a quantity of ${decimal} has more than three decimals`);
  }
  return milli === 0 ? 0 : milli;
}

/** Thousandths as the decimal of the API: 456 → 0.456. Throws `number-not-safe`. */
export function quantityDecimal(milli: number): number {
  return assertSafe(milli) / 1000;
}
