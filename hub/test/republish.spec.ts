import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { FEED_SHAPES } from '@branchline/replication/contracts.js';
import { FeedSums, recordHashOf } from '@branchline/replication/feed-sums.js';
import { FEED_KINDS, feedHash, type FeedPage, type FeedRecord } from '@branchline/replication/feed.js';
import type { VerifySums } from '@branchline/replication/verify-protocol.js';
import { v7 } from 'uuid';
import { Republisher } from '../src/feed/republisher.js';
import { publish } from '../src/feed/publish.js';
import { republish, REPUBLISHED_AT_ONCE_MAX, type FeedShapes } from '../src/feed/republish.js';
import { apiAt, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { TestBox } from './test-box.js';

/** A hub whose next release changes what a price is: as of contract 2 it says for which customers it is. */
const CHANGED: FeedShapes = {
  ...FEED_SHAPES,
  price: { since: 2, past: [{ since: 1, schema: FEED_KINDS.price, upcast: (body) => ({ ...body, tier: 'all' }) }] },
};
const ZONE = 'zone:Z1';
const PRODUCTS = REPUBLISHED_AT_ONCE_MAX + 20;
const DAY_MS = 86_400_000;

/** Of the process of the next release: people and boxes stay signed in. */
const clock = new ManualClock(Date.UTC(2026, 10, 20, 12));
let hub: HubHarness;
let box: TestBox;

const sql = (text: string, ...params: unknown[]) => hub.database.asOwner(text, params);

beforeAll(async () => {
  hub = await startHubHarness();
  await createPlaces(hub.admin.api);
  await createBranch(hub.admin.api, 'B001');
  box = await TestBox.enrol(hub.url, hub.admin.api, 'B001');
  const rows = Array.from({ length: PRODUCTS }, (_, no) => `P${no},Product ${no},600${no},A1,Z1,${100 + no}`);
  await imported(rows);
});
afterAll(() => hub.close());

async function imported(rows: readonly string[]): Promise<void> {
  const csv = `product,name,barcodes,assortments,priceZone,priceMinor\n${rows.join('\n')}\n`;
  const { status } = await hub.admin.api.post('/v1/imports/products', csv, { headers: { 'content-type': 'text/csv' } });
  expect(status).toBe(200);
  await hub.numbered();
}

/** The process of the next release beside this one. */
async function republished(shapes = CHANGED): Promise<void> {
  await new Republisher(hub.database, clock, shapes).run();
  await hub.numbered();
}

/** All of the scope, proved by its chain; and what stands of it. */
async function feed(): Promise<{ records: FeedRecord[]; standing: Map<string, FeedRecord>; hash: string }> {
  const records: FeedRecord[] = [];
  let hash = '0'.repeat(64);
  for (let newest = 1; records.length < newest;) {
    const path = `/sync/v1/feed/${ZONE}?after=${records.length}&hash=${hash}`;
    const { data } = await apiAt(hub.url, box.token).get<FeedPage>(path);
    for (const record of data.records) {
      expect(feedHash(hash, record)).toBe(record.hash);
      hash = record.hash;
      records.push(record);
    }
    newest = data.newest;
  }
  return { records, standing: new Map(records.map((record) => [record.key, record])), hash };
}

/** What a box of the new release holds: the last record of each thing, in the shape that it knows. */
function heldByBox(standing: ReadonlyMap<string, FeedRecord>): FeedSums {
  const sums = new FeedSums();
  for (const { kind, key, version, deleted, body } of standing.values())
    if (!deleted) sums.addRecord(kind, key, recordHashOf(kind, key, version, { ...body, tier: 'all' }));
  return sums;
}

async function differing(): Promise<number> {
  const { records, standing, hash } = await feed();
  const asked = { part: 'sums', scope: ZONE, number: records.length, hash };
  const { data } = await apiAt(hub.url, box.token).post<VerifySums>('/sync/v1/verify', asked);
  const theirs = new FeedSums();
  theirs.addAll(data.kinds);
  return FeedSums.differing(heldByBox(standing), theirs).length;
}

describe('a release that changes a kind of the feed', () => {
  it('holds what its boxes hold, once it has published again what stands', async () => {
    await sql(
      `INSERT INTO outbox (tenant_id, scope, kind, key, contract, deleted, body) SELECT tenant_id, $1, 'price', 'P1/-', 1, true, '{}' FROM tenant`,
      ZONE,
    );
    await imported(['P2,Product 2,6002,A1,Z1,777']);
    expect(await differing()).toBeGreaterThan(0);
    const before = await feed();
    await republished();
    const after = await feed();
    expect(after.records.length - before.records.length).toBe(PRODUCTS - 1);
    const again = after.records.slice(before.records.length);
    expect(new Set(again.map(({ contract }) => contract))).toEqual(new Set([2]));
    expect(again.find(({ key }) => key === 'P2/-')?.body).toMatchObject({ price: { minor: 777 }, tier: 'all' });
    expect(again.map(({ key }) => key)).not.toContain('P1/-');
    expect(await differing()).toBe(0);
  });

  it('does so once, and again for what a process of the release before writes within a day', async () => {
    const { records } = await feed();
    await republished();
    expect((await feed()).records).toHaveLength(records.length);
    await imported(['P3,Product 3,6003,A1,Z1,333']);
    await republished();
    expect((await feed()).standing.get('P3/-')).toMatchObject({ contract: 2, body: { price: { minor: 333 } } });
    clock.advance(DAY_MS + 1);
    await imported(['P4,Product 4,6004,A1,Z1,444']);
    await republished();
    expect((await feed()).standing.get('P4/-')).toMatchObject({ contract: 1 });
  });
});

const NEXT: FeedShapes = {
  ...CHANGED,
  price: {
    since: 3,
    past: [
      ...CHANGED.price.past,
      { since: 2, schema: FEED_KINDS.price, upcast: (body) => ({ ...body, until: 'ever' }) },
    ],
  },
};

describe('what is published again', () => {
  it('stands behind what was written before it and is not numbered yet', async () => {
    const waiting = { product: 'P5', price: { minor: 555, per: 1 }, currency: 'ZAR', validFrom: 0, validTo: null };
    await hub.database.transaction(hub.admin.tenantId, async (tx) => {
      await publish(tx, { scope: ZONE, kind: 'price', key: 'P5/-', body: waiting });
      expect(await republish(tx, 'price', ZONE, '', NEXT)).toMatchObject({ left: [] });
    });
    await hub.numbered();
    const { standing, records } = await feed();
    expect(standing.get('P5/-')?.body).toMatchObject({ price: { minor: 555 } });
    expect(records.filter(({ key }) => key === 'P5/-').map(({ contract }) => contract)).toEqual([1, 2, 3, 1]);
    expect(await sql('SELECT FROM outbox')).toEqual([]);
  });

  it('stays staged for the release that it waits for, and leaves alone what cannot be read', async () => {
    const release = v7();
    const staged = { product: 'P6', price: { minor: 666, per: 1 }, currency: 'ZAR', validFrom: 0, validTo: null };
    const put = `INSERT INTO outbox (tenant_id, scope, kind, key, contract, release_id, deleted, body) SELECT tenant_id, $1, 'price', $2, 1, $3, false, $4 FROM tenant`;
    await sql(put, ZONE, 'P6/-', release, JSON.stringify(staged));
    await sql(put, ZONE, 'P7/-', null, '{"no": "price"}');
    await imported(['P8,Product 8,6008,A1,Z1,888']);
    const later: FeedShapes = {
      ...NEXT,
      price: { since: 4, past: [...NEXT.price.past, { since: 3, schema: FEED_KINDS.price, upcast: (body) => body }] },
    };
    await republished(later);
    const { standing } = await feed();
    expect(standing.get('P6/-')).toMatchObject({ contract: 4, release, body: { price: { minor: 666 } } });
    expect(standing.get('P7/-')).toMatchObject({ contract: 1, body: { no: 'price' } });
    expect(standing.get('P8/-')).toMatchObject({ contract: 4, body: { tier: 'all', until: 'ever' } });
  });
});
