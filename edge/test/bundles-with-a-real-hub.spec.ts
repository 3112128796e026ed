import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { startFaultProxy, type FaultProxy } from '@branchline/fleet/fault-proxy.js';
import { BUNDLE_MEDIA_TYPE } from '@branchline/replication/bundle.js';
import type { AxiosInstance, AxiosResponse } from 'axios';
import fc from 'fast-check';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import {
  apiAt,
  create,
  createBranch,
  createPlaces,
  startHubHarness,
  type HubHarness,
} from '../../hub/test/hub-harness.js';
import * as hubCommands from '../../hub/src/bundles/bundle-commands.js';
import { HubSecrets } from '../../hub/src/secrets.js';
import { takeBundleFile, writeBundleFile } from '../src/bundle-commands.js';
import { readConfig } from '../src/config.js';
import { enrolBox } from '../src/replicator/enrol-box.js';
import type { SyncStatus } from '../src/replicator/sync-status.js';
import { eventually } from '../src/replicator/testing/replicator-fixture.js';
import { startEdge, type RunningEdge } from '../src/start-edge.js';
import { saveBox } from '../src/store/box.js';
import { ThreadedWriter } from '../src/store/threaded-writer.js';
import { sourceThread } from './source-thread/source-thread.js';

/** A whole hub and whole edges that have no line: what they have to say is carried. */
let hub: HubHarness;
let line: FaultProxy;
const folders: string[] = [];
const open: RunningEdge[] = [];

const PIN = '2468';
const SALE_MINOR = 2_002;
const quiet = { log: () => undefined, warn: () => undefined, error: () => undefined, fatal: () => undefined };

/** A store with its box, and the file that is the carrier's stick. */
type Store = {
  branch: string;
  dataDir: string;
  edge: RunningEdge;
  manager: AxiosInstance;
  sold: number;
};

const place = ({ dataDir }: Pick<Store, 'dataDir'>) => ({ dataDir, witnessFile: join(dataDir, 'witness') });

async function openEdge(dataDir: string): Promise<RunningEdge> {
  const config = readConfig({
    ...{ EDGE_DATA: dataDir, EDGE_HUB_URL: line.url, EDGE_PORT: '0', EDGE_POLL_MS: '150', EDGE_PUSH_LINES: '20' },
    ...{ EDGE_RETRY_MS_MIN: '10', EDGE_RETRY_MS_MAX: '100', EDGE_REQUEST_TIMEOUT_MS: '2000' },
  });
  const onFatal = (error: Error): void => {
    throw error;
  };
  const edge = await startEdge({
    ...{ config, logger: quiet, clock: systemClock, newId: v7, onFatal },
    readerThread: sourceThread('edge/src/reader-thread.ts'),
    writer: ThreadedWriter.start(sourceThread('edge/src/writer-thread.ts')),
  });
  open.push(edge);
  return edge;
}

async function closeEdge(edge: RunningEdge): Promise<void> {
  open.splice(open.indexOf(edge), 1);
  await edge.close();
}

const codeFor = async (branch: string, what: Record<string, string>): Promise<string> =>
  (await create<{ code: string }>(hub.admin.api, `/v1/branches/${branch}/enrolment-codes`, what)).code;

/** Enrolled at head office, then carried to a store that never had a line: all it knows came as a bundle. */
async function openStore(branch: string): Promise<Store> {
  await createBranch(hub.admin.api, branch);
  await create(hub.admin.api, `/v1/branches/${branch}/staff`, {
    ...{ operator: 'M1', name: 'Thandi', role: 'store-manager', pin: PIN },
  });
  const dataDir = mkdtempSync(join(tmpdir(), 'branchline-box-'));
  folders.push(dataDir);
  saveBox(dataDir, await enrolBox(hub.url, await codeFor(branch, { for: 'box' })));
  const tillCode = await codeFor(branch, { for: 'device', till: 'T1' });
  await hub.numbered();
  const stick = join(dataDir, 'stick');
  writeFileSync(stick, await downOf(branch));
  await takeBundleFile({ dataDir, witnessFile: join(dataDir, 'witness') }, stick);
  const edge = await openEdge(dataDir);
  const device = await create<{ deviceToken: string }>(apiAt(edge.url), '/v1/devices/enrol', {
    ...{ code: tillCode, name: 'Till 1' },
  });
  const signedIn = await apiAt(edge.url, device.deviceToken).post('/v1/auth/pin', { operator: 'M1', pin: PIN });
  expect(signedIn.status).toBe(200);
  const manager = apiAt(edge.url, signedIn.data.accessToken);
  await create(manager, '/v1/shifts', { id: v7(), drawer: 'D1', floatMinor: 10_000 });
  return { branch, dataDir, edge, manager, sold: 0 };
}

