import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock, systemClock } from '@branchline/domain/clock.js';
import { bodyHashOf, feedHash, type FeedPage, type FeedRecord } from '@branchline/replication/feed.js';
import { SNAPSHOT_HEADER, snapshotFactsSchema, type SnapshotRecord } from '@branchline/replication/snapshot.js';
import type { AxiosResponse } from 'axios';
import BetterSqlite3 from 'better-sqlite3';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { v7 } from 'uuid';
import type { Tx } from '../src/database/unit-of-work.js';
import { BytesCache } from '../src/feed/bytes-cache.js';
import { byteRange } from '../src/feed/byte-range.js';
import { numberOutbox } from '../src/feed/number-outbox.js';
import { publish } from '../src/feed/publish.js';
import { cursorVerdict, readFeed } from '../src/feed/read-feed.js';
import { Retirer } from '../src/feed/retirer.js';
import { apiAtSync, TestBox } from './test-box.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';

const DAY_MS = 86_400_000;
const ZONE = 'zone:Z1';
const START = '0'.repeat(64);

let harness: HubHarness;
let clock: ManualClock;
let box: TestBox;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-spec-'));
  clock = new ManualClock(systemClock.now());
  harness = await startHubHarness(clock);
  await createPlaces(harness.admin.api);
  await createBranch(harness.admin.api, 'B001');
});
afterAll(async () => {
  await harness.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Each spec has the feed of the zone to itself, and prices as no other has: what is the same is remembered. */
let ownMinor = 1_000;
beforeEach(async () => {
  ownMinor += 1;
  for (const table of ['feed_record', 'feed_latest', 'feed_head', 'feed_segment'])
    await harness.database.asOwner(`DELETE FROM ${table} WHERE scope = '${ZONE}'`);
  box = await TestBox.enrol(harness.url, harness.admin.api, 'B001');
});
afterEach(() => clock.set(systemClock.now()));

const inTenant = <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
  harness.database.transaction(harness.admin.tenantId, work);

const price = (minor: number, product: string) => {
  return { product, price: { minor, per: 1 }, currency: 'ZAR', validFrom: 0, validTo: null };
};

type Told = { key: string; minor?: number; release?: string };

/** In their order; without `minor` it is a deletion. */
async function tell(...told: Told[]): Promise<void> {
  await inTenant(async (tx) => {
    for (const { key, minor, release } of told) {
      const about = { scope: ZONE, kind: 'price', key, ...(release !== undefined && { release }) } as const;
      await publish(tx, minor === undefined ? { ...about, deleted: true } : { ...about, body: price(minor, key) });
    }
  });
  await harness.numbered();
  await inTenant((tx) => numberOutbox(tx));
}

/** Straight into the outbox: thousands, in one statement. */
async function tellMany(count: number, minor = ownMinor, from = 0): Promise<void> {
  await harness.database.asOwner(
    `INSERT INTO outbox (tenant_id, scope, kind, key, contract, deleted, body)
     SELECT $1, $2, 'price', 'M' || n, 1, false, jsonb_build_object('product', 'M' || n, 'price',
       jsonb_build_object('minor', $3::int, 'per', 1), 'currency', 'ZAR', 'validFrom', 0, 'validTo', null)
       FROM generate_series($4::int + 1, $4::int + $5::int) AS n`,
    [harness.admin.tenantId, ZONE, minor, from, count],
  );
  while ((await inTenant((tx) => numberOutbox(tx))) > 0) continue;
}

async function age(days: number, where = 'true'): Promise<void> {
  await harness.database.asOwner(
    `UPDATE feed_record SET numbered_at = to_timestamp($1 / 1000.0) WHERE scope = '${ZONE}' AND ${where}`,
    [clock.now() - days * DAY_MS],
  );
}

const ask = (query = '', headers: Record<string, string> = {}): Promise<AxiosResponse<FeedPage>> =>
  box.feed(`${ZONE}${query}`, headers);
const numbersOf = (page: FeedPage): number[] => page.records.map(({ number }) => number);
const retire = (): Promise<void> => harness.hub.app.get(Retirer).run();
const kept = async (): Promise<number[]> =>
  (
    await inTenant((tx) =>
      tx.query<{ number: number }>('SELECT number FROM feed_record WHERE scope = $1 ORDER BY 1', [ZONE]),
    )
  ).map(({ number }) => number);
const segments = async (): Promise<number[]> =>
  (
    await inTenant((tx) =>
      tx.query<{ at: number }>('SELECT after_number AS at FROM feed_segment WHERE scope = $1 ORDER BY 1', [ZONE]),
    )
  ).map(({ at }) => at);

const getSnapshot = (headers: Record<string, string> = {}, scope = ZONE): Promise<AxiosResponse<Buffer>> =>
  apiAtSync(harness.url).get(`/sync/v1/snapshot/${scope}`, {
    responseType: 'arraybuffer',
    decompress: false,
    headers: { authorization: `Bearer ${box.token}`, 'accept-encoding': 'identity', ...headers },
  });

function opened({ data }: AxiosResponse<Buffer>): { head: Record<string, unknown>; records: SnapshotRecord[] } {
  const path = join(folder, `${v7()}.sqlite`);
  writeFileSync(path, data);
  const database = new BetterSqlite3(path, { readonly: true });
  try {
    const records = database.prepare('SELECT * FROM record ORDER BY number').all() as SnapshotRecord[];
    return { head: database.prepare('SELECT * FROM snapshot').get() as Record<string, unknown>, records };
  } finally {
    database.close();
  }
}

const factsOf = (answer: AxiosResponse): ReturnType<typeof snapshotFactsSchema.parse> =>
  snapshotFactsSchema.parse(JSON.parse(String(answer.headers[SNAPSHOT_HEADER])));

describe('a page', () => {
  it('goes to the end of its range, so that readers come into step, and a full one is kept as it was sent', async () => {
    await tellMany(2_300);
    const first = await ask();
    expect([first.data.records.length, first.data.newest]).toEqual([1_000, 2_300]);
    expect(numbersOf((await ask('?after=1234')).data)).toHaveLength(766);
    expect(numbersOf((await ask('?after=2000')).data)).toHaveLength(300);
    expect(await segments()).toEqual([0]);
    await ask('?after=1000', { 'accept-encoding': 'gzip' });
    expect(await segments()).toEqual([0, 1_000]);
  });

  it('says that there is more when it was made while there was none', async () => {
    await tellMany(1_000);
    expect((await ask('?after=400')).data.newest).toBe(1_000);
    expect((await ask()).data.newest).toBe(1_000);
    expect(await segments()).toEqual([]);
    await tellMany(1, ownMinor, 1_000);
    expect((await ask('?after=400')).data.newest).toBe(1_001);
    expect((await ask()).data.newest).toBe(1_001);
    expect(await segments()).toEqual([0]);
  });

  it('is the same from another hub process, and of another life of the hub another', async () => {
    await tellMany(1_001);
    const before = await ask();
    await harness.database.asOwner(`UPDATE hub_state SET hub_epoch = $1`, [v7()]);
    const after = await ask();
    expect(after.data.hubEpoch).not.toBe(before.data.hubEpoch);
    expect(after.data.records).toEqual(before.data.records);
    expect(await segments()).toEqual([0, 0]);
    await retire();
    expect(await segments()).toEqual([0]);
  });

  it('is not sent again to who has it', async () => {
    await tellMany(10);
    const { headers } = await ask();
    expect(headers).toMatchObject({ 'cache-control': 'private, no-cache' });
    expect((await ask('', { 'if-none-match': String(headers['etag']) })).status).toBe(304);
    await tellMany(1, ownMinor, 10);
    expect((await ask('', { 'if-none-match': String(headers['etag']) })).status).toBe(200);
  });
});

describe('what is superseded', () => {
  it('goes after 30 days, and what stood at any number from the floor on can still be told', async () => {
    await tell({ key: 'A', minor: 1 }, { key: 'B', minor: 1 }, { key: 'A', minor: 2 }, { key: 'A', minor: 3 });
    await age(31, 'number <= 3');
    await age(29, 'number > 3');
    await retire();
    expect(await kept()).toEqual([2, 3, 4]);
    expect(numbersOf((await ask('?after=3')).data)).toEqual([4]);
  });

  it('leaves a chain that is whole from the floor on, and the hash of the floor itself', async () => {
    await tell({ key: 'A', minor: 1 }, { key: 'A', minor: 2 }, { key: 'A', minor: 3 }, { key: 'A', minor: 4 });
    const { data: whole } = await ask();
    await age(31, 'number <= 3');
    await retire();
    expect(await kept()).toEqual([3, 4]);
    const floor = whole.records[2] as FeedRecord;
    const { data: rest } = await ask(`?after=3&hash=${floor.hash}`);
    const [last] = rest.records;
    expect([bodyHashOf(last?.body ?? {}), feedHash(floor.hash, last as FeedRecord)]).toEqual([
      last?.bodyHash,
      last?.hash,
    ]);
    const at = (number: number, hash: string) =>
      inTenant(async (tx) => (await cursorVerdict(tx, ZONE, { number, hash })).verdict);
    expect([
      await at(3, floor.hash),
      await at(3, START),
      await at(2, START),
      await at(0, START),
      await at(9, START),
    ]).toEqual(['ok', 'fork', 'gone', 'gone', 'ahead']);
    const gone = await ask('?after=2');
    expect([gone.status, (gone.data as unknown as { code: string }).code]).toEqual([410, 'feed-gone']);
    expect((await inTenant((tx) => readFeed(tx, ZONE, { number: 3 }))).records).toHaveLength(1);
  });

  it('stays while what takes its place waits for its release', async () => {
    const release = v7();
    await tell({ key: 'A', minor: 1 }, { key: 'B', minor: 1 }, { key: 'A', minor: 2, release }, { key: 'B', minor: 2 });
    await age(31);
    await retire();
    expect(await kept()).toEqual([1, 2, 3, 4]);
    await inTenant((tx) =>
      publish(tx, { scope: 'tenant', kind: 'release', key: release, body: { release, needs: {} } }),
    );
    await inTenant((tx) => numberOutbox(tx));
    await retire();
    expect(await kept()).toEqual([3, 4]);
  });
});

describe('a tombstone', () => {
  const cursorAt = (number: number): Promise<AxiosResponse> =>
    box.hello({ cursors: [{ scope: ZONE, hubEpoch: null, number, hash: START }] });

  it('goes after 180 days, once all live boxes are past it', async () => {
    await tell({ key: 'A', minor: 1 }, { key: 'A' }, { key: 'B', minor: 1 });
    await age(181);
    await cursorAt(1);
    await retire();
    expect(await kept()).toEqual([2, 3]);
    await cursorAt(2);
    await retire();
    expect(await kept()).toEqual([3]);
    await tell({ key: 'A', minor: 5 });
    expect((await ask('?after=3')).data.records).toMatchObject([{ number: 4, key: 'A', version: 1 }]);
  });

  it('does not wait for a box that was revoked or not heard of for as long', async () => {
    await tell({ key: 'A', minor: 1 }, { key: 'A' });
    await cursorAt(0);
    clock.set(clock.now() + 181 * DAY_MS);
    await age(181);
    await retire();
    expect(await kept()).toEqual([]);
  });

  it('younger than 180 days stays', async () => {
    await tell({ key: 'A', minor: 1 }, { key: 'A' });
    await age(179);
    await retire();
    expect(await kept()).toEqual([2]);
  });
});

describe('a snapshot', () => {
  it('holds what stands, at a number and hash from which the feed goes on', async () => {
    await tellMany(2_000);
    await tell({ key: 'M1', minor: 7 }, { key: 'M2' });
    const answer = await getSnapshot();
    const facts = factsOf(answer);
    expect(answer.status).toBe(200);
    expect(facts).toMatchObject({ scope: ZONE, number: 2_002, records: 1_999, bytes: answer.data.length });
    expect(createHash('sha256').update(answer.data).digest('hex')).toBe(facts.sha256);
    const { head, records } = opened(answer);
    expect(head).toMatchObject({ scope: ZONE, number: 2_002, hash: facts.hash });
    expect(records.filter(({ key }) => key === 'M1' || key === 'M2')).toMatchObject([
      { key: 'M1', version: 2, release: null },
    ]);
    const sent = new Map((await ask()).data.records.map(({ key, bodyHash }) => [key, bodyHash]));
    for (const { key, body } of records.slice(0, 20).filter((each) => each.key !== 'M1' && each.key !== 'M2'))
      expect(bodyHashOf(JSON.parse(body))).toBe(sent.get(key));
    expect((await ask(`?after=${facts.number}&hash=${facts.hash}`)).data.records).toEqual([]);
  });

  it('comes compressed, in parts, and goes on where it was cut', async () => {
    await tellMany(2_000);
    const whole = await getSnapshot({ 'accept-encoding': 'br, gzip' });
    const etag = String(whole.headers['etag']);
    expect(whole.headers).toMatchObject({ 'content-encoding': 'br', 'accept-ranges': 'bytes' });
    expect(brotliDecompressSync(whole.data)).toHaveLength(factsOf(whole).bytes);
    const part = (range: string, ifRange = etag): Promise<AxiosResponse<Buffer>> =>
      getSnapshot({ 'accept-encoding': 'br', range, 'if-range': ifRange });
    const rest = await part('bytes=100-');
    expect([rest.status, rest.headers['content-range']]).toEqual([
      206,
      `bytes 100-${whole.data.length - 1}/${whole.data.length}`,
    ]);
    expect(Buffer.concat([whole.data.subarray(0, 100), rest.data]).equals(whole.data)).toBe(true);
    expect((await part('bytes=5-7')).data.equals(whole.data.subarray(5, 8))).toBe(true);
    expect((await part('bytes=100-', '"another"')).status).toBe(200);
    const beyond = await part(`bytes=${whole.data.length}-`);
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, `bytes */${whole.data.length}`]);
  });

  it('is made once for all who ask, and anew when it is far behind', async () => {
    await tellMany(4_000);
    const [one, two] = await Promise.all([getSnapshot(), getSnapshot()]);
    expect(one.headers['etag']).toBe(two.headers['etag']);
    await tellMany(1_999, 2);
    expect((await getSnapshot()).headers['etag']).toBe(one.headers['etag']);
    await tellMany(2, 3);
    expect(factsOf(await getSnapshot())).toMatchObject({ number: 6_001, records: 4_000 });
  });

  it('keeps apart what waits for its release, and what it is going to replace', async () => {
    const release = v7();
    await tellMany(2_000);
    await tell({ key: 'M1', minor: 5, release }, { key: 'M2', release }, { key: 'NEW', minor: 1, release });
    const { records } = opened(await getSnapshot());
    const shown = records.filter(({ key }) => ['M1', 'M2', 'NEW'].includes(key));
    expect(shown.map(({ key, version, release: of, deleted }) => [key, version, of, deleted])).toEqual([
      ['M1', 1, null, 0],
      ['M2', 1, null, 0],
      ['M1', 2, release, 0],
      ['M2', 2, release, 1],
      ['NEW', 1, release, 0],
    ]);
  });

  it('is not made of a short feed, unless its beginning is gone', async () => {
    await tell({ key: 'A', minor: 1 }, { key: 'A', minor: 2 });
    const none = await getSnapshot();
    expect([none.status, JSON.parse(none.data.toString()).code]).toEqual([404, 'no-snapshot']);
    await age(31);
    await retire();
    expect(opened(await getSnapshot()).records).toMatchObject([{ key: 'A', version: 2 }]);
  });

  it('is for boxes of a branch in that scope alone', async () => {
    const { status, data } = await getSnapshot({}, 'zone:OTHER');
    expect([status, JSON.parse(data.toString()).code]).toEqual([403, 'not-yours']);
    expect((await getSnapshot({ authorization: 'Bearer x' })).status).toBe(401);
  });
});

