import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { startFaultProxy, type FaultProxy } from '@branchline/fleet/fault-proxy.js';
import { CONTRACT } from '@branchline/replication/contracts.js';
import { mkdtempSync, rmSync } from 'node:fs';
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
import { saleBody } from '../../hub/test/journal-builder.js';
import { TestBox } from '../../hub/test/test-box.js';
import { QuarantineRetrier } from '../../hub/src/sync/quarantine-retrier.js';
import { APPLIERS } from '../src/appliers.js';
import { applyFetched } from '../src/apply-fetched.js';
import { readConfig } from '../src/config.js';
import { moveReference } from '../src/move-reference.js';
import type { SyncStatus } from '../src/replicator/sync-status.js';
import { eventually } from '../src/replicator/testing/replicator-fixture.js';
import { startEdge, type RunningEdge } from '../src/start-edge.js';
import { rebuildInPlace } from '../src/store/keep.js';
import { ThreadedWriter } from '../src/store/threaded-writer.js';
import { sourceThread } from './source-thread/source-thread.js';

/** The work lists through their whole life: a whole edge, a whole hub, and a second box of the branch that tells another story. */
let hub: HubHarness;
let line: FaultProxy;
let dataDir: string;
let edge: RunningEdge;
let manager: AxiosInstance;
/** As a copy of the store's box would be: of the same branch, with a history of its own. */
let copy: TestBox;
const alarms: string[] = [];

const PIN = '2468';
const quiet = {
  log: () => undefined,
  warn: () => undefined,
  error: (message: unknown) => void alarms.push(String(message)),
  fatal: () => undefined,
};

async function open(enrolmentCode?: string): Promise<void> {
  const config = readConfig({
    ...{ EDGE_DATA: dataDir, EDGE_HUB_URL: line.url, EDGE_PORT: '0', EDGE_POLL_MS: '150', EDGE_PUSH_LINES: '20' },
    ...{ EDGE_RETRY_MS_MIN: '10', EDGE_RETRY_MS_MAX: '100', EDGE_REQUEST_TIMEOUT_MS: '5000' },
    ...(enrolmentCode !== undefined && { EDGE_ENROLMENT_CODE: enrolmentCode }),
  });
  const onFatal = (error: Error): void => void alarms.push(error.message);
  const readerThread = sourceThread('edge/src/reader-thread.ts');
  const writer = ThreadedWriter.start(sourceThread('edge/src/writer-thread.ts'));
  edge = await startEdge({ config, logger: quiet, clock: systemClock, newId: v7, onFatal, readerThread, writer });
  if (manager) manager = apiAt(edge.url, String(manager.defaults.headers['authorization']).slice('Bearer '.length));
}

/** Whatever is not in the file is gone. */
async function restartEdge(): Promise<void> {
  await edge.close();
  await open();
}

const codeFor = async (what: Record<string, string>): Promise<string> =>
  (await create<{ code: string }>(hub.admin.api, '/v1/branches/B001/enrolment-codes', what)).code;

type Sold = { id: string; totalMinor: number };
let reference = 0;

/** Two of P1, three of P2, paid in cash with change. */
async function sell(deviceReference?: string): Promise<Sold> {
  reference += 1;
  const sale = {
    id: v7(),
    deviceReference: deviceReference ?? `T1-20261120-${String(reference).padStart(6, '0')}`,
    occurredAt: new Date(systemClock.now()).toISOString(),
    lines: [
      { lineNo: 1, product: 'P1', quantity: 2 },
      { lineNo: 2, product: 'P2', quantity: 3 },
    ],
    // Another sum each time, so that only what is meant to looks like a twin.
    tenders: [{ tenderNo: 1, type: 'cash', amountMinor: 9_000 + reference }],
  };
  const { id, totalMinor } = await create<Sold>(manager, '/v1/sales', sale);
  return { id, totalMinor };
}