let reference = 0;

async function sell(store: Store, count: number): Promise<void> {
  for (let done = 0; done < count; done++) {
    await create(store.manager, '/v1/sales', {
      id: v7(),
      deviceReference: `T1-20261120-${String((reference += 1)).padStart(6, '0')}`,
      occurredAt: new Date(systemClock.now()).toISOString(),
      lines: [{ lineNo: 1, product: 'P1', quantity: 2 }],
      tenders: [{ tenderNo: 1, type: 'cash', amountMinor: SALE_MINOR }],
      expectedTotalMinor: SALE_MINOR,
    });
  }
  store.sold += count;
}

const BINARY = { responseType: 'arraybuffer', maxBodyLength: Infinity } as const;
const sent = { headers: { 'content-type': BUNDLE_MEDIA_TYPE } };

async function bytesOf(answer: Promise<AxiosResponse<Buffer>>): Promise<Buffer> {
  const { status, data } = await answer;
  expect([status, status === 200 ? '' : data.toString()]).toEqual([200, '']);
  return data;
}

const upOf = (store: Store, query = ''): Promise<Buffer> =>
  bytesOf(store.manager.get(`/v1/sync/bundle${query}`, BINARY));
const downOf = (branch: string): Promise<Buffer> => bytesOf(hub.admin.api.get(`/v1/bundles/${branch}`, BINARY));
const intoHub = (bundle: Buffer, api = hub.admin.api): Promise<AxiosResponse> => api.post('/v1/bundles', bundle, sent);
const intoEdge = (store: Store, bundle: Buffer): Promise<AxiosResponse> =>
  store.manager.post('/v1/sync/bundle', bundle, sent);

async function well(answer: Promise<AxiosResponse>): Promise<Record<string, unknown>> {
  const { status, data } = await answer;
  expect([status, data]).toEqual([200, data]);
  return data as Record<string, unknown>;
}

type Status = SyncStatus & { bundles: { lastOutAt: string | null; lastInAt: string | null; linesOut: number | null } };
const statusOf = async (store: Store): Promise<Status> => (await store.manager.get<Status>('/v1/sync/status')).data;

/** Equal head hashes prove the same lines; the report that each sale counts once. */
async function expectTheSame(store: Store): Promise<void> {
  const status = await statusOf(store);
  const [stream] = await hub.database.asOwner<{ seq: number; hash: string }>(
    `SELECT applied_seq::integer AS seq, encode(head_hash, 'hex') AS hash FROM incarnation WHERE incarnation = $1`,
    [status.incarnation],
  );
  expect(stream).toEqual({ seq: status.lastSeq, hash: status.headHash });
  expect(status.queue).toBe(0);
  const { api } = hub.admin;
  const report = await api.get(`/v1/reports/sales?groupBy=branch&from=2020-01-01&to=2099-12-31&branch=${store.branch}`);
  expect(report.data.totals).toMatchObject({ baskets: store.sold, totalMinor: store.sold * SALE_MINOR });
}

/** Rows at the hub are what the lines say. */
async function expectVerified({ branch }: Store): Promise<void> {
  const verified = await hub.admin.api.post(`/v1/fleet/${branch}/verify`);
  expect([verified.data.outcome, verified.data.differences]).toEqual(['equal', []]);
}

/** What the store has of the catalogue is what the hub has published to it. */
async function expectTheSameCatalogue(store: Store): Promise<void> {
  for (const { scope, number, hash } of (await statusOf(store)).cursors) {
    const [head] = await hub.database.asOwner<{ newest: number; hash: string }>(
      `SELECT newest::integer, encode(hash, 'hex') AS hash FROM feed_head WHERE scope = $1`,
      [scope],
    );
    expect([scope, number, hash]).toEqual([scope, head?.newest ?? 0, head?.hash ?? '0'.repeat(64)]);
  }
  const count = (table: string): unknown => store.edge.store.reads.get(`SELECT count(*) AS n FROM ${table}`);
  expect([count('product'), count('price'), count('feed_staged')]).toEqual([
    { n: products },
    { n: products },
    { n: 0 },
  ]);
}

