import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FEED_KINDS, bodyHashOf, feedHash, isFeedKind, type FeedRecord } from '@branchline/replication/feed.js';
import type { AxiosResponse } from 'axios';
import { create, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { readFeed } from '../src/feed/read-feed.js';

let harness: HubHarness;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
  await create(harness.admin.api, '/v1/assortments', { code: 'A2', name: 'Assortment 2' });
  await create(harness.admin.api, '/v1/price-zones', { code: 'Z2', name: 'Zone 2', timeZone: 'UTC', currency: 'USD' });
  await createBranch(harness.admin.api, 'B001');
});
afterAll(() => harness.close());

const HEADER = 'product,name,barcodes,taxClass,fractional,assortments,priceZone,priceMinor,pricePer,validFrom,active';

const csv = (...rows: string[]): string => [HEADER, ...rows].join('\n') + '\n';
const post = (body: string | Buffer, query = ''): Promise<AxiosResponse> =>
  harness.admin.api.post(`/v1/imports/products${query}`, body, {
    headers: { 'content-type': 'text/csv; charset=utf-8' },
  });
const products = async (): Promise<string[]> => {
  const answer = await harness.admin.api.get('/v1/catalogue/products?limit=500');
  return answer.data.items.map((item: { product: string }) => item.product);
};
const records = async (scope: string): Promise<FeedRecord[]> => {
  await harness.numbered();
  return (await harness.database.transaction(harness.admin.tenantId, (tx) => readFeed(tx, scope, { number: 0 })))
    .records;
};
const newestOf = async (scope: string): Promise<number> => (await records(scope)).length;

