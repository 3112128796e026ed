import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { v7 } from 'uuid';
import { bodyHashOf } from '@branchline/replication/feed.js';
import { FEED_ROWS } from '../src/feed-appliers.js';
import { readCursors } from '../src/replicator/feed-cursors.js';
import { FakeHub, type Published } from '../src/replicator/testing/fake-hub.js';
import { eventually, replicatorOn, type RunningReplicator } from '../src/replicator/testing/replicator-fixture.js';
import type { Store } from '../src/store/store.js';
import { storeFixture, writeRows, type StoreFixture } from '../src/store/testing/store-fixture.js';
import { saleBody } from '../../hub/test/journal-builder.js';

const [OLD, NEW, ASSORTMENT] = ['zone:OLD', 'zone:NEW', 'assortment:A1'];

let fixture: StoreFixture;
let store: Store;
let hub: FakeHub;
let running: RunningReplicator | undefined;

beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
  hub = await FakeHub.start(fixture.box);
  hub.scopes = ['tenant', ASSORTMENT, OLD];
});

afterEach(async () => {
  await running?.replicator.stop();
  running = undefined;
  await store.close();
  await hub.close();
  fixture.remove();
});

function start(): RunningReplicator {
  running = replicatorOn(store, hub.url);
  running.replicator.start();
  return running;
}

/** As a nudge after head office moved the branch would do: hello comes with the next round. */
async function move(scopes: string[]): Promise<void> {
  await running?.replicator.stop();
  hub.scopes = scopes;
  start();
}

function price(product: string, minor: number, version = 1, release: string | null = null): Published {
  const body = { product, price: { minor, per: 1 }, currency: 'ZAR', validFrom: 0, validTo: null };
  return { kind: 'price', key: `${product}/-`, version, release, body };
}

function product(code: string, version = 1, release: string | null = null): Published {
  const body = {
    ...{ code, name: `Product ${code}`, category: null, department: null, brand: null, packSize: null, taxClass: null },
    ...{ fractional: false, barcodes: [`600${code}`], active: true },
  };
  return { kind: 'product', key: code, version, release, body };
}

const released = (release: string, needs: Record<string, number>): Published => {
  return { kind: 'release', key: release, version: 1, body: { release, needs } };
};

const rows = (sql: string): number =>
  store.reads.get<{ rows: number }>(`SELECT count(*) AS rows FROM ${sql}`)?.rows ?? 0;
const minorOf = (code: string): number | undefined =>
  store.reads.get<{ minor: number }>('SELECT minor FROM price WHERE product = ?', code)?.minor;
const settled = (): boolean => rows('feed_take WHERE visible = 0 OR pulled = 0') === 0;
const many = (minor: number, count = 300): Published[] =>
  Array.from({ length: count }, (_, at) => price(`P${at}`, minor));