const statusOf = async (): Promise<SyncStatus> => (await manager.get<SyncStatus>('/v1/sync/status')).data;

async function caughtUp(): Promise<void> {
  await eventually('an empty queue', async () => {
    const status = await statusOf();
    return status.queue === 0 && status.line === 'up';
  });
}

type Item = {
  id: string;
  type: string;
  key: string;
  seq: number;
  code: string;
  state: string;
  strategy: string | null;
};
type Told = { count: number; items: Item[] };
const atHub = async (list: 'conflicts' | 'quarantine', params: Record<string, unknown> = {}): Promise<Item[]> =>
  (await hub.admin.api.get(`/v1/${list}`, { params: { branch: 'B001', limit: 500, ...params } })).data.items;
const atEdge = async (list: 'conflicts' | 'quarantine'): Promise<Told> =>
  (await manager.get<Told>(`/v1/sync/${list}`)).data;

async function openConflict(type: string, key: string): Promise<Item> {
  let found: Item | undefined;
  await eventually(`a ${type} about ${key}`, async () => {
    found = (await atHub('conflicts')).find((item) => item.type === type && item.key === key);
    return found !== undefined;
  });
  return found as Item;
}

async function settled(id: string): Promise<void> {
  await eventually(`conflict ${id} to be settled`, async () => {
    return (await atHub('conflicts', { state: 'settled' })).some((item) => item.id === id);
  });
  await eventually('the store to know', async () => {
    return (await atEdge('conflicts')).items.some((item) => item.id === id && item.state === 'settled');
  });
  await caughtUp();
}

const resolve = async (id: string, strategy: string): Promise<void> => {
  const { status, data } = await hub.admin.api.post(`/v1/conflicts/${id}/resolve`, { strategy });
  expect([status, data.strategy]).toEqual([200, strategy]);
};

type Books = { baskets: number; lines: number; totalMinor: number; stock: [string, number][] };

async function booksOfHub(): Promise<Books> {
  const [sums] = await hub.database.asOwner<Omit<Books, 'stock'>>(
    `SELECT sum(baskets)::int AS baskets, sum(lines)::int AS lines, sum(total_minor)::int AS "totalMinor" FROM sales_by_hour`,
  );
  const stock = await hub.database.asOwner<{ product: string; milli: number }>(
    'SELECT product, quantity_milli::int AS milli FROM stock_balance ORDER BY product',
  );
  return { ...(sums as Omit<Books, 'stock'>), stock: stock.map(({ product, milli }) => [product, milli]) };
}

function booksOfEdge(): Books {
  const sums = edge.store.reads.get<Omit<Books, 'stock'>>(
    'SELECT sum(sign(lines)) AS baskets, sum(lines) AS lines, sum(total_minor) AS totalMinor FROM sale',
  );
  const stock = edge.store.reads.all<{ product: string; milli: number }>(
    'SELECT product, on_hand_milli AS milli FROM stock_balance ORDER BY product',
  );
  return { ...(sums as Omit<Books, 'stock'>), stock: stock.map(({ product, milli }) => [product, milli]) };
}

/** To the cent and the gram, at both ends, and proved from what was archived. */
async function expectTheSameBooks(): Promise<void> {
  await caughtUp();
  expect(booksOfEdge()).toEqual(await booksOfHub());
  const { data } = await hub.admin.api.post('/v1/fleet/B001/verify');
  expect([data.outcome, data.differences]).toEqual(['equal', []]);
}

