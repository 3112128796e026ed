import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { startFaultProxy, type FaultProxy } from '@branchline/fleet/fault-proxy.js';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AxiosInstance } from 'axios';
import { v7 } from 'uuid';
import {
  apiAt,
  create,
  createBranch,
  createPlaces,
  startHubHarness,
  type HubHarness,
} from '../../hub/test/hub-harness.js';
import { Contacts } from '../../hub/src/sync/contacts.js';
import { readConfig } from '../src/config.js';
import type { SyncStatus } from '../src/replicator/sync-status.js';
import { eventually } from '../src/replicator/testing/replicator-fixture.js';
import { startEdge, type RunningEdge } from '../src/start-edge.js';
import { ThreadedWriter } from '../src/store/threaded-writer.js';
import { sourceThread } from './source-thread/source-thread.js';

/** A whole edge and a whole hub, with a line between them that can be cut. */
let hub: HubHarness;
let line: FaultProxy;
let dataDir: string;
let edge: RunningEdge;
let device: AxiosInstance;
let manager: AxiosInstance;
const alarms: string[] = [];

const PIN = '2468';
const quiet = {
  log: () => undefined,
  warn: () => undefined,
  error: (message: unknown) => void alarms.push(String(message)),
  fatal: () => undefined,
};

async function open(folder: string, enrolmentCode?: string): Promise<RunningEdge> {
  const config = readConfig({
    ...{ EDGE_DATA: folder, EDGE_HUB_URL: line.url, EDGE_PORT: '0', EDGE_POLL_MS: '150', EDGE_PUSH_LINES: '20' },
    ...{ EDGE_RETRY_MS_MIN: '10', EDGE_RETRY_MS_MAX: '100', EDGE_REQUEST_TIMEOUT_MS: '5000' },
    ...(enrolmentCode !== undefined && { EDGE_ENROLMENT_CODE: enrolmentCode }),
  });
  const onFatal = (error: Error): void => void alarms.push(error.message);
  const readerThread = sourceThread('edge/src/reader-thread.ts');
  const writer = ThreadedWriter.start(sourceThread('edge/src/writer-thread.ts'));
  return startEdge({ config, logger: quiet, clock: systemClock, newId: v7, onFatal, readerThread, writer });
}

const codeFor = async (what: Record<string, string>): Promise<string> =>
  (await create<{ code: string }>(hub.admin.api, '/v1/branches/B001/enrolment-codes', what)).code;

/** Two of P1 at 10.01, paid in cash. @returns the sale's id */
async function sell(at: AxiosInstance): Promise<string> {
  const sale = {
    id: v7(),
    deviceReference: `T1-20261120-${String((reference += 1)).padStart(6, '0')}`,
    occurredAt: new Date(systemClock.now()).toISOString(),
    lines: [{ lineNo: 1, product: 'P1', quantity: 2 }],
    tenders: [{ tenderNo: 1, type: 'cash', amountMinor: SALE_MINOR }],
    expectedTotalMinor: SALE_MINOR,
  };
  await create(at, '/v1/sales', sale);
  return sale.id;
}

const SALE_MINOR = 2_002;
let reference = 0;
let sold = 0;

async function sellMany(at: AxiosInstance, count: number): Promise<void> {
  for (let done = 0; done < count; done++) await sell(at);
  sold += count;
}

const statusOf = async (at: AxiosInstance): Promise<SyncStatus> => (await at.get<SyncStatus>('/v1/sync/status')).data;

async function caughtUp(at: AxiosInstance): Promise<SyncStatus> {
  let status = await statusOf(at);
  await eventually('an empty queue', async () => {
    status = await statusOf(at);
    return status.queue === 0 && status.line === 'up';
  });
  return status;
}

