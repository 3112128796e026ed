import { createHash } from 'node:crypto';
import { bodyHashOf } from './feed.js';
import { FEED_BUCKETS, type BucketSum } from './verify-protocol.js';

const TWO_TO_128 = 1n << 128n;

/** One live record of a scope, told apart from every other by `hash`: 128 bits, hex. */
export type SummedRecord = { kind: string; key: string; bucket: number; hash: string };

/**
 * `hash128(kind, key, version, canonical body)`: the first half of SHA-256. By the body's own hash, so that the hub sums up
 * without reading bodies. The key comes last: it alone may hold any character.
 */
export function recordHash(kind: string, key: string, version: number, bodyHash: string): string {
  const text = `${kind}\n${version}\n${bodyHash}\n${key}`;
  return createHash('sha256').update(text, 'utf8').digest('hex').slice(0, 32);
}

export function recordHashOf(kind: string, key: string, version: number, body: Record<string, unknown>): string {
  return recordHash(kind, key, version, bodyHashOf(body));
}

/** By the key alone: a record stays in its bucket whatever becomes of its body. */
export function bucketOf(kind: string, key: string): number {
  return createHash('sha256').update(`${kind}\n${key}`, 'utf8').digest()[0] as number;
}

/**
 * Count and sum of each bucket of each kind. A sum modulo 2^128 and no XOR: with that, a record that is there twice would
 * be there not at all. Taking away is adding what is missing to 2^128.
 */
export class FeedSums {
  private readonly kinds = new Map<string, { count: number; sum: bigint }[]>();

  add(kind: string, bucket: number, count: number, sum: bigint): void {
    let buckets = this.kinds.get(kind);
    if (buckets === undefined) {
      buckets = Array.from({ length: FEED_BUCKETS }, () => ({ count: 0, sum: 0n }));
      this.kinds.set(kind, buckets);
    }
    const at = buckets[bucket];
    if (at === undefined) throw new Error(`there is no bucket ${bucket}`);
    at.count += count;
    at.sum = (((at.sum + sum) % TWO_TO_128) + TWO_TO_128) % TWO_TO_128;
  }

  addRecord(kind: string, key: string, hash: string): void {
    this.add(kind, bucketOf(kind, key), 1, BigInt(`0x${hash}`));
  }

  takeAway(kind: string, key: string, hash: string): void {
    this.add(kind, bucketOf(kind, key), -1, -BigInt(`0x${hash}`));
  }

  addAll(kinds: readonly { kind: string; buckets: readonly BucketSum[] }[]): void {
    for (const { kind, buckets } of kinds)
      for (const { bucket, count, sum } of buckets) this.add(kind, bucket, count, BigInt(`0x${sum}`));
  }

  get records(): number {
    let records = 0;
    for (const buckets of this.kinds.values()) for (const { count } of buckets) records += count;
    return records;
  }

  /** Kinds in the order of their names, without empty buckets. */
  told(): { kind: string; buckets: BucketSum[] }[] {
    return [...this.kinds]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([kind, buckets]) => ({
        kind,
        buckets: buckets.flatMap(({ count, sum }, bucket) =>
          count === 0 && sum === 0n ? [] : [{ bucket, count, sum: sum.toString(16).padStart(32, '0') }],
        ),
      }))
      .filter(({ buckets }) => buckets.length > 0);
  }

  /** Buckets in which the two differ, by kind. */
  static differing(a: FeedSums, b: FeedSums): { kind: string; bucket: number }[] {
    const found: { kind: string; bucket: number }[] = [];
    for (const kind of new Set([...a.kinds.keys(), ...b.kinds.keys()])) {
      for (let bucket = 0; bucket < FEED_BUCKETS; bucket++) {
        const [ours, theirs] = [a.kinds.get(kind)?.[bucket], b.kinds.get(kind)?.[bucket]];
        if ((ours?.count ?? 0) !== (theirs?.count ?? 0) || (ours?.sum ?? 0n) !== (theirs?.sum ?? 0n))
          found.push({ kind, bucket });
      }
    }
    return found;
  }
}
