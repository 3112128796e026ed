import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { bodyHashOf } from './feed.js';
import { FeedSums, bucketOf, recordHash, recordHashOf } from './feed-sums.js';

type Known = { key: string; version: number; name: string };

const sumsOf = (records: readonly Known[]): FeedSums => {
  const sums = new FeedSums();
  for (const { key, version, name } of records)
    sums.addRecord('product', key, recordHashOf('product', key, version, { name }));
  return sums;
};

const RECORDS: Known[] = Array.from({ length: 50 }, (_, no) => ({ key: `P${no}`, version: 1, name: `Product ${no}` }));

describe('sums of a feed', () => {
  it('are those of the records, in whatever order they came', () => {
    expect(sumsOf([...RECORDS].reverse()).told()).toEqual(sumsOf(RECORDS).told());
    expect(FeedSums.differing(sumsOf(RECORDS), sumsOf([...RECORDS].reverse()))).toEqual([]);
  });

  it('tell a record that is there twice from one that is there once, or not at all', () => {
    const twice = [...RECORDS, RECORDS[7] as Known];
    const bucket = bucketOf('product', 'P7');
    expect(FeedSums.differing(sumsOf(RECORDS), sumsOf(twice))).toEqual([{ kind: 'product', bucket }]);
    // By their sums alone, as where another record is missing: XOR would have the two cancel each other.
    const pair = [RECORDS[7] as Known, RECORDS[7] as Known];
    const sum = sumsOf(pair).told()[0]?.buckets[0]?.sum;
    expect(sum).not.toBe('0'.repeat(32));
    expect(sum).not.toBe(sumsOf([RECORDS[7] as Known]).told()[0]?.buckets[0]?.sum);
  });

  it('see another version, another body, another key', () => {
    const [first] = RECORDS as [Known];
    for (const other of [{ version: 2 }, { name: 'Other' }, { key: 'Q0' }])
      expect(FeedSums.differing(sumsOf([first]), sumsOf([{ ...first, ...other }])).length).toBeGreaterThan(0);
  });

  it('are taken back to nothing, whatever was added', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ minLength: 1 }), fc.nat())), (added) => {
        const sums = new FeedSums();
        const hashed = added.map(([key, version]) => [key, recordHashOf('price', key, version, {})] as const);
        for (const [key, hash] of hashed) sums.addRecord('price', key, hash);
        for (const [key, hash] of [...hashed].reverse()) sums.takeAway('price', key, hash);
        expect([sums.told(), sums.records]).toEqual([[], 0]);
      }),
    );
  });

  it('are by hashes that any key leaves distinct: the key comes last', () => {
    const bodyHash = bodyHashOf({});
    expect(recordHash('a', 'b\n1', 1, bodyHash)).not.toBe(recordHash('a', 'b', 1, bodyHash));
    // What another client has to come to.
    expect(recordHash('product', 'MILK', 3, bodyHash)).toBe(EXPECTED);
    expect(bucketOf('product', 'MILK')).toBe(BUCKET);
  });
});

const EXPECTED = 'f4b3e60054374b11f5abf12f7632315e';
const BUCKET = 74;
