import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FeedPage, FeedRecord } from '@branchline/replication/feed.js';
import { FeedSums, recordHashOf } from '@branchline/replication/feed-sums.js';
import type { EdgeProof } from '@branchline/replication/verify-protocol.js';
import type { AxiosResponse } from 'axios';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { TestBox, apiAtSync } from './test-box.js';

let harness: HubHarness;
let box: TestBox;
let records: FeedRecord[];

const ASSORTMENT = 'assortment:A1';

async function importProducts(rows: readonly string[]): Promise<void> {
  const csv = `product,name,barcodes,taxClass,fractional,assortments,priceZone,priceMinor,pricePer,validFrom,active\n${rows.join('\n')}\n`;
  const { status } = await harness.admin.api.post('/v1/imports/products', csv, {
    headers: { 'content-type': 'text/csv' },
  });
  expect(status).toBe(200);
  await harness.numbered();
}

const rowOf = (no: number, name: string): string => `P${no},${name},600${no} 601${no},STD,no,A1,Z1,${1000 + no},,,yes`;

async function feedOf(scope: string): Promise<FeedRecord[]> {
  const { data } = await box.feed(scope);
  return (data as FeedPage).records;
}

const ask = (request: Record<string, unknown>, token = box.token): Promise<AxiosResponse> =>
  apiAtSync(harness.url).post('/sync/v1/verify', request, { headers: { authorization: `Bearer ${token}` } });

const placeAt = (number: number): { scope: string; number: number; hash: string } => ({
  ...{ scope: ASSORTMENT, number },
  hash: records[number - 1]?.hash ?? '0'.repeat(64),
});

/** As a box would sum up what came to it up to there. */
function sumsUpTo(number: number): FeedSums {
  const last = new Map(records.filter((record) => record.number <= number).map((record) => [record.key, record]));
  const sums = new FeedSums();
  for (const { kind, key, version, body, deleted } of last.values())
    if (!deleted) sums.addRecord(kind, key, recordHashOf(kind, key, version, body));
  return sums;
}

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
  await createBranch(harness.admin.api, 'B001');
  box = await TestBox.enrol(harness.url, harness.admin.api, 'B001');
  await importProducts(Array.from({ length: 300 }, (_, no) => rowOf(no, `Product ${no}`)));
  await importProducts(Array.from({ length: 20 }, (_, no) => rowOf(no, `Renamed ${no}`)));
  records = await feedOf(ASSORTMENT);
});
afterAll(() => harness.close());

describe('what the hub sums up of a feed', () => {
  it('is what a box comes to that has applied the same records, at the newest number and at any before', async () => {
    expect(records.length).toBe(320);
    for (const number of [320, 310, 300, 7, 0]) {
      const { status, data } = await ask({ part: 'sums', ...placeAt(number) });
      expect([status, data.newest]).toEqual([200, 320]);
      expect(data.kinds).toEqual(sumsUpTo(number).told());
    }
  });

  it('leads to the keys behind a bucket, and from there to the records', async () => {
    const [bucket] = sumsUpTo(320).told()[0]?.buckets ?? [];
    const asked = { ...placeAt(320), kind: 'product' };
    const { data } = await ask({ part: 'keys', ...asked, buckets: [bucket?.bucket] });
    const sums = new FeedSums();
    for (const { key, hash } of data.keys) sums.addRecord('product', key, hash);
    expect(sums.told()).toEqual([{ kind: 'product', buckets: [bucket] }]);
    const [{ key }] = data.keys;
    const given = await ask({ part: 'records', ...asked, keys: [key, 'no such'] });
    expect(given.data.records).toEqual([records.findLast((record) => record.key === key)]);
  });

  it('is as of the box’s own cursor: a record that came later is not given', async () => {
    const given = await ask({ part: 'records', ...placeAt(300), kind: 'product', keys: ['P3'] });
    expect(given.data.records).toMatchObject([{ version: 1, body: { name: 'Product 3' } }]);
  });

  it('counts no record that was deleted', async () => {
    const { tenant } = box;
    const deletion = `INSERT INTO outbox (tenant_id, scope, kind, key, contract, deleted, body) VALUES ($1, $2, 'product', 'P9', 1, true, '{}')`;
    await harness.database.asOwner(deletion, [tenant, ASSORTMENT]);
    await importProducts([rowOf(400, 'New')]);
    records = await feedOf(ASSORTMENT);
    const { data } = await ask({ part: 'sums', ...placeAt(records.length) });
    expect(data.kinds).toEqual(sumsUpTo(records.length).told());
    expect(sumsUpTo(records.length).records).toBe(300);
  });

  it('is refused to whose cursor is not on this feed, and to whose branch does not follow it', async () => {
    const fork = await ask({ part: 'sums', ...placeAt(300), hash: 'f'.repeat(64) });
    const ahead = await ask({ part: 'sums', ...placeAt(300), number: 9_999 });
    const foreign = await ask({ part: 'sums', ...placeAt(0), scope: 'zone:Z9' });
    expect([fork, ahead, foreign].map(({ status, data }) => [status, data.code])).toEqual([
      [409, 'feed-fork'],
      [409, 'feed-fork'],
      [403, 'not-yours'],
    ]);
    expect((await ask({ part: 'sums', ...placeAt(0) }, harness.admin.accessToken)).status).toBe(401);
  });
});

