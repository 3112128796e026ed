import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { startFaultProxy, type FaultProxy } from '@branchline/fleet/fault-proxy.js';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import { create, createBranch, createPlaces, startHubHarness, type HubHarness } from '../../hub/test/hub-harness.js';
import { Retirer } from '../../hub/src/feed/retirer.js';
import { readConfig } from '../src/config.js';
import { readCursor } from '../src/replicator/feed-cursors.js';
import { readSyncLog } from '../src/replicator/sync-log.js';
import { eventually } from '../src/replicator/testing/replicator-fixture.js';
import { startEdge, type RunningEdge } from '../src/start-edge.js';

/** A whole edge and a whole hub. No poll comes in the time of a test: what is new comes by a nudge or not at all. */
const POLL_MS = 1_800_000;
const PRODUCTS = 2_500;
const quiet = { log: () => undefined, warn: () => undefined, error: () => undefined, fatal: () => undefined };

let hub: HubHarness;
let line: FaultProxy;
let dataDir: string;
let edge: RunningEdge;
const asked: string[] = [];

beforeAll(async () => {
  hub = await startHubHarness();
  const { api } = hub.admin;
  await createPlaces(api);
  for (const code of ['Z2', 'Z3']) await create(api, '/v1/price-zones', { code, name: code });
  await create(api, '/v1/assortments', { code: 'A2', name: 'Assortment 2' });
  await createBranch(api, 'B001');
  await takeIn('Z1', 'A1', 1_000);
  await takeIn('Z2', 'A2', 2_000, 100);
  line = await startFaultProxy({ target: { host: '127.0.0.1', port: Number(new URL(hub.url).port) } });
  line.onRequestBytes(({ chunk }) => {
    asked.push(...(chunk.toString('latin1').match(/^(GET \S+|range: \S+)/gim) ?? []));
    return 'pass';
  });
  dataDir = mkdtempSync(join(tmpdir(), 'branchline-box-'));
});

afterAll(async () => {
  await edge.close();
  await line.close();
  await hub.close();
  rmSync(dataDir, { recursive: true, force: true });
});

async function takeIn(zone: string, assortment: string, minor: number, count = PRODUCTS): Promise<void> {
  const head = 'product,name,barcodes,taxClass,fractional,assortments,priceZone,priceMinor';
  const rows = Array.from(
    { length: count },
    (_, at) => `P${at},${randomBytes(75).toString('hex')},600${at},STD,no,${assortment},${zone},${minor}`,
  );
  const csv = `${head}\n${rows.join('\n')}\n`;
  const { status, data } = await hub.admin.api.post('/v1/imports/products', csv, {
    headers: { 'content-type': 'text/csv' },
  });
  expect([status, data.bad]).toEqual([200, []]);
  await hub.numbered();
}

async function open(enrolmentCode?: string): Promise<RunningEdge> {
  const config = readConfig({
    ...{ EDGE_DATA: dataDir, EDGE_HUB_URL: line.url, EDGE_PORT: '0', EDGE_POLL_MS: String(POLL_MS) },
    ...{ EDGE_RETRY_MS_MIN: '10', EDGE_RETRY_MS_MAX: '100' },
    ...(enrolmentCode !== undefined && { EDGE_ENROLMENT_CODE: enrolmentCode }),
  });
  const onFatal = (error: Error): void => void console.error(error);
  return startEdge({ config, logger: quiet, clock: systemClock, newId: v7, onFatal });
}

const rows = (sql: string): number =>
  edge.store.reads.get<{ rows: number }>(`SELECT count(*) AS rows FROM ${sql}`)?.rows ?? 0;
const minorOf = (product: string): number | undefined =>
  edge.store.reads.get<{ minor: number }>('SELECT minor FROM price WHERE product = ?', product)?.minor;
const settled = (): boolean => rows('feed_take WHERE visible = 0 OR pulled = 0') === 0;
const events = (): string[] => readSyncLog(edge.store.reads, 1_000, null).map(({ event }) => event);
const numberOf = (scope: string): number => readCursor(edge.store.reads, scope)?.number ?? 0;
const nudged = (): Promise<void> => eventually('nudges', () => events().length > 0 && isNudged());
const isNudged = (): boolean => asked.some((each) => each.includes('/sync/v1/nudges'));

