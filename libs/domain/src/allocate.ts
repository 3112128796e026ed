import { DomainError } from './errors.js';
import { assertSafe } from './money.js';

/**
 * Spreads `totalMinor` over `weights` (integers ≥ 0) by largest remainder: each share is its exact share rounded down or
 * up, Σ shares = total, a weight of 0 gets 0, equal remainders go to the earlier place, and allocate(−t) = −allocate(t)
 * so that a return mirrors its sale. Throws `allocation-weights` for a negative weight, or when something is to be spread
 * over no weight at all; `number-not-safe`. Source: domain.md, Numbers.
 */
export function allocate(totalMinor: number, weights: readonly number[]): number[] {
  const total = BigInt(Math.abs(assertSafe(totalMinor)));
  let weightSum = 0n;
  for (const weight of weights) {
    if (assertSafe(weight) < 0) throw new DomainError('allocation-weights', `${weight} is a negative weight`);
    weightSum += BigInt(weight);
  }
  if (totalMinor === 0) return weights.map(() => 0);
  if (weightSum === 0n) throw new DomainError('allocation-weights', `${totalMinor} cannot be spread over nothing`);

  const shares = weights.map((weight, index) => {
    const product = total * BigInt(weight);
    return { index, minor: product / weightSum, remainder: product % weightSum };
  });
  let left = shares.reduce((rest, share) => rest - share.minor, total);
  const byRemainder = [...shares].sort((a, b) => compare(b.remainder, a.remainder) || a.index - b.index);
  for (const share of byRemainder) {
    if (left === 0n) break;
    share.minor += 1n;
    left -= 1n;
  }
  return shares.map((share) => (totalMinor < 0 ? 0 - Number(share.minor) : Number(share.minor)));
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
