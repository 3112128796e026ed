import { DomainError } from './errors.js';
import { mulDiv } from './money.js';
import { quantityMilli } from './quantity.js';

/**
 * Minor units per N units: `{ minor: 1000, per: 3 }` is "3 for 10.00", fuel at 2.599 is `{ minor: 2599, per: 10 }`.
 * `per` is a quantity: above zero, at most three decimals.
 */
export type Price = { minor: number; per: number };

/**
 * What a quantity (in thousandths) costs, in minor units: price.minor × quantity ÷ per, rounded once, here and nowhere
 * else. `{ minor: gross, per: quantity }` therefore gives back exactly `gross`. Throws `price-per` for a `per` that is
 * not above zero, `quantity-decimals`/`quantity-range` for an impossible one, `number-not-safe`.
 * Source: domain.md, Numbers.
 */
export function lineAmountMinor(price: Price, quantityOfLineMilli: number): number {
  const perMilli = quantityMilli(price.per);
  if (perMilli <= 0) throw new DomainError('price-per', `a price per ${price.per} units is no price`);
  return mulDiv(price.minor, quantityOfLineMilli, perMilli);
}
