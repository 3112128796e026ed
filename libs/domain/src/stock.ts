import { assertSafe, sumMinor } from './money.js';

/** One signed quantity (thousandths; negative leaves the store) with its reason. On hand is a sum of these, never stored. */
export type Movement = { product: string; quantityMilli: number; reason: string };

/** Σ movements per product, in thousandths; a product that never moved is not in it. Throws `number-not-safe`. */
export function onHand(movements: Iterable<Movement>): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { product, quantityMilli } of movements) {
    sums.set(product, sumMinor([sums.get(product) ?? 0, quantityMilli]));
  }
  return sums;
}

/**
 * −quantity per line, in the lines' order: what a sale takes out of stock, and what its reversal (`void`) puts back. Throws
 * `number-not-safe`.
 */
export function movementsOfSale(
  lines: readonly { product: string; quantityMilli: number }[],
  reason: 'sale' | 'void' = 'sale',
): Movement[] {
  return lines.map(({ product, quantityMilli }) => ({
    product,
    quantityMilli: 0 - assertSafe(quantityMilli),
    reason,
  }));
}