describe('a range of bytes', () => {
  const file = { bytes: 10, etag: '"e"' };
  it.each([
    [undefined, undefined, 'whole'],
    ['bytes=0-', undefined, { start: 0, end: 9 }],
    ['bytes=3-5', undefined, { start: 3, end: 5 }],
    ['bytes=3-99', undefined, { start: 3, end: 9 }],
    ['bytes=-4', undefined, { start: 6, end: 9 }],
    ['bytes=-40', undefined, { start: 0, end: 9 }],
    ['bytes=-0', undefined, 'none'],
    ['bytes=10-', undefined, 'none'],
    ['bytes=5-3', undefined, 'whole'],
    ['bytes=0-1,3-4', undefined, 'whole'],
    ['lines=1-2', undefined, 'whole'],
    ['bytes=-', undefined, 'whole'],
    ['bytes=3-', '"e"', { start: 3, end: 9 }],
    ['bytes=3-', '"f"', 'whole'],
  ])('%s if %s is %j', (range, ifRange, expected) => {
    expect(byteRange({ range, ifRange }, file)).toEqual(expected);
  });
});

describe('what is remembered of bytes', () => {
  it('is what was used last, within its bound', () => {
    const cache = new BytesCache<string>(10, (value) => value.length);
    for (const [key, value] of [
      ['a', '1234'],
      ['b', '1234'],
    ] as const)
      cache.set(key, value);
    expect(cache.get('a')).toBe('1234');
    cache.set('c', '1234');
    cache.set('d', '12345678901');
    cache.set('a', '123');
    expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key))).toEqual(['123', undefined, '1234', undefined]);
  });
});

it('clears its folder away when it ends', async () => {
  const place = mkdtempSync(join(tmpdir(), 'branchline-place-'));
  const { Snapshots } = await import('../src/feed/snapshots.js');
  writeFileSync(join(place, 'not-ours'), '');
  const snapshots = new Snapshots(harness.database, place, { recordsMin: 1, behindMin: 1, diskBytesMax: 1 });
  await tell({ key: 'A', minor: 1 });
  const stand = { scope: ZONE, hubEpoch: v7(), newest: 1, floor: 0 };
  const open = await snapshots.open(harness.admin.tenantId, stand, false);
  await open.handle.close();
  expect(readdirSync(place)).toHaveLength(2);
  await snapshots.close();
  expect(readdirSync(place)).toEqual(['not-ours']);
  rmSync(place, { recursive: true });
});
