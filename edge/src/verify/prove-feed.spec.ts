import { expect, it } from '@jest/globals';
import { bodyHashOf, type FeedRecord } from '@branchline/replication/feed.js';
import { FeedSums, bucketOf, recordHashOf } from '@branchline/replication/feed-sums.js';
import type { HubClient } from '../replicator/hub-client.js';
import { proveFeed, type FeedProof } from './prove-feed.js';

type Known = { key: string; version: number; body: Record<string, unknown> };

const known = (no: number, name = `Product ${no}`): Known => ({ key: `P${no}`, version: 1, body: { name } });
const CURSOR = {
  take: 1,
  scope: 'assortment:A1',
  hubEpoch: null,
  number: 9,
  hash: 'a'.repeat(64),
  newest: 9,
  begun: null,
};

const sumsOf = (records: readonly Known[]): FeedSums => {
  const sums = new FeedSums();
  for (const { key, version, body } of records)
    sums.addRecord('product', key, recordHashOf('product', key, version, body));
  return sums;
};
const keysOf = (records: readonly Known[], buckets: readonly number[]) =>
  records
    .filter(({ key }) => buckets.includes(bucketOf('product', key)))
    .map(({ key, version, body }) => ({ key, version, hash: recordHashOf('product', key, version, body) }));

/** What a box holds, and what a hub sums up, names and gives: the same of an honest one. */
function prove(
  here: readonly Known[],
  hub: { summed: readonly Known[]; named?: readonly Known[]; given?: readonly Known[] },
) {
  const { summed, named = summed, given = named } = hub;
  const client = {
    verifySums: () => Promise.resolve({ part: 'sums', newest: 9, kinds: sumsOf(summed).told() }),
    verifyKeys: ({ buckets }: { buckets: number[] }) => Promise.resolve({ part: 'keys', keys: keysOf(named, buckets) }),
    verifyRecords: ({ keys }: { keys: string[] }) =>
      Promise.resolve({
        part: 'records',
        records: given
          .filter(({ key }) => keys.includes(key))
          .map(({ key, version, body }): Partial<FeedRecord> => ({
            kind: 'product',
            key,
            version,
            body,
            bodyHash: bodyHashOf(body),
          })),
      }),
  } as unknown as HubClient;
  const jobs = {
    read: (name: string, { buckets = [] }: { buckets?: readonly number[] }) =>
      Promise.resolve(
        name === 'sum-feed' ? { kinds: sumsOf(here).told(), next: null } : { keys: keysOf(here, buckets), next: null },
      ),
  } as unknown as Parameters<typeof proveFeed>[0]['jobs'];
  return proveFeed({ jobs, hub: client, breathe: () => Promise.resolve() }, CURSOR);
}

const ALL = Array.from({ length: 40 }, (_, no) => known(no));
const toldOf = ({ findings, repair }: FeedProof) => ({
  what: findings.named.map(({ what }) => what),
  records: repair.records.map(({ key }) => key),
  extra: repair.extra.map(({ key }) => key),
});

it('finds nothing where both hold the same', async () => {
  expect(toldOf(await prove(ALL, { summed: ALL }))).toEqual({ what: [], records: [], extra: [] });
});

it('has only that sent again which differs, and only that taken away which is not there', async () => {
  const here = [...ALL.slice(2), known(1, 'Flipped'), known(77)];
  const found = await prove(here, { summed: ALL });
  expect(toldOf(found).what.sort()).toEqual(['feed-altered', 'feed-extra', 'feed-missing']);
  expect([found.repair.records.map(({ key }) => key).sort(), toldOf(found).extra]).toEqual([['P0', 'P1'], ['P77']]);
});

it('believes no hub whose sums are not those of the records it names', async () => {
  const found = await prove(ALL, { summed: [...ALL, known(1)], named: ALL });
  expect(toldOf(found)).toEqual({ what: ['hub-digest'], records: [], extra: [] });
});

it('takes no record from a hub that is not the one it summed up', async () => {
  const found = await prove(ALL.slice(1), { summed: ALL, given: [known(0, 'Forged')] });
  expect(toldOf(found)).toEqual({ what: ['feed-missing', 'hub-digest'], records: [], extra: [] });
});

it('takes the scope again as a whole where more differs than is mended record by record', async () => {
  const many = Array.from({ length: 2_500 }, (_, no) => known(no));
  const { repair, findings } = await prove([], { summed: many });
  expect(repair.whole).toBe(true);
  expect(findings.count).toBeGreaterThan(1_000);
});
