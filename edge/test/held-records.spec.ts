import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FEED_SHAPES, type KindShapes } from '@branchline/replication/contracts.js';
import { v7 } from 'uuid';
import { z } from 'zod';
import { FEED_ROWS } from '../src/feed-appliers.js';
import { feedBody } from '../src/feed-record.js';
import { readCursor } from '../src/replicator/feed-cursors.js';
import { insertStaged, RANK_HELD, rankOf, type RecordToStage } from '../src/replicator/feed-staging.js';
import { applySnapshot } from '../src/replicator/snapshot-applying.js';
import { readSyncLog } from '../src/replicator/sync-log.js';
import { FakeHub, type Published } from '../src/replicator/testing/fake-hub.js';
import { eventually, replicatorOn } from '../src/replicator/testing/replicator-fixture.js';
import type { Replicator } from '../src/replicator/replicator.js';
import type { Store } from '../src/store/store.js';
import { storeFixture, writeRows, type StoreFixture } from '../src/store/testing/store-fixture.js';

const ZONE = 'zone:Z1';

let fixture: StoreFixture;
let store: Store;
let hub: FakeHub;
let replicator: Replicator;

beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
  hub = await FakeHub.start(fixture.box);
  hub.scopes = ['tenant', ZONE];
  replicator = replicatorOn(store, hub.url).replicator;
});
afterEach(async () => {
  await replicator.stop();
  await store.close();
  await hub.close();
  fixture.remove();
});

function price(product: string, minor: number, version: number, more: Partial<Published> = {}): Published {
  const body = { product, price: { minor, per: 1 }, currency: 'ZAR', validFrom: 0, validTo: null };
  return { kind: 'price', key: `${product}/-`, version, body, ...more };
}

const minorOf = (code: string): number | undefined =>
  store.reads.get<{ minor: number }>('SELECT minor FROM price WHERE product = ?', code)?.minor;
const staged = () => store.reads.all('SELECT kind, key, contract, rank FROM feed_staged ORDER BY no');
const told = (event: string): string[] =>
  readSyncLog(store.reads, 1_000, null)
    .filter((entry) => entry.event === event)
    .map(({ detail }) => detail);
const arrived = (): Promise<void> =>
  eventually('the feed', () => readCursor(store.reads, ZONE)?.number === (hub.feeds.get(ZONE)?.length ?? 0));

/** As the file is after a release held it: with the cursor behind it, so that it is never fetched again. */
async function heldBefore(...records: (Partial<RecordToStage> & Pick<RecordToStage, 'kind' | 'key' | 'body'>)[]) {
  hub.publish(ZONE, price('P0', 1, 1));
  replicator.start();
  await eventually('the feed', () => minorOf('P0') === 1);
  await replicator.stop();
  await writeRows(store, (tx) => {
    for (const record of records) {
      const whole = { number: 1, version: 1, contract: 1, release: null, deleted: false, ...record };
      insertStaged(tx, readCursor(tx, ZONE) ?? { take: 0 }, whole, RANK_HELD);
    }
  });
  // There is no line, and it takes none.
  replicator = replicatorOn(store, 'http://127.0.0.1:1').replicator;
}

describe('a record of a contract to come', () => {
  it('is held for its own kind alone, told, and replaced by a later one that is understood', async () => {
    hub.publish(ZONE, price('P1', 100, 1, { contract: 2 }), price('P2', 200, 1));
    replicator.start();
    await eventually('the other price', () => minorOf('P2') === 200);
    expect(staged()).toEqual([{ kind: 'price', key: 'P1/-', contract: 2, rank: RANK_HELD }]);
    expect(told('feed-held')).toEqual([expect.stringContaining('contract 2, known here up to 1')]);
    expect(minorOf('P1')).toBeUndefined();
    hub.publish(ZONE, price('P1', 101, 2));
    await eventually('the price', () => minorOf('P1') === 101);
    await arrived();
    expect(staged()).toEqual([]);
  });

  it('is held out of a snapshot too, without going through it again', async () => {
    replicator.start();
    await eventually('a taking', () => readCursor(store.reads, ZONE) !== undefined);
    await replicator.stop();
    const { take } = readCursor(store.reads, ZONE) ?? { take: 0 };
    const records = [price('P1', 1, 1, { contract: 2 }), price('P2', 2, 1)].map((record, at) => {
      const { kind, key, version, contract = 1, body } = record;
      return {
        number: at + 1,
        kind,
        key,
        version,
        contract,
        release: null,
        deleted: 0 as const,
        body: JSON.stringify(body),
      };
    });
    const rows = { take, records, held: [], atOnce: true };
    await store.writer.background(applySnapshot(FEED_ROWS), rows, { at: 0 });
    expect(staged()).toEqual([{ kind: 'price', key: 'P1/-', contract: 2, rank: RANK_HELD }]);
    expect(store.reads.all('SELECT product FROM feed_price')).toEqual([{ product: 'P2' }]);
  });
});

describe('what an older release held', () => {
  it('goes in at the first start of one that understands it, also without a line', async () => {
    const { body } = price('P1', 5, 3);
    await heldBefore({ kind: 'price', key: 'P1/-', version: 3, body }, { kind: 'teleport', key: 'T1', body: {} });
    replicator.start();
    await eventually('the price', () => minorOf('P1') === 5);
    expect(staged()).toMatchObject([{ kind: 'teleport', rank: RANK_HELD }]);
    expect(told('feed-understood')).toEqual(['1 records that were held are understood by this release']);
  });

  it('of a release goes in with it, once the release itself is understood', async () => {
    const release = v7();
    const { body } = price('P1', 6, 1);
    await heldBefore(
      { kind: 'price', key: 'P1/-', release, body },
      { kind: 'release', key: release, body: { release, needs: { [ZONE]: 1 } } },
    );
    replicator.start();
    await eventually('the price', () => minorOf('P1') === 6);
    expect(staged()).toEqual([]);
  });

  it('and deleted since goes', async () => {
    await heldBefore({ kind: 'price', key: 'P0/-', version: 2, deleted: true, body: {} });
    expect(minorOf('P0')).toBe(1);
    replicator.start();
    await eventually('no price', () => minorOf('P0') === undefined);
  });
});

describe('a record of a past contract', () => {
  /** As a release two contracts on has it, had prices been bare numbers before. */
  const prices: KindShapes = {
    since: 3,
    past: [
      {
        since: 1,
        schema: z.looseObject({ minor: z.int() }),
        upcast: ({ minor, ...body }) => ({ ...body, price: { minor: Number(minor), per: 1 } }),
      },
    ],
  };
  const shapes = { ...FEED_SHAPES, price: prices };
  const { price: _now, ...without } = price('P1', 7, 1).body as Record<string, unknown>;
  const before = { ...without, minor: 7, flat: 1 };

  it.each([1, 2])('%i is read as if it had been published today', (contract) => {
    expect(feedBody('price', { contract, body: before }, shapes)).toEqual({ ...price('P1', 7, 1).body, flat: 1 });
    const record = { kind: 'price', contract, deleted: false, release: null, body: before };
    expect(rankOf(record, shapes)).toEqual({ rank: 0, heldFor: null });
  });

  it('that is none is held, with the contract named', () => {
    const record = { kind: 'price', contract: 1, deleted: false, release: null, body: { ...before, minor: 'seven' } };
    expect(rankOf(record, shapes)).toMatchObject({
      rank: RANK_HELD,
      heldFor: expect.stringContaining('as of contract 1'),
    });
  });
});
