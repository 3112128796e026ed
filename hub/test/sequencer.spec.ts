import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { bodyHashOf, feedHash, type FeedRecord } from '@branchline/replication/feed.js';
import { setTimeout as pause } from 'node:timers/promises';
import { numberOutbox } from '../src/feed/number-outbox.js';
import { publish } from '../src/feed/publish.js';
import { cursorVerdict, readFeed } from '../src/feed/read-feed.js';
import { create, startHubHarness, type HubHarness } from './hub-harness.js';

const WRITERS = 8;
const WRITES = 25;
const KEYS = 5;
let harness: HubHarness;

beforeAll(async () => {
  harness = await startHubHarness();
});
afterAll(() => harness.close());

let scope = '';
let scopes = 0;
beforeEach(() => {
  scopes += 1;
  scope = `zone:S${scopes}`;
});

const taxClass = (code: string, ratePpm: number) => ({ code, components: [{ code: 'T', ratePpm }] });

async function wholeFeed(of: string): Promise<FeedRecord[]> {
  const records: FeedRecord[] = [];
  for (;;) {
    const page = await harness.database.transaction(harness.admin.tenantId, (tx) =>
      readFeed(tx, of, { number: records.length }, 50),
    );
    records.push(...page.records);
    if (records.length === page.newest) return records;
  }
}