describe('an import of products', () => {
  it('writes nothing in a dry run and says what it would do', async () => {
    const file = csv('MILK,Milk 1 l,6001|6002,STD,no,A1|A2,Z1,1999,,,yes', 'LOOSE,Loose,,,yes,A1,Z1,abc,,,');
    const dry = await post(file, '?dryRun');
    expect(dry.data).toEqual({
      rows: 2,
      created: 1,
      changed: 0,
      unchanged: 0,
      bad: [{ line: 3, reason: 'priceMinor is "abc", expected a whole number of minor units' }],
      badCount: 1,
      release: null,
    });
    expect(await products()).toEqual([]);
    expect(await newestOf('assortment:A1')).toBe(0);
  });

  it('writes nothing when a row is bad, unless bad rows are to be skipped', async () => {
    const file = csv('MILK,Milk 1 l,6001|6002,STD,no,A1|A2,Z1,1999,,,yes', 'LOOSE,Loose,,NOPE,yes,A1,,,,,');
    const refused = await post(file);
    expect([refused.status, refused.data.code]).toEqual([400, 'bad-rows']);
    expect(refused.data.errors).toEqual([{ path: 'line.3', code: 'bad-row', message: 'there is no tax class "NOPE"' }]);
    expect(await products()).toEqual([]);
    const skipped = await post(file, '?skipBad=true');
    expect(skipped.data).toMatchObject({ rows: 2, created: 1, badCount: 1 });
    expect(await products()).toEqual(['MILK']);
  });

  it('publishes products where they are carried and prices in their zone, as one release', async () => {
    const before = {
      a1: await newestOf('assortment:A1'),
      a2: await newestOf('assortment:A2'),
      z1: await newestOf('zone:Z1'),
    };
    const answer = await post(
      csv(
        'BREAD,Bread,,STD,no,A1,Z1,1000,3,2027-03-01 08:00,',
        'CHEESE,Cheese,,,yes,A1|A2,Z2,250,0.1,,',
        'UNLISTED,Not carried,,,no,,,,,,',
      ),
    );
    expect(answer.data).toMatchObject({ rows: 3, created: 3, changed: 0, unchanged: 0, bad: [] });
    const { release } = answer.data;
    const a1 = (await records('assortment:A1')).slice(before.a1);
    const a2 = (await records('assortment:A2')).slice(before.a2);
    const z1 = (await records('zone:Z1')).slice(before.z1);
    const z2 = await records('zone:Z2');
    expect(a1.map(({ key }) => key)).toEqual(['BREAD', 'CHEESE']);
    expect(a2.map(({ key }) => key)).toEqual(['CHEESE']);
    // 08:00 in Johannesburg is 06:00 UTC.
    expect(z1.map(({ key, body }) => [key, body['price'], body['validFrom'], body['currency']])).toEqual([
      ['BREAD/2027-03-01 08:00', { minor: 1000, per: 3 }, Date.parse('2027-03-01T06:00:00Z'), 'ZAR'],
    ]);
    expect(z2.map(({ key, body }) => [key, body['price'], body['currency']])).toEqual([
      ['CHEESE/-', { minor: 250, per: 0.1 }, 'USD'],
    ]);
    for (const record of [...a1, ...a2, ...z1, ...z2]) {
      expect(record.release).toBe(release);
      if (!isFeedKind(record.kind)) throw new Error(record.kind);
      expect(FEED_KINDS[record.kind].safeParse(record.body).error).toBeUndefined();
    }
    const final = (await records('tenant')).find(({ kind, key }) => kind === 'release' && key === release);
    expect(final?.release).toBeNull();
    expect(final?.body).toEqual({
      release,
      needs: {
        'assortment:A1': a1.at(-1)?.number,
        'assortment:A2': a2.at(-1)?.number,
        'zone:Z1': z1.at(-1)?.number,
        'zone:Z2': z2.at(-1)?.number,
      },
    });
  });

  it('publishes nothing for what is as it was', async () => {
    const file = csv('MILK,Milk 1 l,6001|6002,STD,no,A1|A2,Z1,1999,,,yes');
    const before = await newestOf('assortment:A1');
    expect((await post(file)).data).toMatchObject({ rows: 1, created: 0, changed: 0, unchanged: 1, release: null });
    expect(await newestOf('assortment:A1')).toBe(before);
  });

  it('leaves alone what the file has no column for', async () => {
    const answer = await post('priceMinor,product,priceZone\n2099,MILK,Z1\n');
    expect(answer.data).toMatchObject({ created: 0, changed: 1, unchanged: 0 });
    const milk = (await harness.admin.api.get('/v1/catalogue/products?search=6002')).data.items[0];
    expect(milk).toMatchObject({
      product: 'MILK',
      name: 'Milk 1 l',
      barcodes: ['6001', '6002'],
      taxClass: 'STD',
      assortments: ['A1', 'A2'],
    });
    const prices = (await records('zone:Z1')).filter(({ key }) => key === 'MILK/-');
    expect(prices.map(({ version, body }) => [version, body['price']])).toEqual([
      [1, { minor: 1999, per: 1 }],
      [2, { minor: 2099, per: 1 }],
    ]);
  });

  it('sends a product that joins an assortment there only', async () => {
    const before = { a1: await newestOf('assortment:A1'), a2: await newestOf('assortment:A2') };
    expect((await post('product,assortments\nBREAD,A2\n')).data).toMatchObject({ changed: 1 });
    expect(await newestOf('assortment:A1')).toBe(before.a1);
    const joined = (await records('assortment:A2')).slice(before.a2);
    expect(joined.map(({ key, body }) => [key, body['name']])).toEqual([['BREAD', 'Bread']]);
  });

  it('takes a product on several lines for several zones, and not otherwise', async () => {
    const row = (zone: string, name = 'Tea') => `TEA,${name},,,no,A1,${zone},500,,,`;
    const answer = await post(csv(row('Z1'), row('Z2'), row('Z1'), row('Z2', 'Other tea')), '?skipBad');
    expect(answer.data).toMatchObject({ rows: 4, created: 2 });
    expect(answer.data.bad).toEqual([
      { line: 4, reason: 'product TEA is on line 2 already' },
      { line: 5, reason: 'product TEA is on line 2 already, and differs' },
    ]);
  });

  it.each([
    ['a product that is missing', ',X,,,no,,,,,,', 'product is missing'],
    ['a name that is missing', 'P1,,,,no,,,,,,', 'name is missing'],
    ['a zone that is unknown', 'P1,X,,,no,,Z9,1,,,', 'there is no price zone "Z9"'],
    ['an assortment that is unknown', 'P1,X,,,no,A1|A9,,,,,', 'there is no assortment "A9"'],
    ['a price without a zone', 'P1,X,,,no,,,100,,,', 'priceZone is missing'],
    [
      'a time that does not exist',
      'P1,X,,,no,,Z1,100,,2027-02-30 08:00,',
      'validFrom is "2027-02-30 08:00", expected YYYY-MM-DD HH:mm',
    ],
    [
      'a price per nothing',
      'P1,X,,,no,,Z1,100,0,,',
      'pricePer is "0", expected a number above 0 with at most three decimals',
    ],
    ['a word for yes', 'P1,X,,,maybe,,,,,,', 'fractional is "maybe", expected yes or no'],
    ['too few cells', 'P1,X', '2 cells, expected 11'],
    ['NUL in a name', 'P1,a\0b,,,no,,,,,,', 'name has control characters'],
  ])('names the line of %s', async (_what, row, reason) => {
    const answer = await post(csv('GOOD,Good,,,no,,,,,,', row), '?dryRun');
    expect(answer.data.bad).toEqual([{ line: 3, reason }]);
  });

  it('counts lines, not records, where a cell has line breaks', async () => {
    const answer = await post(csv('P1,"two\nlines",,,no,,,,,,', 'P2,,,,no,,,,,,'), '?dryRun');
    expect(answer.data.bad.map(({ line }: { line: number }) => line)).toEqual([2, 4]);
  });

  it.each([
    ['a column nobody knows', 'product,colour\nA,red\n', 'the column "colour" is not known'],
    ['no column for the product', 'name\nA\n', 'the column product is missing'],
    ['nothing at all', '\n', 'the file is empty'],
    ['a quote that does not end', 'product,name\nA,"open\n', 'Quote Not Closed'],
    ['bytes that are no UTF-8', Buffer.from([0x70, 0xff, 0x0a]), 'the file is not UTF-8'],
  ])('refuses a file with %s, also when bad rows are skipped', async (_what, file, reason) => {
    const answer = await post(file, '?skipBad');
    expect([answer.status, answer.data.code]).toEqual([400, 'bad-rows']);
    expect(answer.data.detail).toContain(reason);
  });

  it('is not for who may only read, nor for JSON', async () => {
    const grants = [{ role: 'analyst', scope: 'tenant' }];
    const { data } = await harness.admin.api.post('/v1/people', {
      email: 'reader@acme.example',
      name: 'Reader',
      grants,
    });
    const { api } = await harness.signIn('reader@acme.example', data.password);
    expect((await api.post('/v1/imports/products', csv(), { headers: { 'content-type': 'text/csv' } })).status).toBe(
      403,
    );
    expect((await harness.admin.api.post('/v1/imports/products', { rows: [] })).status).toBe(415);
  });

  it('gives a chain of hashes that proves every page of the feed', async () => {
    for (const scope of ['tenant', 'assortment:A1', 'assortment:A2', 'zone:Z1', 'zone:Z2']) {
      let previous = '0'.repeat(64);
      for (const { hash, body, ...record } of await records(scope)) {
        expect(bodyHashOf(body)).toBe(record.bodyHash);
        expect(feedHash(previous, record)).toBe(hash);
        previous = hash;
      }
      expect(previous).not.toBe('0'.repeat(64));
    }
  });
});
