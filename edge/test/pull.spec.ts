import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { v7 } from 'uuid';
import { FEED_ROWS } from '../src/feed-appliers.js';
import { FakeHub, type Published } from '../src/replicator/testing/fake-hub.js';
import {
  eventually,
  journalFacts,
  queueOf,
  replicatorOn,
  type RunningReplicator,
} from '../src/replicator/testing/replicator-fixture.js';
import { readCursor } from '../src/replicator/feed-cursors.js';
import { readSyncLog } from '../src/replicator/sync-log.js';
import type { Store } from '../src/store/store.js';
import { storeFixture, type StoreFixture, writeRows } from '../src/store/testing/store-fixture.js';

const ZONE = 'zone:Z1';
const ASSORTMENT = 'assortment:A1';

let fixture: StoreFixture;
let store: Store;
let hub: FakeHub;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
  hub = await FakeHub.start(fixture.box);
  hub.scopes = [ASSORTMENT, 'tenant', ZONE];
});

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await store.close();
  await hub.close();
  fixture.remove();
});

function started(overrides: Parameters<typeof replicatorOn>[2] = {}): RunningReplicator {
  const running = replicatorOn(store, hub.url, overrides);
  stops.push(() => running.replicator.stop());
  running.replicator.start();
  return running;
}

/** By a clock that each look moves on, so that a slice ends as early as it may. */
async function withSmallSlices(): Promise<void> {
  let nowMs = 0;
  await store.close();
  store = await fixture.open({ stopwatch: () => (nowMs += 5) });
}

function price(product: string, minor: number, version: number, release: string | null = null): Published {
  const body = { product, price: { minor, per: 1 }, currency: 'ZAR', validFrom: 0, validTo: null };
  return { kind: 'price', key: `${product}/-`, version, release, body };
}

function product(code: string, version: number, release: string | null = null): Published {
  const body = {
    ...{ code, name: `Product ${code}`, category: null, department: null, brand: null, packSize: null, taxClass: null },
    ...{ fractional: false, barcodes: [`600${code}`], active: true },
  };
  return { kind: 'product', key: code, version, release, body };
}

const count = (table: string, where = '1'): number =>
  store.reads.get<{ rows: number }>(`SELECT count(*) AS rows FROM ${table} WHERE ${where}`)?.rows ?? 0;
const minorOf = (code: string): number | undefined =>
  store.reads.get<{ minor: number }>('SELECT minor FROM price WHERE product = ?', code)?.minor;
const numberOf = (scope: string): number => readCursor(store.reads, scope)?.number ?? 0;
const arrived = (scope: string): Promise<void> =>
  eventually(`all of ${scope}`, () => numberOf(scope) === (hub.feeds.get(scope)?.length ?? 0) && numberOf(scope) > 0);
const staged = (): number => count('feed_staged');
const logged = (): string[] => readSyncLog(store.reads, 1_000, null).map(({ event }) => event);