/** Of a snapshot that has not come whole. */
const partBytes = (): number =>
  readdirSync(dataDir)
    .filter((name) => name.endsWith('.part'))
    .reduce((bytes, name) => bytes + (statSync(join(dataDir, name), { throwIfNoEntry: false })?.size ?? 0), 0);

describe('a new box', () => {
  it('takes what stands from snapshots, going on where the line was cut, and the rest from the feed', async () => {
    let cuts = 0;
    let onDisk = 0;
    line.onReplyBytes(async ({ bytesSoFar, chunk }) => {
      // The first large piece passes; when it is on the disk, the line is cut.
      if (cuts === 2 || bytesSoFar - chunk.length < 20_000) return 'pass';
      await eventually('what came before on the disk', () => partBytes() > onDisk);
      onDisk = partBytes();
      cuts += 1;
      return 'reset';
    });
    const { code } = await create<{ code: string }>(hub.admin.api, '/v1/branches/B001/enrolment-codes', { for: 'box' });
    edge = await open(code);
    await eventually('the catalogue', () => rows('price') === PRODUCTS && rows('product') === PRODUCTS && settled());
    line.onReplyBytes(null);
    expect(cuts).toBe(2);
    expect(asked.filter((each) => /^range: bytes=[1-9]/i.test(each))).toHaveLength(2);
    expect(asked.filter((each) => each.startsWith('GET /sync/v1/feed/zone%3AZ1?after=0'))).toEqual([]);
    expect(numberOf('zone:Z1')).toBe(PRODUCTS);
    expect(readdirSync(dataDir).filter((name) => name.startsWith('snapshot-'))).toEqual([]);
    expect(edge.store.reads.get('SELECT product FROM barcode WHERE barcode = ?', '6007')).toEqual({ product: 'P7' });
  });
});

describe('a branch that head office moves', () => {
  it('to another zone and assortment has what is there and nothing else, within seconds', async () => {
    await nudged();
    const moved = await hub.admin.api.patch('/v1/branches/B001', { priceZone: 'Z2', assortment: 'A2', name: 'Moved' });
    expect([moved.status, moved.data]).toEqual([
      200,
      expect.objectContaining({ priceZone: 'Z2', assortment: 'A2', name: 'Moved' }),
    ]);
    await eventually('the other zone', () => minorOf('P7') === 2_000 && settled());
    expect([rows('price'), rows('feed_price'), rows('product'), rows('feed_product'), rows('feed_barcode')]).toEqual([
      ...[100, 100, 100, 100, 100],
    ]);
    expect(events()).toEqual(expect.arrayContaining(['scope-joined', 'scope-left']));
  });

  it('sees products come into its assortment and go, as one release', async () => {
    const change = await hub.admin.api.post('/v1/assortments/A2/products', { add: ['P100', 'P101'], remove: ['P0'] });
    expect(change.data).toMatchObject({ added: 2, removed: 1, release: expect.any(String) });
    await eventually('the change', () => rows(`product WHERE code IN ('P100', 'P101')`) === 2);
    await eventually('the product is gone', () => rows(`product WHERE code = 'P0'`) === 0);
    const again = await hub.admin.api.post('/v1/assortments/A2/products', { add: ['P100'], remove: ['P0'] });
    expect(again.data).toEqual({ added: 0, removed: 0, release: null });
    const unknown = await hub.admin.api.post('/v1/assortments/A2/products', { add: ['NONE'] });
    expect([unknown.status, unknown.data.errors[0].path]).toEqual([400, 'add']);
    expect((await hub.admin.api.post('/v1/assortments/A9/products', { add: [] })).status).toBe(404);
  });

  it('to where nothing is stays as it was', async () => {
    for (const [change, path] of [
      [{ priceZone: 'NONE' }, 'priceZone'],
      [{ assortment: 'NONE' }, 'assortment'],
      [{ region: 'NONE' }, 'region'],
    ] as const) {
      const { status, data } = await hub.admin.api.patch('/v1/branches/B001', change);
      expect([status, data.errors[0].path]).toEqual([400, path]);
    }
    expect((await hub.admin.api.patch('/v1/branches/B001', { currency: 'USD' })).status).toBe(400);
    expect((await hub.admin.api.patch('/v1/branches/NONE', { name: 'x' })).status).toBe(404);
    expect((await hub.admin.api.get('/v1/branches/B001')).data).toMatchObject({ priceZone: 'Z2', assortment: 'A2' });
  });
});