describe('a branch that moves to another price zone', () => {
  beforeEach(async () => {
    hub.publish(OLD, ...many(100), price('GONE', 1));
    hub.publish(NEW, ...many(200), price('FRESH', 2));
    hub.publish(ASSORTMENT, ...Array.from({ length: 300 }, (_, at) => product(`P${at}`)));
    hub.pageRecordsMax = 100;
    start();
    await eventually('the old zone', () => minorOf('P299') === 100 && rows('product') === 300 && settled());
  });

  it('sells by the old prices until the new ones are all there, and then by those alone', async () => {
    const seen = new Set<string>();
    let isHeld = true;
    hub.intercept = ({ route }) => {
      seen.add(`${rows('price')} ${minorOf('P0')} ${minorOf('P299')} ${minorOf('GONE')} ${minorOf('FRESH')}`);
      return isHeld && route.includes(encodeURIComponent(NEW)) && route.includes('after=200')
        ? { status: 503, body: {} }
        : null;
    };
    await move(['tenant', ASSORTMENT, NEW]);
    await eventually('two thirds of the new zone', () => rows('feed_price WHERE minor = 200') === 200);
    expect([...seen]).toEqual(['301 100 100 1 undefined']);
    isHeld = false;
    await eventually('the new zone', () => minorOf('P0') === 200);
    seen.add(`${rows('price')} ${minorOf('P0')} ${minorOf('P299')} ${minorOf('GONE')} ${minorOf('FRESH')}`);
    expect([...seen]).toEqual(['301 100 100 1 undefined', '301 200 200 undefined 2']);
    await eventually('nothing left of the old', () => rows('feed_price') === 301 && settled());
    expect(readCursors(store.reads).map(({ scope }) => scope)).toEqual([ASSORTMENT, 'tenant', NEW]);
  });

  it('and back before the new ones came goes on where it was', async () => {
    hub.intercept = ({ route }) => (route.includes(encodeURIComponent(NEW)) ? { status: 503, body: {} } : null);
    await move(['tenant', ASSORTMENT, NEW]);
    await eventually('the new zone is asked for', () => hub.requests.some((route) => route.includes('zone%3ANEW')));
    hub.publish(OLD, price('P0', 101, 2));
    hub.requests.length = 0;
    await move(['tenant', ASSORTMENT, OLD]);
    await eventually('the news of the old zone', () => minorOf('P0') === 101 && settled());
    expect(hub.requests.some((route) => route.includes('zone%3AOLD?after=0'))).toBe(false);
    expect(rows('feed_price')).toBe(301);
  });

  it('never shows a product of a release without its price', async () => {
    const release = v7();
    hub.publish(NEW, price('LATE', 5, 1, release));
    hub.publish(ASSORTMENT, product('LATE', 1, release));
    hub.publish('tenant', released(release, { [NEW]: 302, [OLD]: 999, [ASSORTMENT]: 301 }));
    const late = new Set<string>();
    hub.intercept = () => {
      late.add(`${rows(`product WHERE code = 'LATE'`)} ${minorOf('LATE')}`);
      return null;
    };
    await move(['tenant', ASSORTMENT, NEW]);
    await eventually('the product', () => {
      const state = `${rows(`product WHERE code = 'LATE'`)} ${minorOf('LATE')}`;
      late.add(state);
      return state === '1 5';
    });
    expect(late).not.toContain('1 undefined');
  });

  it('waits for a scope in trouble, and sells on', async () => {
    hub.bend = ({ route }, reply) => {
      if (!route.includes(`feed/${encodeURIComponent(NEW)}`)) return reply;
      const page = reply.body as { records: Record<string, unknown>[] };
      return { ...reply, body: { ...page, records: page.records.toReversed() } };
    };
    await move(['tenant', ASSORTMENT, NEW]);
    const { replicator } = running as RunningReplicator;
    await eventually('a few attempts', () => replicator.figures().attempts > 3);
    expect([minorOf('P0'), rows('price'), rows('product')]).toEqual([100, 301, 300]);
  });
});

describe('a scope that is left', () => {
  it('takes its rows with it when nothing comes in its place', async () => {
    hub.publish(OLD, ...many(100));
    start();
    await eventually('the prices', () => rows('price') === 300);
    await move(['tenant', ASSORTMENT]);
    await eventually('no price', () => rows('feed_price') === 0 && settled());
    expect(readCursors(store.reads).map(({ scope }) => scope)).toEqual([ASSORTMENT, 'tenant']);
  });

  it('is cleared away in the end when the edge died before', async () => {
    hub.publish(OLD, ...many(100, 900));
    start();
    await eventually('the prices', () => rows('price') === 900);
    await running?.replicator.stop();
    await writeRows(store, (tx) => tx.run(`UPDATE feed_take SET pulled = 0, visible = 0 WHERE scope = '${OLD}'`));
    hub.scopes = ['tenant', ASSORTMENT];
    start();
    await eventually('no row of it', () => rows('feed_price') === 0 && settled());
  });
});

describe('a hub that was restored from a backup', () => {
  it('is taken again: what it no longer has vanishes, lower versions stand, and until then the old is sold', async () => {
    hub.publish(OLD, price('P1', 100, 7), price('LOST', 100, 1));
    start();
    await eventually('two prices', () => rows('price') === 2 && settled());
    hub.feeds.delete(OLD);
    hub.hubEpoch = randomUUID();
    hub.publish(OLD, price('P1', 90, 3), price('P2', 80, 2));
    hub.pageRecordsMax = 1;
    const seen = new Set<string>();
    hub.intercept = () => {
      seen.add(`${minorOf('P1')} ${minorOf('P2')} ${minorOf('LOST')}`);
      return null;
    };
    await eventually('the prices of the new epoch', () => minorOf('P2') === 80 && settled());
    expect(minorOf('LOST')).toBeUndefined();
    await eventually('one more round', () => seen.has('90 80 undefined'));
    expect([...seen]).toEqual(['100 undefined 100', '90 80 undefined']);
    expect(rows('feed_price')).toBe(2);
  });
});