/** Equal head hashes prove the same lines; the report proves that each sale counts once. */
async function expectTheSame(status: SyncStatus): Promise<void> {
  const [stream] = await hub.database.asOwner<{ applied_seq: number; hash: string }>(
    `SELECT applied_seq, encode(head_hash, 'hex') AS hash FROM incarnation WHERE incarnation = $1`,
    [status.incarnation],
  );
  expect({ seq: Number(stream?.applied_seq), hash: stream?.hash }).toEqual({
    seq: status.lastSeq,
    hash: status.headHash,
  });
  const report = await hub.admin.api.get('/v1/reports/sales?groupBy=branch&from=2020-01-01&to=2099-12-31');
  expect(report.data.totals).toMatchObject({ baskets: sold, totalMinor: sold * SALE_MINOR });
}

beforeAll(async () => {
  hub = await startHubHarness();
  const { api } = hub.admin;
  await createPlaces(api);
  await createBranch(api, 'B001');
  await create(api, '/v1/branches/B001/staff', { operator: 'M1', name: 'Thandi', role: 'store-manager', pin: PIN });
  const rows = Array.from({ length: 300 }, (_, at) => `P${at},Product ${at},600${at},STD,no,A1,Z1,${1000 + at},,,yes`);
  const csv = `product,name,barcodes,taxClass,fractional,assortments,priceZone,priceMinor,pricePer,validFrom,active\n${rows.join('\n')}\n`;
  const imported = await api.post('/v1/imports/products', csv, { headers: { 'content-type': 'text/csv' } });
  expect(imported.data).toMatchObject({ created: 300, bad: [] });
  line = await startFaultProxy({ target: { host: '127.0.0.1', port: Number(new URL(hub.url).port) } });
  dataDir = mkdtempSync(join(tmpdir(), 'branchline-box-'));
  edge = await open(dataDir, await codeFor({ for: 'box' }));
  const code = await codeFor({ for: 'device', till: 'T1' });
  await eventually('staff, settings and the code of the till', () => {
    return ['operator', 'branch_setting', 'device_code'].every(
      (table) => edge.store.reads.get(`SELECT 1 FROM ${table}`) !== undefined,
    );
  });
  const { deviceToken } = await create<{ deviceToken: string }>(apiAt(edge.url), '/v1/devices/enrol', {
    code,
    name: 'Till 1',
  });
  device = apiAt(edge.url, deviceToken);
  const signedIn = await device.post('/v1/auth/pin', { operator: 'M1', pin: PIN });
  expect(signedIn.status).toBe(200);
  manager = apiAt(edge.url, signedIn.data.accessToken);
  await create(manager, '/v1/shifts', { id: v7(), drawer: 'D1', floatMinor: 10_000 });
});