describe('a box that comes back', () => {
  it('after what it has not seen was retired takes what stands, and is told nothing is wrong', async () => {
    await edge.close();
    await takeIn('Z2', 'A2', 2_001, 100);
    await hub.database.asOwner(
      `UPDATE feed_record SET numbered_at = now() - interval '31 days' WHERE scope = 'zone:Z2'`,
    );
    await hub.hub.app.get(Retirer).run();
    await takeIn('Z2', 'A2', 2_002, 10);
    edge = await open();
    await eventually('the prices of today', () => minorOf('P7') === 2_002 && minorOf('P50') === 2_001 && settled());
    expect([rows('price'), rows('feed_price')]).toEqual([100, 100]);
    expect(events()).toContain('feed-gone');
    expect(events()).not.toContain('feed-fork');
  });

  it('to a hub that was restored from yesterday sells what that one has, lower versions too', async () => {
    await edge.close();
    // Yesterday's copy of the zone, by hand: what was numbered since is not in it, and other things are said since.
    const keep = numberOfHub(await headOf('zone:Z2')) - 5;
    await hub.database.asOwner(`DELETE FROM feed_record WHERE scope = 'zone:Z2' AND number > ${keep}`);
    await hub.database.asOwner(
      `UPDATE feed_head SET newest = ${keep}, hash = (SELECT hash FROM feed_record WHERE scope = 'zone:Z2' AND number = ${keep})
        WHERE scope = 'zone:Z2'`,
    );
    await hub.database.asOwner(
      `UPDATE feed_latest l SET number = r.number, version = r.version FROM (
         SELECT DISTINCT ON (key) key, number, version FROM feed_record WHERE scope = 'zone:Z2' ORDER BY key, number DESC) r
       WHERE l.scope = 'zone:Z2' AND l.key = r.key`,
    );
    await hub.database.asOwner(
      `UPDATE price_entry SET price_minor = 2001 WHERE price_zone = 'Z2' AND product IN ('P5', 'P6', 'P7', 'P8', 'P9')`,
    );
    edge = await open();
    await eventually('the prices of yesterday', () => minorOf('P7') === 2_001 && settled());
    expect([minorOf('P1'), rows('price'), rows('feed_price')]).toEqual([2_002, 100, 100]);
    expect(events()).toContain('feed-fork');
  });

  it('to a hub of another epoch takes all its scopes again, and sells meanwhile', async () => {
    await hub.database.asOwner('UPDATE hub_state SET hub_epoch = $1', [v7()]);
    await hub.database.asOwner(`DELETE FROM price_entry WHERE price_zone = 'Z2' AND product = 'P9'`);
    await takeIn('Z2', 'A2', 2_003, 3);
    await eventually('the new epoch', () => minorOf('P1') === 2_003 && settled());
    const epochs = edge.store.reads.all<{ hub_epoch: string }>('SELECT DISTINCT hub_epoch FROM feed_take');
    expect(epochs).toHaveLength(1);
    expect([rows('price'), rows('feed_price'), rows('product')]).toEqual([100, 100, 102]);
  });
});

const headOf = (scope: string): Promise<{ newest: number }[]> =>
  hub.database.asOwner<{ newest: number }>('SELECT newest FROM feed_head WHERE scope = $1', [scope]);
const numberOfHub = ([head]: { newest: number }[]): number => Number(head?.newest);