describe('the rows of every kind', () => {
  const CONFLICT = '01890000-0000-7000-8000-000000000001';
  const bodies: Record<keyof typeof FEED_ROWS, [string, Record<string, unknown>]> = {
    product: [
      'P1',
      {
        ...{ code: 'P1', name: 'Milk', category: null, department: 'D', brand: null, packSize: '1 l', taxClass: 'STD' },
        ...{ fractional: true, barcodes: ['2', '1', '2'], active: false, allergens: ['milk'] },
      },
    ],
    price: [
      'P1/-',
      {
        ...{ product: 'P1', price: { minor: 999, per: 0.35, minimum: 5 }, currency: 'ZAR' },
        ...{ validFrom: 0, validTo: null, campaign: 'x' },
      },
    ],
    'tax-class': ['STD', { code: 'STD', components: [{ code: 'VAT', ratePpm: 150_000, law: '§ 7' }], since: 1 }],
    'branch-settings': [
      'settings',
      {
        ...{ code: 'B001', name: 'B', timeZone: 'UTC', cutOffMinutes: 0, currency: 'ZAR', taxRounding: 'line' },
        ...{ defaultTaxClass: null, priceZone: 'Z', assortment: 'A', region: 'R', receiptName: 'B', motto: 'm' },
      },
    ],
    correction: [
      CONFLICT,
      {
        ...{ conflict: CONFLICT, sale: CONFLICT, contentHash: '0'.repeat(64), replacement: null, ifDiffers: true },
        ...{ body: saleBody('B001', 1, 1, { id: CONFLICT }), why: 'told twice' },
      },
    ],
    'work-lists': [
      'lists',
      {
        ...{ at: 1, quarantine: { waiting: 0, oldestAt: null, items: [] }, more: true },
        conflicts: { open: 0, oldestAt: null, items: [] },
      },
    ],
    operator: [
      'M1',
      {
        operator: 'M1',
        name: 'M',
        grants: [{ role: 'r', scope: 'tenant' }],
        pinVerifier: null,
        active: true,
        badge: 7,
      },
    ],
    customer: [
      '019fa000-0000-7000-8000-000000000001',
      {
        id: '019fa000-0000-7000-8000-000000000001',
        fields: { language: { value: 'en', edits: [], hlc: '000000000001-0000', said: 'aloud' }, shoeSize: 7 },
        judged: {},
        segment: 'x',
      },
    ],
    erasure: [
      '019fa000-0000-7000-8000-000000000002',
      { person: '019fa000-0000-7000-8000-000000000002', reason: 'asked' },
    ],
    'device-code': ['a'.repeat(64), { codeHash: 'a'.repeat(64), till: 'T1', expiresAt: 5, floor: 2 }],
  };

  it.each(Object.keys(FEED_ROWS) as (keyof typeof FEED_ROWS)[])(
    'of %s give back what was applied, to the byte, and only of their taking',
    async (kind) => {
      const { apply, bodies: bodiesOf, drop } = FEED_ROWS[kind];
      const [key, body] = bodies[kind];
      await writeRows(store, (tx) => {
        apply(tx, { take: 1, key, version: 3, contract: 1, deleted: false, body });
        apply(tx, { take: 2, key, version: 4, contract: 1, deleted: false, body });
      });
      const read = bodiesOf(store.reads, { take: 1, after: '', limit: 10 });
      expect(read.map((row) => [row.key, row.version, bodyHashOf(row.body)])).toEqual([[key, 3, bodyHashOf(body)]]);
      expect(bodiesOf(store.reads, { take: 1, after: key, limit: 10 })).toEqual([]);
      await writeRows(store, (tx) => void drop(tx, 1, ''));
      expect(bodiesOf(store.reads, { take: 1, after: '', limit: 10 })).toEqual([]);
      expect(bodiesOf(store.reads, { take: 2, after: '', limit: 10 })).toHaveLength(1);
      await writeRows(store, (tx) => apply(tx, { take: 2, key, version: 5, contract: 1, deleted: true, body: {} }));
      expect(bodiesOf(store.reads, { take: 2, after: '', limit: 10 })).toEqual([]);
    },
  );
});