beforeAll(async () => {
  hub = await startHubHarness();
  const { api } = hub.admin;
  await createPlaces(api);
  await createBranch(api, 'B001');
  await create(api, '/v1/branches/B001/staff', { operator: 'M1', name: 'Thandi', role: 'store-manager', pin: PIN });
  const csv = `product,name,barcodes,taxClass,fractional,assortments,priceZone,priceMinor,pricePer,validFrom,active\nP1,One,1,STD,no,A1,Z1,1001,,,yes\nP2,Two,2,STD,no,A1,Z1,333,,,yes\n`;
  await api.post('/v1/imports/products', csv, { headers: { 'content-type': 'text/csv' } });
  line = await startFaultProxy({ target: { host: '127.0.0.1', port: Number(new URL(hub.url).port) } });
  dataDir = mkdtempSync(join(tmpdir(), 'branchline-lists-'));
  await open(await codeFor({ for: 'box' }));
  copy = await TestBox.enrol(hub.url, api, 'B001');
  const code = await codeFor({ for: 'device', till: 'T1' });
  await eventually('staff, settings, prices and the code of the till', () => {
    return ['operator', 'branch_setting', 'device_code', 'price'].every(
      (table) => edge.store.reads.get(`SELECT 1 FROM ${table}`) !== undefined,
    );
  });
  const { deviceToken } = await create<{ deviceToken: string }>(apiAt(edge.url), '/v1/devices/enrol', {
    code,
    name: 'Till 1',
  });
  const signedIn = await apiAt(edge.url, deviceToken).post('/v1/auth/pin', { operator: 'M1', pin: PIN });
  manager = apiAt(edge.url, signedIn.data.accessToken);
  await create(manager, '/v1/shifts', { id: v7(), drawer: 'D1', floatMinor: 10_000 });
});

