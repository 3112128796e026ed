import type { FeedKindSums } from './sum-feed.js';

/** A scope has 256 sums for each of its kinds: some 30 KB. */
const KEPT_MAX = 200;

/**
 * Sums by the place they are of: a thousand boxes that follow one scope stand at one number, and ask for the same. Records
 * under a number never change, so what was summed up stays true; the chain's hash tells one feed from another.
 */
export class KeptSums {
  private readonly kept = new Map<string, Promise<FeedKindSums>>();

  /** @param sum is asked once, however many ask at the same moment */
  of(
    place: { tenantId: string; scope: string; number: number; hash: string },
    sum: () => Promise<FeedKindSums>,
  ): Promise<FeedKindSums> {
    const { tenantId, scope, number, hash } = place;
    const key = `${tenantId} ${scope} ${number} ${hash}`;
    const known = this.kept.get(key);
    if (known) return known;
    const [oldest] = this.kept.keys();
    if (this.kept.size >= KEPT_MAX && oldest !== undefined) this.kept.delete(oldest);
    const sums = sum();
    this.kept.set(key, sums);
    sums.catch(() => this.kept.delete(key));
    return sums;
  }
}