let products = 0;

async function importProducts(upTo: number): Promise<void> {
  const rows = Array.from({ length: upTo }, (_, at) => `P${at},Product ${at},600${at},STD,no,A1,Z1,${1000 + at},,,yes`);
  const csv = `product,name,barcodes,taxClass,fractional,assortments,priceZone,priceMinor,pricePer,validFrom,active\n${rows.join('\n')}\n`;
  const imported = await hub.admin.api.post('/v1/imports/products', csv, { headers: { 'content-type': 'text/csv' } });
  expect(imported.data).toMatchObject({ bad: [] });
  products = upTo;
  await hub.numbered();
}

beforeAll(async () => {
  hub = await startHubHarness();
  await createPlaces(hub.admin.api);
  await importProducts(300);
  line = await startFaultProxy({ target: { host: '127.0.0.1', port: Number(new URL(hub.url).port) } });
  line.cut();
});

afterAll(async () => {
  for (const edge of [...open]) await closeEdge(edge);
  await line.close();
  await hub.close();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describe('a store without a line', () => {
  let store: Store;
  beforeAll(async () => void (store = await openStore('B001')));

  it('sells for days, and a stick out and another in bring both sides level', async () => {
    for (let day = 0; day < 3; day++) {
      await sell(store, 12);
      await importProducts(products + 40);
      const taken = await well(intoHub(await upOf(store)));
      expect(taken).toMatchObject({ branch: 'B001', newLines: day === 0 ? 15 : 12 });
      const told = await well(intoEdge(store, await downOf('B001')));
      expect(told).toMatchObject({ isNewest: true, queue: 0, gaps: [] });
      await expectTheSame(store);
      await expectTheSameCatalogue(store);
    }
  });

  it('is told when something last went out and came in', async () => {
    const { bundles } = await statusOf(store);
    expect(bundles).toMatchObject({ linesOut: 12 });
    expect(Date.parse(String(bundles.lastOutAt))).toBeGreaterThan(0);
    expect(Date.parse(String(bundles.lastInAt))).toBeGreaterThanOrEqual(Date.parse(String(bundles.lastOutAt)));
  });

  it('writes a bundle by command while it sells', async () => {
    await sell(store, 3);
    const file = join(store.dataDir, 'stick');
    const [out] = await Promise.all([writeBundleFile(place(store), file, false), sell(store, 5)]);
    expect(out).toMatchObject({ damaged: [], isCut: false });
    expect(out.lines).toBeGreaterThanOrEqual(3);
    await expect(takeBundleFile(place(store), file)).rejects.toThrow('another edge is running');
  });

  it('is served by command at head office, too', async () => {
    await sell(store, 2);
    const own = { database: hub.database, secrets: HubSecrets.open(hub.secretsDir) };
    const [up, down] = [join(store.dataDir, 'up'), join(store.dataDir, 'down')];
    await writeBundleFile(place(store), up, false);
    const taken = await hubCommands.takeBundleFile(own, up);
    expect(taken).toMatchObject({ branch: 'B001', newLines: taken.lines });
    await hubCommands.writeBundleFile(own, down, { tenant: 'ACME', branch: 'B001' });
    expect(await well(intoEdge(store, readFileSync(down)))).toMatchObject({ isNewest: true, queue: 0 });
    await expectTheSame(store);
    await expect(hubCommands.takeBundleFile(own, down)).rejects.toThrow('for a store, not for head office');
    await expect(hubCommands.writeBundleFile(own, down, { tenant: 'ACME', branch: 'B9' })).rejects.toThrow(
      'no such box',
    );
  });

  it('goes on by line where bundles ended, and by bundles where the line ended', async () => {
    const [before, last] = [await upOf(store), await downOf('B001')];
    await well(intoEdge(store, last));
    await sell(store, 2);
    line.restore();
    await eventually('an empty queue', async () => (await statusOf(store)).queue === 0);
    await expectTheSame(store);
    line.cut();
    expect(await well(intoHub(before))).toMatchObject({ newLines: 0 });
    // It knows less than the line has taught since.
    expect(await well(intoEdge(store, last))).toMatchObject({ isNewest: true, queue: 0 });
    await sell(store, 4);
    await well(intoHub(await upOf(store)));
    await well(intoEdge(store, await downOf('B001')));
    await expectTheSame(store);
    await expectTheSameCatalogue(store);
  });
});

describe('an older bundle of head office', () => {
  it('takes nothing back that a newer one has brought', async () => {
    const store = await openStore('B006');
    await well(intoHub(await upOf(store)));
    const older = await downOf('B006');
    await sell(store, 3);
    await importProducts(products + 2);
    await well(intoHub(await upOf(store)));
    await well(intoEdge(store, await downOf('B006')));
    expect(await well(intoEdge(store, older))).toMatchObject({ isNewest: false, queue: 0 });
    await expectTheSame(store);
    await expectTheSameCatalogue(store);
  });
});

describe('bundles in any order, any number of times', () => {
  it('bring both sides to the same state as the line', async () => {
    const store = await openStore('B002');
    const steps = fc.array(fc.constantFrom('sell', 'publish', 'up', 'down', 'in', 'out'), {
      minLength: 6,
      maxLength: 14,
    });
    const ups: Buffer[] = [];
    const downs: Buffer[] = [];
    let asked = 0;
    const any = (from: Buffer[]): Buffer | undefined => from[(asked = (asked * 31 + 7) % 1_000) % (from.length || 1)];
    await fc.assert(
      fc.asyncProperty(steps, async (wanted) => {
        for (const step of wanted) {
          if (step === 'sell') await sell(store, 2);
          if (step === 'publish') await importProducts(products + 3);
          if (step === 'out') ups.push(await upOf(store, ups.length % 3 === 0 ? '?whole=true' : ''));
          if (step === 'down') downs.push(await downOf('B002'));
          const [up, down] = [any(ups), any(downs)];
          if (step === 'up' && up) await well(intoHub(up));
          if (step === 'in' && down) await well(intoEdge(store, down));
        }
        await well(intoHub(await upOf(store)));
        await well(intoEdge(store, await downOf('B002')));
        await expectTheSame(store);
        await expectTheSameCatalogue(store);
      }),
      { numRuns: 20, endOnFailure: true },
    );
    await expectVerified(store);
  }, 120_000);
});

describe('a bundle that is not what it should be', () => {
  let store: Store;
  let other: Store;
  let up: Buffer;
  let down: Buffer;
  beforeAll(async () => {
    store = await openStore('B003');
    other = await openStore('B004');
    await sell(store, 5);
    up = await upOf(store);
    await importProducts(products + 5);
    down = await downOf('B003');
  });

  const stateOfHub = (): Promise<unknown> =>
    hub.database.asOwner("SELECT branch_id, applied_seq, encode(head_hash, 'hex') FROM incarnation ORDER BY 1, 2");
  const incidents = async (): Promise<string[]> =>
    (await hub.admin.api.get('/v1/incidents?limit=100')).data.items.map(({ key }: { key: string }) => key);

  it('is refused whole, without effect, when a byte of it was changed or it was cut', async () => {
    const before = [await stateOfHub(), await statusOf(store)];
    for (const at of [25, 60, 200, 400, 700, up.length - 70, up.length - 1]) {
      const changed = Buffer.from(up);
      changed[at] = (changed[at] as number) ^ 1;
      const { status, data } = await intoHub(changed);
      expect([at, status, ['malformed-bundle', 'bundle-forged', 'bundle-not-ours'].includes(data.code)]).toEqual([
        ...[at, data.code === 'bundle-not-ours' ? 403 : 400, true],
      ]);
      const changedDown = Buffer.from(down);
      const there = at < up.length - 100 ? at : down.length - (up.length - at);
      changedDown[there] = (changedDown[there] as number) ^ 1;
      expect((await intoEdge(store, changedDown)).status).toBeGreaterThanOrEqual(400);
    }
    for (const length of [0, 10, 300, up.length - 64, up.length - 1]) {
      expect((await intoHub(up.subarray(0, length))).status).toBeGreaterThanOrEqual(400);
      expect((await intoEdge(store, down.subarray(0, length))).status).toBeGreaterThanOrEqual(400);
    }
    const after = await statusOf(store);
    expect([await stateOfHub(), { ...after, attempts: 0, nextAttemptAt: null }]).toEqual([
      ...[before[0], { ...(before[1] as Status), attempts: 0, nextAttemptAt: null }],
    ]);
    expect((await incidents()).some((key) => key.startsWith('bundle-forged'))).toBe(true);
    const log = await store.manager.get('/v1/sync/log?limit=50');
    expect(log.data.items.some(({ event }: { event: string }) => event === 'bundle-refused')).toBe(true);
  });

  it('is refused by a box, a branch and a chain whose it is not', async () => {
    expect((await intoEdge(other, down)).data.code).toBe('bundle-not-ours');
    expect((await intoEdge(store, up)).data.code).toBe('malformed-bundle');
    expect((await intoHub(down)).data.code).toBe('malformed-bundle');
    const stranger = await hub.newTenant('OTHER');
    expect((await intoHub(up, stranger.api)).data.code).toBe('bundle-not-ours');
    expect((await stranger.api.get('/v1/bundles/B003')).status).toBe(404);
  });

  it('is taken, and given, only by who may carry', async () => {
    expect((await intoHub(up, hub.anonymous)).status).toBe(401);
    expect((await hub.anonymous.get('/v1/bundles/B003')).status).toBe(401);
    expect((await apiAt(store.edge.url).get('/v1/sync/bundle')).status).toBe(401);
    expect((await apiAt(store.edge.url).post('/v1/sync/bundle', down, sent)).status).toBe(401);
  });

  it('is in the audit, with who carried it', async () => {
    const taken = await well(intoHub(up));
    await downOf('B003');
    const { data } = await hub.admin.api.get('/v1/audit?limit=200');
    const actions = data.items.map(({ action, detail }: { action: string; detail: { bundle?: string } }) => {
      return [action, detail.bundle];
    });
    expect(actions).toContainEqual(['bundle.in', taken['bundle']]);
    expect(actions.some(([action]: [string]) => action === 'bundle.out')).toBe(true);
  });

  it('of a box that was revoked is refused, and none is made for it', async () => {
    const { api } = hub.admin;
    const [box] = (await api.get('/v1/branches/B004/boxes')).data.items as { box: string }[];
    const last = await upOf(other);
    expect((await api.post(`/v1/branches/B004/boxes/${box?.box}/revoke`)).status).toBe(200);
    expect((await intoHub(last)).data.code).toBe('box-revoked');
    expect((await incidents()).some((key) => key.startsWith('box-revoked'))).toBe(true);
    expect((await api.get('/v1/bundles/B004')).data.code).toBe('box-revoked');
  });
});

describe('a box that was restored from a backup between two bundles', () => {
  it('keeps every sale: what it sold before is at head office, what it sold since comes in a history of its own', async () => {
    const store = await openStore('B005');
    await sell(store, 4);
    await well(intoHub(await upOf(store)));
    await closeEdge(store.edge);
    const backup = `${store.dataDir}-backup`;
    folders.push(backup);
    cpSync(store.dataDir, backup, { recursive: true });
    const token = String(store.manager.defaults.headers['authorization']).slice('Bearer '.length);
    const reopen = async (dataDir: string): Promise<void> => {
      store.edge = await openEdge(dataDir);
      store.manager = apiAt(store.edge.url, token);
      store.dataDir = dataDir;
    };
    await reopen(store.dataDir);
    await sell(store, 3);
    const later = await upOf(store);
    await well(intoHub(later));
    await closeEdge(store.edge);
    // Its witness went with it: nothing there tells that more was sold.
    await reopen(backup);
    await sell(store, 2);
    const afterRestore = await upOf(store);
    const taken = (await well(intoHub(afterRestore))) as { streams: { refused: { code: string } | null }[] };
    expect(taken.streams.map(({ refused }) => refused?.code)).toEqual(['fork']);
    await well(intoHub(later));
    await well(intoEdge(store, await downOf('B005')));
    expect((await statusOf(store)).epoch).toBe(2);
    await well(intoHub(await upOf(store)));
    await well(intoEdge(store, await downOf('B005')));
    await expectTheSame(store);
    await expectVerified(store);
  });
});