describe('a pull', () => {
  it('takes each scope page by page until it is at its end, and applies what came', async () => {
    hub.pageRecordsMax = 70;
    hub.publish(ZONE, ...Array.from({ length: 333 }, (_, at) => price(`P${at}`, at, 1)));
    hub.publish(ASSORTMENT, product('P1', 1));
    started();
    await arrived(ZONE);
    await eventually('333 prices', () => count('price') === 333 && staged() === 0);
    expect(minorOf('P332')).toBe(332);
    expect(store.reads.get('SELECT product FROM barcode WHERE barcode = ?', '600P1')).toEqual({ product: 'P1' });
    expect(readCursor(store.reads, ZONE)).toMatchObject({
      hubEpoch: hub.hubEpoch,
      hash: hub.feeds.get(ZONE)?.at(-1)?.hash,
    });
  });

  it('takes deletions, and ignores what is older than what stands', async () => {
    hub.publish(ZONE, price('P1', 100, 5), price('P2', 100, 1), price('P1', 50, 4), {
      ...price('P2', 0, 2),
      deleted: true,
      body: {},
    });
    started();
    await arrived(ZONE);
    await eventually('it is applied', () => staged() === 0 && minorOf('P1') === 100);
    expect(minorOf('P2')).toBeUndefined();
  });

  it('does not wait for a push in trouble, nor the push for a pull in trouble', async () => {
    hub.intercept = ({ route }) => (route.endsWith('/push') ? { status: 503, body: {} } : null);
    await journalFacts(store, 2);
    hub.publish(ZONE, price('P1', 1, 1));
    started();
    await arrived(ZONE);
    expect(queueOf(store)).toBe(3);
    hub.intercept = ({ route }) => (route.startsWith('GET') ? { status: 503, body: {} } : null);
    await eventually('an empty queue', () => queueOf(store) === 0);
  });

  it.each([
    [
      'a body other than was hashed',
      (records: Record<string, unknown>[]) =>
        records.map((record) => ({ ...record, body: { ...price('P1', 1, 1).body } })),
    ],
    ['a record missing in the middle', (records: Record<string, unknown>[]) => records.toSpliced(1, 1)],
    ['records in another order', (records: Record<string, unknown>[]) => records.toReversed()],
    [
      'another version than was chained',
      (records: Record<string, unknown>[]) => records.map((record) => ({ ...record, version: 99 })),
    ],
  ])('stages nothing of a page with %s, and leaves the cursor; other scopes go on', async (_what, bend) => {
    hub.bend = ({ route }, reply) => {
      if (!route.includes(`feed/${encodeURIComponent(ASSORTMENT)}`)) return reply;
      const page = reply.body as { records: Record<string, unknown>[] };
      return { ...reply, body: { ...page, records: bend(page.records) } };
    };
    hub.publish(ASSORTMENT, product('P1', 1), product('P2', 1), product('P3', 1));
    hub.publish(ZONE, price('P1', 1, 1));
    const { replicator } = started();
    await arrived(ZONE);
    await eventually('an alarm', () => logged().includes('feed-corrupt') && replicator.figures().attempts > 0);
    expect([numberOf(ASSORTMENT), staged(), count('product')]).toEqual([0, 0, 0]);
  });

  it('never has its cursor ahead of what is staged', async () => {
    await writeRows(store, (tx) =>
      tx.run(
        `CREATE TRIGGER broken BEFORE INSERT ON feed_staged WHEN NEW.number = 120 BEGIN SELECT RAISE(ABORT, 'broken'); END`,
      ),
    );
    hub.publish(ZONE, ...Array.from({ length: 130 }, (_, at) => price(`P${at}`, at, 1)));
    await withSmallSlices();
    const { replicator } = started();
    await eventually('a failed attempt', () => replicator.figures().attempts > 0);
    await eventually('what came before', () => count('price') + staged() === 100);
    expect(numberOf(ZONE)).toBe(100);
    await writeRows(store, (tx) => tx.run('DROP TRIGGER broken'));
    await arrived(ZONE);
    await eventually('all prices', () => count('price') === 130);
  });

  it('applies what a run before it held, of an older release perhaps, where it can', async () => {
    hub.publish(ZONE, price('P1', 1, 1));
    const deaf = () => {
      throw new Error('stopped');
    };
    const { replicator } = started({ kinds: { ...FEED_ROWS, price: { ...FEED_ROWS.price, apply: deaf } } });
    await arrived(ZONE);
    await eventually('the record is held', () => logged().includes('feed-held'));
    await replicator.stop();
    await store.close();
    store = await fixture.open();
    started();
    await eventually('the price', () => minorOf('P1') === 1);
  });
});

describe('a record that cannot be applied', () => {
  it('of a kind that is not known is held and holds up nothing', async () => {
    hub.publish(ZONE, { kind: 'teleport', key: 'T1', version: 1, body: { to: 'B002' } }, price('P1', 1, 1));
    started();
    await eventually('the price', () => minorOf('P1') === 1);
    expect(store.reads.all('SELECT kind, key, body FROM feed_staged')).toEqual([
      { kind: 'teleport', key: 'T1', body: '{"to":"B002"}' },
    ]);
    expect(logged()).toContain('feed-held');
  });

  it('for its body is held with the reason and holds up nothing', async () => {
    hub.publish(ZONE, { ...price('P0', 1, 1), body: { product: 'P0' } }, price('P1', 1, 1));
    started();
    await eventually('the price', () => minorOf('P1') === 1);
    expect(count('feed_staged')).toBe(1);
    expect(readSyncLog(store.reads, 100, null).find(({ event }) => event === 'feed-held')?.detail).toContain(
      'price P0',
    );
  });

  it('for a row that will not go in is held, and those around it go in', async () => {
    await writeRows(store, (tx) =>
      tx.run(
        `CREATE TRIGGER rule BEFORE INSERT ON feed_price WHEN NEW.minor = 7 BEGIN SELECT RAISE(ABORT, 'seven'); END`,
      ),
    );
    hub.publish(ZONE, ...Array.from({ length: 20 }, (_, at) => price(`P${at}`, at, 1)));
    const { alarms } = started();
    await eventually('19 prices', () => count('price') === 19);
    expect(store.reads.all('SELECT key FROM feed_staged')).toEqual([{ key: 'P7/-' }]);
    expect(alarms.some((alarm) => alarm.includes('seven'))).toBe(true);
  });
});