const proof = (more: Partial<EdgeProof> = {}): EdgeProof => ({
  at: Date.UTC(2026, 10, 20, 3),
  outcome: 'equal',
  journal: { incarnation: '0193a000-0000-7000-8000-000000000001', epoch: 1, seq: 7, hash: 'a'.repeat(64) },
  rows: 100,
  feeds: [{ scope: ASSORTMENT, number: 320, records: 300 }],
  repaired: 0,
  differences: [],
  count: 0,
  ...more,
});

const wordsOf = async () => (await harness.admin.api.post('/v1/fleet/B001/verify')).data.boxes;

describe('what a box says of itself', () => {
  it('is asked for by a verification, and told with it once it came', async () => {
    expect(await wordsOf()).toMatchObject([
      { box: box.box, askedAt: expect.any(String), heardAt: null, outcome: null },
    ]);
    expect((await ask({ part: 'proof', proof: proof() })).data).toEqual({ part: 'proof' });
    const { data } = await harness.admin.api.get('/v1/fleet');
    expect(data.items[0].boxes).toMatchObject([
      {
        ...{
          box: box.box,
          askedAt: null,
          heardAt: expect.any(String),
          at: '2026-11-20T03:00:00.000Z',
          outcome: 'equal',
        },
        ...{ provedTo: { seq: 7 }, feeds: [{ scope: ASSORTMENT, number: 320, records: 300 }], repaired: 0 },
      },
    ]);
  });

  it('is an incident for each kind of difference, with the first of it', async () => {
    const differences = [
      { what: 'altered-row' as const, detail: 'sale 7: total_minor is 1' },
      { what: 'altered-row' as const, detail: 'sale 8: total_minor is 2' },
      { what: 'hub-durable' as const, detail: 'durable up to 9' },
    ];
    await ask({ part: 'proof', proof: proof({ outcome: 'differs', differences, count: 3 }) });
    const { data } = await harness.admin.api.get('/v1/incidents');
    const raised = data.items.map(({ code, key, detail }: Record<string, string>) => [code, key, detail]);
    expect(raised.sort()).toEqual([
      ['box-differs', 'altered-row', 'the box says: sale 7: total_minor is 1'],
      ['box-differs', 'hub-durable', 'the box says: durable up to 9'],
    ]);
    expect((await harness.admin.api.get('/v1/fleet')).data.items[0]).toMatchObject({ incidents: 2 });
  });

  it('is refused where it says what is no proof', async () => {
    const { status, data } = await ask({ part: 'proof', proof: proof({ rows: -1 }) });
    expect([status, data.code]).toEqual([400, 'invalid-field']);
    const untold = proof({ outcome: 'differs', differences: [{ what: 'altered-row', detail: 'a\u0000b' }], count: 1 });
    expect((await ask({ part: 'proof', proof: untold })).status).toBeLessThan(500);
  });
});