afterAll(async () => {
  await edge.close();
  await line.close();
  await hub.close();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('an edge and its hub', () => {
  it('activate the release of an import in the store', async () => {
    await eventually('300 products and prices', () => {
      const counts = edge.store.reads.get(
        'SELECT (SELECT count(*) FROM product) AS a, (SELECT count(*) FROM price) AS b',
      );
      return JSON.stringify(counts) === '{"a":300,"b":300}';
    });
  });

  it('know how often the store asks, so that its silence is told from its rhythm', async () => {
    await hub.hub.app.get(Contacts).store();
    const [contact] = await hub.database.asOwner<{ poll_ms: number }>('SELECT poll_ms FROM box_contact');
    expect(contact?.poll_ms).toBe(150);
  });

  it('agree to the cent after a day with and without a line', async () => {
    await sellMany(manager, 5);
    await expectTheSame(await caughtUp(manager));
    line.cut();
    await sellMany(manager, 30);
    const away = await statusOf(device);
    expect(away).toMatchObject({ queue: 30, lastSeq: away.appliedSeq + 30 });
    expect(Date.parse(String(away.oldestQueuedAt))).toBeGreaterThan(0);
    line.restore();
    await expectTheSame(await caughtUp(manager));
  });

  it('show their state to the till, and queue and log to the people of the store', async () => {
    line.cut();
    await sellMany(manager, 3);
    const page = await manager.get('/v1/sync/queue?limit=2');
    expect(page.data.items).toEqual([
      {
        incarnation: expect.any(String),
        seq: expect.any(Number),
        kind: 'sale',
        key: expect.any(String),
        at: expect.any(String),
        bytes: expect.any(Number),
      },
      expect.objectContaining({ kind: 'sale' }),
    ]);
    const rest = await manager.get('/v1/sync/queue', { params: { after: page.data.next } });
    expect(rest.data).toMatchObject({ items: [{ kind: 'sale' }], next: null });
    line.restore();
    expect((await manager.post('/v1/sync/force')).data).toEqual({ started: true });
    await caughtUp(manager);
    const log = await manager.get('/v1/sync/log?limit=3');
    expect(log.data.items[0]).toEqual({
      at: expect.any(String),
      level: expect.any(String),
      event: expect.any(String),
      detail: expect.any(String),
    });
    expect([(await device.get('/v1/sync/queue')).status, (await device.post('/v1/sync/force')).status]).toEqual([
      401, 401,
    ]);
    expect((await apiAt(edge.url).get('/v1/sync/status')).status).toBe(401);
    expect((await apiAt(edge.url).get('/health/ready')).data).toMatchObject({ ready: true, line: 'up', queue: 0 });
    expect((await apiAt(edge.url).get('/metrics')).data).toContain('branchline_edge_queue_lines 0');
  });

  it('keep every sale of a box and of its copy', async () => {
    const { incarnation } = await caughtUp(manager);
    await edge.close();
    const copyDir = `${dataDir}-copy`;
    cpSync(dataDir, copyDir, { recursive: true });
    edge = await open(dataDir);
    const original = apiAt(edge.url, String(manager.defaults.headers['authorization']).slice('Bearer '.length));
    await sellMany(original, 4);
    await expectTheSame(await caughtUp(original));
    await edge.close();
    line.cut();
    edge = await open(copyDir);
    const copy = apiAt(edge.url, String(manager.defaults.headers['authorization']).slice('Bearer '.length));
    await sellMany(copy, 6);
    line.restore();
    await eventually(
      'a new incarnation',
      () => edge.store.reads.all('SELECT no FROM incarnation WHERE forked_from IS NULL').length === 2,
    );
    const status = await caughtUp(copy);
    expect(status.incarnation).not.toBe(incarnation);
    expect(status.epoch).toBe(2);
    await expectTheSame(status);
    expect(alarms.some((alarm) => alarm.includes('6 lines were journalled again'))).toBe(true);
    // And the copy has what the original sold behind its back.
    await expectAllSalesHere();
    rmSync(copyDir, { recursive: true, force: true });
  });

  it('open a restored box with what it had lost, in the same incarnation, before the first till comes', async () => {
    await edge.close();
    edge = await open(dataDir);
    const backupDir = `${dataDir}-backup`;
    await sellMany(reconnected(), 1);
    await caughtUp(reconnected());
    await edge.close();
    cpSync(dataDir, backupDir, { recursive: true });
    edge = await open(dataDir);
    await sellMany(reconnected(), 25);
    const { incarnation, lastSeq } = await caughtUp(reconnected());
    await edge.close();
    rmSync(dataDir, { recursive: true, force: true });
    cpSync(backupDir, dataDir, { recursive: true });
    edge = await open(dataDir);
    expect(await statusOf(reconnected())).toMatchObject({ incarnation, lastSeq, behind: 0 });
    await sellMany(reconnected(), 1);
    const status = await caughtUp(reconnected());
    expect(status).toMatchObject({ incarnation, lastSeq: lastSeq + 1 });
    await expectTheSame(status);
    await expectAllSalesHere();
    rmSync(backupDir, { recursive: true, force: true });
  });

  it('open a new incarnation when a till has seen more than the file has, and nobody else remembers', async () => {
    await edge.close();
    const backupDir = `${dataDir}-backup`;
    cpSync(dataDir, backupDir, { recursive: true });
    edge = await open(dataDir);
    const { epoch } = await statusOf(reconnected());
    line.cut();
    for (let lost = 0; lost < 3; lost++) await sell(reconnected());
    const saying = (seen: string) => ({ headers: { 'branchline-seen': seen } });
    const told = (await reconnected().get('/v1/sync/status', saying('none'))).headers['branchline-journal'] as string;
    expect(told).toContain(`;${epoch};`);
    await edge.close();
    rmSync(dataDir, { recursive: true, force: true });
    cpSync(backupDir, dataDir, { recursive: true });
    edge = await open(dataDir);
    // Who is nobody says nothing.
    const { reads } = edge.store;
    expect((await apiAt(edge.url, 'nobody').get('/v1/sync/status', saying(told))).status).toBe(401);
    expect(reads.get('SELECT 1 FROM incarnation_due')).toBeUndefined();
    await reconnected().get('/v1/sync/status', saying(told));
    expect(reads.get('SELECT reason FROM incarnation_due')).toEqual({ reason: 'till-ahead' });
    await sellMany(reconnected(), 2);
    line.restore();
    const status = await caughtUp(reconnected());
    expect(status.epoch).toBeGreaterThan(Number(epoch));
    await expectTheSame(status);
    rmSync(backupDir, { recursive: true, force: true });
  });

  it('put another box in the place of one that died: its tills are known, its shift is closed, and it is told when it is revoked', async () => {
    await edge.close();
    const replacementDir = `${dataDir}-replacement`;
    edge = await open(replacementDir, await codeFor({ for: 'box' }));
    await eventually('the state of the branch', async () => {
      if (edge.store.reads.get('SELECT 1 FROM device') === undefined) return false;
      return (await statusOf(reconnected(String(device.defaults.headers['authorization'])))).behind === 0;
    });
    await eventually('staff and settings', () =>
      ['operator', 'branch_setting'].every((table) => edge.store.reads.get(`SELECT 1 FROM ${table}`) !== undefined),
    );
    const till = reconnected(String(device.defaults.headers['authorization']));
    const { data: signedIn } = await till.post('/v1/auth/pin', { operator: 'M1', pin: PIN });
    const at = apiAt(edge.url, signedIn.accessToken);
    await sellMany(at, 2);
    const status = await caughtUp(at);
    expect(status.epoch).toBeGreaterThan(2);
    await expectTheSame(status);
    await expectAllSalesHere();
    const shift = edge.store.reads.get<{ id: string }>('SELECT id FROM shift WHERE closed_at IS NULL');
    const closed = await at.post(`/v1/shifts/${shift?.id}/close`, { declared: [] });
    expect([closed.status, closed.data.totals.baskets]).toEqual([201, sold]);

    const path = '/v1/branches/B001/boxes';
    const boxes = (await hub.admin.api.get(path)).data.items as { box: string }[];
    expect(boxes.map(({ box }) => box)).toContain(edge.store.box.box);
    expect((await hub.admin.api.post(`${path}/${edge.store.box.box}/revoke`)).status).toBe(200);
    await eventually('the word of it', async () => (await statusOf(at)).standing === 'revoked');
    await create(at, '/v1/shifts', { id: v7(), drawer: 'D1', floatMinor: 10_000 });
    await sell(at);
    expect((await apiAt(edge.url).get('/health/ready')).data).toMatchObject({ ready: true, standing: 'revoked' });
    expect((await at.get('/v1/sync/log')).data.items).toContainEqual(
      expect.objectContaining({ event: 'box-revoked', level: 'incident', detail: expect.stringContaining('sells on') }),
    );
    expect(await statusOf(at)).toMatchObject({ standing: 'revoked', queue: 2 });
    rmSync(replacementDir, { recursive: true, force: true });
  });
});

/** At the edge that runs now; it signs its operators' tokens with the secret that the folder brought. */
function reconnected(authorization = String(manager.defaults.headers['authorization'])): AxiosInstance {
  return apiAt(edge.url, authorization.slice('Bearer '.length));
}

async function expectAllSalesHere(): Promise<void> {
  await eventually('every sale of the branch', () => {
    return edge.store.reads.get<{ sales: number }>('SELECT count(*) AS sales FROM sale')?.sales === sold;
  });
}