describe('a release', () => {
  const release = v7();
  const final = (needs: Record<string, number>): Published => ({
    kind: 'release',
    key: release,
    version: 1,
    body: { release, needs },
  });

  it('stays staged until its final record has come and its scopes are there', async () => {
    hub.publish(ZONE, price('P1', 100, 1), price('P1', 200, 2, release), price('P2', 300, 1, release));
    started();
    await arrived(ZONE);
    await eventually('what stands alone', () => minorOf('P1') === 100);
    expect(staged()).toBe(2);
    hub.publish('tenant', final({ [ZONE]: 4, 'zone:OTHER': 1_000_000 }));
    await arrived('tenant');
    // What came a round later is applied: the round before has ended, and with it all it could activate.
    hub.publish('tenant', { kind: 'tax-class', key: 'STD', version: 1, body: { code: 'STD', components: [] } });
    await eventually('the tax class', () => count('tax_class') === 1);
    expect([minorOf('P1'), minorOf('P2'), staged()]).toEqual([100, undefined, 2]);
    hub.publish(ZONE, price('P3', 400, 1, release));
    await eventually('the release', () => staged() === 0);
    expect([minorOf('P1'), minorOf('P2'), minorOf('P3')]).toEqual([200, 300, 400]);
  });

  it('of one slice is seen whole or not at all', async () => {
    hub.publish(ZONE, ...Array.from({ length: 50 }, (_, at) => price(`P${at}`, at, 1, release)));
    hub.publish('tenant', final({ [ZONE]: 50 }));
    const seen = new Set<number>();
    await withSmallSlices();
    started();
    await eventually('the release', () => {
      seen.add(count('price'));
      return count('price') === 50;
    });
    expect([...seen].every((rows) => rows === 0 || rows === 50)).toBe(true);
  });

  it('larger than a slice never shows a product without its price', async () => {
    const rows = Array.from({ length: 400 }, (_, at) => at);
    hub.publish(ASSORTMENT, ...rows.map((at) => product(`P${at}`, 1, release)));
    hub.publish(ZONE, ...rows.map((at) => price(`P${at}`, at + 1, 1, release)));
    hub.publish('tenant', final({ [ZONE]: 400, [ASSORTMENT]: 400 }));
    started();
    await eventually('the release', () => {
      expect(count('product', 'NOT EXISTS (SELECT 1 FROM price WHERE price.product = product.code)')).toBe(0);
      return count('product') === 400;
    });
  });

  it('does not undo what came after its record and stands alone', async () => {
    hub.publish(
      ZONE,
      price('P1', 100, 1, release),
      { ...price('P1', 0, 2), deleted: true, body: {} },
      price('P2', 200, 1, release),
    );
    hub.publish('tenant', final({ [ZONE]: 3 }));
    started();
    await eventually('the release', () => minorOf('P2') === 200 && staged() === 0);
    expect(minorOf('P1')).toBeUndefined();
  });

  it('long past is applied again to a scope that is joined later', async () => {
    hub.scopes = ['tenant'];
    hub.publish('tenant', final({ [ZONE]: 1 }));
    const { replicator } = started();
    await arrived('tenant');
    await replicator.stop();
    hub.scopes = ['tenant', ZONE];
    hub.publish(ZONE, price('P1', 100, 1, release));
    started();
    await eventually('the price', () => minorOf('P1') === 100);
    expect(logged()).toContain('scope-joined');
  });
});

describe('a hub that was restored', () => {
  it('is followed again from the start, whatever the versions here', async () => {
    hub.publish(ZONE, price('P1', 100, 7), price('P2', 100, 7));
    started();
    await eventually('two prices', () => count('price') === 2);
    hub.feeds.delete(ZONE);
    hub.hubEpoch = randomUUID();
    hub.publish(ZONE, price('P1', 90, 3), price('P3', 70, 1), price('P2', 80, 2));
    await eventually('the prices of the new epoch', () => minorOf('P2') === 80);
    expect([minorOf('P1'), minorOf('P3'), staged()]).toEqual([90, 70, 0]);
    expect(readCursor(store.reads, ZONE)).toMatchObject({ hubEpoch: hub.hubEpoch, number: 3 });
  });

  it('with another history of the same length is noticed by the hash', async () => {
    hub.publish(ZONE, price('P1', 100, 2));
    started();
    await eventually('the price', () => minorOf('P1') === 100);
    hub.feeds.delete(ZONE);
    hub.publish(ZONE, price('P1', 60, 1));
    await eventually('the other price', () => minorOf('P1') === 60);
    expect(logged()).toContain('feed-fork');
  });
});