/** Counters that the writers hold while they publish, as a use case holds the row it changed. */
async function writeManyAtOnce(seenByNaiveCursor: () => Promise<void>): Promise<number[]> {
  await harness.database.asOwner(
    'CREATE TABLE IF NOT EXISTS spec_counter (scope text, key int, value int, PRIMARY KEY (scope, key))',
  );
  await harness.database.asOwner('GRANT ALL ON spec_counter TO branchline_app');
  for (let key = 0; key < KEYS; key += 1)
    await harness.database.asOwner('INSERT INTO spec_counter VALUES ($1, $2, 0)', [scope, key]);
  let writing = true;
  const reader = (async () => {
    while (writing) await seenByNaiveCursor();
  })();
  const write = async (writer: number): Promise<void> => {
    for (let turn = 0; turn < WRITES; turn += 1) {
      const key = (writer + turn) % KEYS;
      await harness.database.transaction(harness.admin.tenantId, async (tx) => {
        const { value } = await tx.one<{ value: number }>(
          'UPDATE spec_counter SET value = value + 1 WHERE scope = $1 AND key = $2 RETURNING value',
          [scope, key],
        );
        await publish(tx, { scope, kind: 'tax-class', key: `K${key}`, body: taxClass(`K${key}`, value) });
        // Some commit long after they took their id, which is what loses rows to a cursor over ids.
        if (turn % 5 === 0) await pause(5);
      });
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
  writing = false;
  await reader;
  const rows = await harness.database.asOwner<{ value: number }>(
    'SELECT value FROM spec_counter WHERE scope = $1 ORDER BY key',
    [scope],
  );
  return rows.map((row) => row.value);
}

describe('the sequencer', () => {
  it('numbers every record once, versions in the order of commits, while many write at once', async () => {
    const values = await writeManyAtOnce(() => pause(5));
    await harness.numbered();
    const records = await wholeFeed(scope);
    expect(records.map(({ number }) => number)).toEqual(Array.from({ length: WRITERS * WRITES }, (_, at) => at + 1));
    values.forEach((value, key) => {
      const own = records.filter((record) => record.key === `K${key}`);
      const counted = Array.from({ length: value }, (_, at) => at + 1);
      expect(own.map((record) => record.version)).toEqual(counted);
      expect(own.map((record) => (record.body['components'] as { ratePpm: number }[])[0]?.ratePpm)).toEqual(counted);
    });
    let previous = '0'.repeat(64);
    for (const { hash, body, ...record } of records) {
      expect(record.bodyHash).toBe(bodyHashOf(body));
      expect(hash).toBe(feedHash(previous, record));
      previous = hash;
    }
  });

  it('does not lose what a cursor over ids loses', async () => {
    const [slow, fast] = ['SLOW', 'FAST'];
    let cursor = 0;
    const naive: string[] = [];
    const naiveRead = async (): Promise<void> => {
      const sql = 'SELECT id, key FROM outbox WHERE scope = $1 AND id > $2 ORDER BY id';
      const rows = await harness.database.transaction(harness.admin.tenantId, (tx) =>
        tx.query<{ id: number; key: string }>(sql, [scope, cursor]),
      );
      naive.push(...rows.map(({ key }) => key));
      cursor = Math.max(cursor, ...rows.map(({ id }) => id));
    };
    const write = (key: string, before: () => Promise<void>) =>
      harness.database.transaction(harness.admin.tenantId, async (tx) => {
        await publish(tx, { scope, kind: 'tax-class', key, body: taxClass(key, 1) });
        tx.announced.clear();
        await before();
      });
    await write(slow, async () => {
      await write(fast, () => Promise.resolve());
      await naiveRead();
      await harness.database.transaction(harness.admin.tenantId, (tx) => numberOutbox(tx));
    });
    await naiveRead();
    await harness.database.transaction(harness.admin.tenantId, (tx) => numberOutbox(tx));
    expect(naive).toEqual([fast]);
    expect((await wholeFeed(scope)).map(({ key }) => key)).toEqual([fast, slow]);
  });

  it('gives no number twice when several hub processes number at once', async () => {
    for (let at = 0; at < 40; at += 1) {
      await harness.database.transaction(harness.admin.tenantId, async (tx) => {
        await publish(tx, { scope, kind: 'tax-class', key: `K${at}`, body: taxClass('K', at) });
        tx.announced.clear();
      });
    }
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        for (;;)
          if ((await harness.database.transaction(harness.admin.tenantId, (tx) => numberOutbox(tx, 3))) === 0) return;
      }),
    );
    expect((await wholeFeed(scope)).map(({ key }) => key)).toEqual(Array.from({ length: 40 }, (_, at) => `K${at}`));
  });

  it('publishes nothing of a transaction that fails', async () => {
    const failing = harness.database.transaction(harness.admin.tenantId, async (tx) => {
      await publish(tx, { scope, kind: 'tax-class', key: 'K', body: taxClass('K', 1) });
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    await harness.numbered();
    expect(await wholeFeed(scope)).toEqual([]);
  });

  it('completes a release over several batches with the last number of each scope', async () => {
    const release = '01940000-0000-7000-8000-000000000001';
    await harness.database.transaction(harness.admin.tenantId, async (tx) => {
      for (let at = 0; at < 5; at += 1)
        await publish(tx, { scope, kind: 'tax-class', key: `K${at}`, body: taxClass('K', at), release });
      await publish(tx, { scope: 'tenant', kind: 'release', key: release, body: { release, needs: {} } });
      tx.announced.clear();
    });
    let numbered = 1;
    while (numbered > 0)
      numbered = await harness.database.transaction(harness.admin.tenantId, (tx) => numberOutbox(tx, 2));
    const final = (await wholeFeed('tenant')).find(({ key }) => key === release);
    expect(final?.body).toEqual({ release, needs: { [scope]: 5 } });
    expect(final?.bodyHash).toBe(bodyHashOf(final?.body ?? {}));
  });

  it('comes back by itself to what a process that died has left', async () => {
    await harness.database.transaction(harness.admin.tenantId, async (tx) => {
      await publish(tx, { scope, kind: 'tax-class', key: 'LEFT', body: taxClass('LEFT', 1) });
      tx.announced.clear();
    });
    const untilMs = Date.now() + 15_000;
    while ((await wholeFeed(scope)).length === 0 && Date.now() < untilMs) await pause(100);
    expect((await wholeFeed(scope)).map(({ key }) => key)).toEqual(['LEFT']);
  });

  it('keeps the numbers of tenants apart', async () => {
    const other = await harness.newTenant('OTHER');
    await create(other.api, '/v1/tax-classes', { code: 'OTHERS', components: [] });
    await harness.numbered();
    const theirs = await harness.database.transaction(other.tenantId, (tx) => readFeed(tx, 'tenant', { number: 0 }));
    expect(theirs.records.map(({ number, key }) => [number, key])).toEqual([[1, 'OTHERS']]);
    expect(JSON.stringify(await wholeFeed('tenant'))).not.toContain('OTHERS');
  });
});

describe('a cursor', () => {
  it('is told when the feed is another one', async () => {
    await create(harness.admin.api, '/v1/tax-classes', { code: 'C1', components: [] });
    await harness.numbered();
    const inTenant = <T>(work: Parameters<typeof harness.database.transaction<T>>[1]) =>
      harness.database.transaction(harness.admin.tenantId, work);
    const { records, newest } = await inTenant((tx) => readFeed(tx, 'tenant', { number: 0 }));
    const last = records.at(-1);
    if (!last) throw new Error('the feed is empty');
    expect((await inTenant((tx) => readFeed(tx, 'tenant', last))).records).toEqual([]);
    await expect(inTenant((tx) => readFeed(tx, 'tenant', { number: newest + 1 }))).rejects.toMatchObject({
      code: 'feed-fork',
    });
    await expect(
      inTenant((tx) => readFeed(tx, 'tenant', { number: newest, hash: 'a'.repeat(64) })),
    ).rejects.toMatchObject({ code: 'feed-fork' });
    expect(await inTenant((tx) => cursorVerdict(tx, 'tenant', { number: newest + 5, hash: last.hash }))).toEqual({
      verdict: 'ahead',
      newest,
    });
    expect((await inTenant((tx) => cursorVerdict(tx, 'tenant', { number: 1, hash: last.hash }))).verdict).toBe(
      newest === 1 ? 'ok' : 'fork',
    );
  });
});