afterAll(async () => {
  await edge.close();
  await line.close();
  await hub.close();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('a line in quarantine, through its whole life', () => {
  it('is seen at both ends, also after a restart without a line, and mends with what builds on it when its parent comes', async () => {
    const journal = copy.newJournal({ epoch: 7 });
    const shift = v7();
    const made = copy.newJournal();
    made.shiftOpen(shift);
    made.shiftClose(shift, 1);
    const [opening, closing] = made.lines.slice(1).map((bytes) => JSON.parse(bytes.toString('utf8')));
    journal.append('shift-open', shift, opening.body, { contract: CONTRACT + 1 });
    journal.append('shift-close', shift, closing.body, { refs: [`shift:${shift}`] });
    expect((await copy.push(journal.push())).data.quarantined?.map(({ code }) => code)).toEqual([
      'newer-contract',
      'waits-for-parent',
    ]);
    await eventually('the store to know', async () => (await atEdge('quarantine')).count === 2);
    line.cut();
    await restartEdge();
    const told = await atEdge('quarantine');
    expect(told.items.map(({ seq, code, state }) => [seq, code, state])).toEqual([
      [2, 'newer-contract', 'held'],
      [3, 'waits-for-parent', 'open'],
    ]);
    line.restore();
    const [held, waits] = await atHub('quarantine');
    expect(await atHub('quarantine', { olderThanS: 3_600 })).toEqual([]);
    expect(waits).toMatchObject({
      parents: [{ kind: 'shift-open', key: shift, incarnation: journal.incarnation, seq: 2 }],
    });
    const detail = await hub.admin.api.get(`/v1/quarantine/${held?.id}`);
    expect(detail.data.archived.line).toMatchObject({ kind: 'shift-open', key: shift, body: { till: 'T1' } });
    const again = copy.newJournal({ epoch: 8 });
    again.append('shift-open', shift, opening.body);
    await copy.push(again.push());
    await hub.hub.app.get(QuarantineRetrier).settled();
    expect((await atHub('quarantine')).map(({ seq }) => seq)).toEqual([2]);
    // By hand: nothing is better yet, and that somebody tried is in the audit.
    const retried = await hub.admin.api.post(`/v1/quarantine/${held?.id}/retry`);
    expect(retried.data).toMatchObject({ state: 'held', attempts: 2 });
    const audit = await hub.admin.api.get('/v1/audit', { params: { branch: 'B001', action: 'quarantine.retry' } });
    expect(audit.data.items).toHaveLength(1);
    await eventually('the store to know', async () => (await atEdge('quarantine')).count === 1);
  });
});

describe('a conflict, through its whole life', () => {
  it('duplicate: keep_hub, both sales stand at both ends', async () => {
    await sell('T1-20261120-900001');
    const second = await sell('T1-20261120-900001');
    const { id } = await openConflict('duplicate', second.id);
    await eventually('the store to know', async () => (await atEdge('conflicts')).items.some((item) => item.id === id));
    await restartEdge();
    expect((await atEdge('conflicts')).items[0]).toMatchObject({
      id,
      type: 'duplicate',
      state: 'open',
      suggested: 'merge',
    });
    await resolve(id, 'keep_hub');
    await settled(id);
    await expectTheSameBooks();
    expect(booksOfEdge().baskets).toBe(2);
  });

  it('duplicate: merge, the second is taken back once, by a store that was off when it was decided and started twice', async () => {
    await sell('T1-20261120-900002');
    const second = await sell('T1-20261120-900002');
    const before = booksOfEdge();
    const { id } = await openConflict('duplicate', second.id);
    await caughtUp();
    await edge.close();
    await resolve(id, 'merge');
    await hub.numbered();
    expect(await atHub('conflicts', { state: 'settling' })).toHaveLength(1);
    await open();
    await settled(id);
    await restartEdge();
    await manager.post('/v1/sync/force');
    await expectTheSameBooks();
    const { baskets, totalMinor } = booksOfEdge();
    expect({ baskets, totalMinor }).toEqual({
      baskets: before.baskets - 1,
      totalMinor: before.totalMinor - second.totalMinor,
    });
    const shift = edge.store.reads.get<{ id: string }>('SELECT id FROM shift');
    const { data: x } = await manager.get(`/v1/shifts/${shift?.id}/x`);
    // The shift is open still: what was taken back is expected in its drawer no more.
    const cash = x.tenders.find(({ tenderType }: { tenderType: string }) => tenderType === 'cash');
    expect(cash.expectedMinor).toBe(10_000 + totalMinor);
    const { receiptNumber } = edge.store.reads.get<{ receiptNumber: string }>(
      'SELECT receipt_number AS receiptNumber FROM sale WHERE reverses = ?',
      second.id,
    ) as { receiptNumber: string };
    expect(receiptNumber).toMatch(/^B001-T1-\d+-V000001$/);
    const found = await manager.get('/v1/sales', { params: { receiptNumber } });
    expect(found.data.items).toEqual([
      expect.objectContaining({ totalMinor: -second.totalMinor, flags: ['correction'] }),
    ]);
  });

  it('duplicate: keep_branch, the first is taken back', async () => {
    const first = await sell('T1-20261120-900003');
    const second = await sell('T1-20261120-900003');
    const before = booksOfEdge();
    const { id } = await openConflict('duplicate', second.id);
    await resolve(id, 'keep_branch');
    await settled(id);
    await expectTheSameBooks();
    expect(booksOfEdge().totalMinor).toBe(before.totalMinor - first.totalMinor);
  });

  it('data_mismatch: keep_hub, the first content stands at both ends', async () => {
    const sale = await sell();
    await caughtUp();
    const before = booksOfEdge();
    await tellOtherwise(sale.id, 10);
    const { id } = await openConflict('data_mismatch', sale.id);
    await resolve(id, 'keep_hub');
    await settled(id);
    await restartEdge();
    await expectTheSameBooks();
    expect(booksOfEdge()).toEqual(before);
    expect((await atHub('quarantine', { state: 'settled' })).map(({ code }) => code)).toEqual(['data-mismatch']);
  });

  it('data_mismatch: keep_branch, the first is taken back and the second recorded anew, at both ends', async () => {
    const sale = await sell();
    await caughtUp();
    const before = booksOfEdge();
    const otherMinor = await tellOtherwise(sale.id, 11);
    const { id } = await openConflict('data_mismatch', sale.id);
    line.cut();
    await resolve(id, 'keep_branch');
    await restartEdge();
    expect(booksOfEdge()).toEqual(before);
    line.restore();
    await settled(id);
    await restartEdge();
    await expectTheSameBooks();
    expect(booksOfEdge().totalMinor).toBe(before.totalMinor - sale.totalMinor + otherMinor);
  });

  it('data_mismatch: keep_hub, where the store itself has the content that was told second', async () => {
    line.cut();
    const sale = await sell();
    // The copy is first at head office: what the store has sold under this id is set aside there.
    const firstMinor = await tellOtherwise(sale.id, 12);
    const before = booksOfEdge();
    line.restore();
    const { id } = await openConflict('data_mismatch', sale.id);
    await resolve(id, 'keep_hub');
    await settled(id);
    await eventually('the store to take back its own content', () => booksOfEdge().totalMinor !== before.totalMinor);
    await expectTheSameBooks();
    expect(booksOfEdge().totalMinor).toBe(before.totalMinor - sale.totalMinor + firstMinor);
  });

  it('data_mismatch: keep_branch, where the store itself has the content that was told second', async () => {
    line.cut();
    const sale = await sell();
    await tellOtherwise(sale.id, 13);
    const before = booksOfEdge();
    line.restore();
    const { id } = await openConflict('data_mismatch', sale.id);
    await resolve(id, 'keep_branch');
    await settled(id);
    await expectTheSameBooks();
    expect(booksOfEdge().totalMinor).toBe(before.totalMinor);
  });

  it('constraint_violation: keep_hub, two sales that printed one number stand as they are', async () => {
    const sale = await sell();
    await caughtUp();
    const { receiptNumber } = (await manager.get(`/v1/sales/${sale.id}`)).data;
    const journal = copy.newJournal({ epoch: 14 });
    const other = journal.sale({ receiptNumber, lines: [{ product: 'COPY', priceMinor: 500 }] });
    await copy.push(journal.push());
    const { id } = await openConflict('constraint_violation', other.id);
    await resolve(id, 'keep_hub');
    await settled(id);
    // What the copy sold is told to the store when it says hello.
    await restartEdge();
    await eventually('the copy’s sale', () => booksOfEdge().stock.some(([product]) => product === 'COPY'));
    await expectTheSameBooks();
  });

  it('leaves who decided what in the audit, whose chain holds', async () => {
    const decided = await hub.admin.api.get('/v1/audit', { params: { branch: 'B001', action: 'conflict.resolve' } });
    expect(decided.data.items).toHaveLength(8);
    const closed = await hub.admin.api.get('/v1/audit', { params: { branch: 'B001', action: 'conflict.settle' } });
    expect(closed.data.items).toHaveLength(4);
    const verified = await hub.admin.api.post('/v1/audit/verify', {});
    expect(verified.data.differs).toBeNull();
    expect(alarms.filter((alarm) => alarm.includes('was not written'))).toEqual([]);
  });

  it('makes the same books again when the store is rebuilt from its journal', async () => {
    const before = booksOfEdge();
    await edge.close();
    line.cut();
    await rebuildInPlace(join(dataDir, 'edge.db'), { appliers: APPLIERS, moveReference, applyFetched });
    await open();
    expect(booksOfEdge()).toEqual(before);
  });
});

/** The copy tells a sale with the same id and other content. @returns what that comes to */
async function tellOtherwise(id: string, epoch: number): Promise<number> {
  const journal = copy.newJournal({ epoch });
  const body = saleBody('B001', epoch, epoch, {
    id,
    lines: [
      { product: 'P1', priceMinor: 700 },
      { product: 'P2', priceMinor: 50 },
    ],
  });
  journal.append('sale', id, body);
  expect((await copy.push(journal.push())).status).toBe(200);
  return body.totalMinor;
}
