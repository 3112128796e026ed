import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { startFaultProxy, type FaultProxy } from '@branchline/fleet/fault-proxy.js';
import type { AxiosInstance } from 'axios';
import BetterSqlite3 from 'better-sqlite3';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
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
import type { BoxWord, Verification } from '../../hub/src/verify/answer.js';
import { readConfig } from '../src/config.js';
import type { SyncStatus } from '../src/replicator/sync-status.js';
import { eventually } from '../src/replicator/testing/replicator-fixture.js';
import { startEdge, type RunningEdge } from '../src/start-edge.js';
import { ThreadedWriter } from '../src/store/threaded-writer.js';
import type { EdgeVerification } from '../src/verify/last-verification.js';
import { sourceThread } from './source-thread/source-thread.js';

/** A whole edge and a whole hub on PostgreSQL: whatever is done to the bytes of either is noticed and named by verify. */
jest.setTimeout(60_000);

let hub: HubHarness;
let line: FaultProxy;
let dataDir: string;
let edge: RunningEdge;
let manager: AxiosInstance;
let branch: string;

const PIN = '2468';
const SALE_MINOR = 2_002;
const quiet = { log: () => undefined, warn: () => undefined, error: () => undefined, fatal: () => undefined };

async function open(folder: string, enrolmentCode?: string): Promise<RunningEdge> {
  const config = readConfig({
    ...{ EDGE_DATA: folder, EDGE_HUB_URL: line.url, EDGE_PORT: '0', EDGE_POLL_MS: '150', EDGE_PUSH_LINES: '20' },
    ...{ EDGE_RETRY_MS_MIN: '10', EDGE_RETRY_MS_MAX: '100', EDGE_REQUEST_TIMEOUT_MS: '5000' },
    ...(enrolmentCode !== undefined && { EDGE_ENROLMENT_CODE: enrolmentCode }),
  });
  return startEdge({
    ...{ config, logger: quiet, clock: systemClock, newId: v7, onFatal: () => undefined },
    readerThread: sourceThread('edge/src/reader-thread.ts'),
    verifyThread: sourceThread('edge/src/verify-thread.ts'),
    writer: ThreadedWriter.start(sourceThread('edge/src/writer-thread.ts')),
  });
}

/** The same folder, another process as far as it can tell. */
async function reopen(folder = dataDir): Promise<void> {
  const { authorization } = manager.defaults.headers;
  edge = await open(folder);
  manager = apiAt(edge.url, String(authorization).slice('Bearer '.length));
}

let reference = 0;

async function sell(count: number): Promise<void> {
  for (let done = 0; done < count; done++)
    await create(manager, '/v1/sales', {
      id: v7(),
      deviceReference: `T1-20261120-${String((reference += 1)).padStart(6, '0')}`,
      occurredAt: new Date(systemClock.now()).toISOString(),
      lines: [{ lineNo: 1, product: 'P1', quantity: 2 }],
      tenders: [{ tenderNo: 1, type: 'cash', amountMinor: SALE_MINOR }],
      expectedTotalMinor: SALE_MINOR,
    });
}

async function caughtUp(): Promise<SyncStatus> {
  let status = (await manager.get<SyncStatus>('/v1/sync/status')).data;
  await eventually('an empty queue', async () => {
    status = (await manager.get<SyncStatus>('/v1/sync/status')).data;
    return status.queue === 0 && status.line === 'up';
  });
  return status;
}

async function verifyEdge(): Promise<EdgeVerification> {
  const { status, data } = await manager.post<EdgeVerification>('/v1/sync/verify');
  expect({ status, data }).toMatchObject({ status: 200 });
  return data;
}

/** With the box's own word, which it was asked for at the same time: no check of its own runs on meanwhile. */
async function verifyHub(): Promise<Verification> {
  const { status, data } = await hub.admin.api.post<Verification>('/v1/fleet/B001/verify');
  expect(status).toBe(200);
  await eventually('the word of the box', async () => (await boxOf()).askedAt === null);
  return data;
}

const boxOf = async (): Promise<BoxWord> => (await hub.admin.api.get('/v1/fleet')).data.items[0].boxes[0];

const named = ({ differences }: { differences: readonly { what: string; detail: string }[] }): string[] =>
  differences.map(({ what, detail }) => `${what}: ${detail}`);

/** Past the edge, as a failing disk or a person with a database tool would. */
function tamperEdge(sql: string, ...params: unknown[]): void {
  const database = new BetterSqlite3(join(dataDir, 'edge.db'));
  try {
    expect(database.prepare(sql).run(...params).changes).toBeGreaterThan(0);
  } finally {
    database.close();
  }
}

const tamperHub = (sql: string, ...params: unknown[]) => hub.database.asOwner(sql, params);

/** What `work` does to the hub's rows is undone. */
async function whileHub(table: string, tamper: () => Promise<unknown>, work: () => Promise<void>): Promise<void> {
  await tamperHub(`CREATE TABLE kept AS SELECT * FROM ${table}`);
  try {
    await tamper();
    await work();
  } finally {
    // Columns that follow from others are made anew.
    const columns = await tamperHub(
      `SELECT string_agg(attname, ', ') AS names FROM pg_attribute
       WHERE attrelid = '${table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`,
    );
    const { names } = columns[0] as { names: string };
    await tamperHub(`TRUNCATE ${table}`);
    await tamperHub(`INSERT INTO ${table} (${names}) SELECT ${names} FROM kept`);
    await tamperHub('DROP TABLE kept');
  }
}

beforeAll(async () => {
  hub = await startHubHarness();
  const { api } = hub.admin;
  await createPlaces(api);
  branch = (await createBranch(api, 'B001')).id;
  await create(api, '/v1/branches/B001/staff', { operator: 'M1', name: 'Thandi', role: 'store-manager', pin: PIN });
  await create(api, '/v1/branches/B001/staff', { operator: 'C1', name: 'Lerato', role: 'cashier', pin: PIN });
  const rows = Array.from(
    { length: 300 },
    (_, at) => `P${at},Product ${at},600${at} 601${at},STD,no,A1,Z1,${1000 + at},,,yes`,
  );
  const csv = `product,name,barcodes,taxClass,fractional,assortments,priceZone,priceMinor,pricePer,validFrom,active\n${rows.join('\n')}\n`;
  expect((await api.post('/v1/imports/products', csv, { headers: { 'content-type': 'text/csv' } })).status).toBe(200);
  line = await startFaultProxy({ target: { host: '127.0.0.1', port: Number(new URL(hub.url).port) } });
  dataDir = mkdtempSync(join(tmpdir(), 'branchline-proof-'));
  const codeFor = async (what: Record<string, string>): Promise<string> =>
    (await create<{ code: string }>(api, '/v1/branches/B001/enrolment-codes', what)).code;
  edge = await open(dataDir, await codeFor({ for: 'box' }));
  const code = await codeFor({ for: 'device', till: 'T1' });
  await eventually('staff, settings, prices and the code of the till', () =>
    ['operator', 'branch_setting', 'device_code', 'price'].every(
      (table) => edge.store.reads.get(`SELECT 1 FROM ${table}`) !== undefined,
    ),
  );
  const device = { code, name: 'Till 1' };
  const { deviceToken } = await create<{ deviceToken: string }>(apiAt(edge.url), '/v1/devices/enrol', device);
  const signedIn = await apiAt(edge.url, deviceToken).post('/v1/auth/pin', { operator: 'M1', pin: PIN });
  manager = apiAt(edge.url, signedIn.data.accessToken);
  await create(manager, '/v1/shifts', { id: v7(), drawer: 'D1', floatMinor: 10_000 });
  await sell(5);
  await caughtUp();
});
afterAll(async () => {
  await edge.close();
  await line.close();
  await hub.close();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('verify, of an edge and its hub that hold the same', () => {
  it('says so at both ends: up to which line, and every record of every scope', async () => {
    const status = await caughtUp();
    const head = { incarnation: status.incarnation, epoch: 1, seq: status.lastSeq, hash: status.headHash };
    const atEdge = await verifyEdge();
    expect(atEdge).toMatchObject({
      outcome: 'equal',
      hub: 'asked',
      provedTo: head,
      differences: [],
      count: 0,
      repaired: 0,
    });
    expect(atEdge.feeds.map(({ scope, records }) => [scope.split(':')[0], records])).toEqual([
      ['assortment', 300],
      ['branch', 4],
      ['region', 0],
      ['tenant', 1],
      ['zone', 300],
    ]);
    const atHub = await verifyHub();
    expect(atHub).toMatchObject({ outcome: 'equal', differences: [], provedTo: head });
    expect(atHub.boxes).toMatchObject([{ outcome: 'equal', provedTo: head, feeds: atEdge.feeds }]);
  });

  it('is asked for from head office, and its answer comes by itself', async () => {
    const before = (await boxOf()).heardAt ?? '';
    await verifyHub();
    const { heardAt, outcome } = await boxOf();
    expect([outcome, heardAt !== null && heardAt > before]).toEqual(['equal', true]);
  });

  it('proves rows and journal when the line is away, and says that the hub was not asked', async () => {
    line.cut();
    await sell(1);
    expect(await verifyEdge()).toMatchObject({ outcome: 'equal', hub: 'away', provedTo: null, feeds: [] });
    line.restore();
    await caughtUp();
  });
});

describe('verify at the edge notices and names', () => {
  it('a flipped bit in a row of the journal’s', async () => {
    tamperEdge('UPDATE sale SET net_minor = net_minor + 256 WHERE no = 3');
    const found = await verifyEdge();
    expect(named(found)[0]).toMatch(
      /^altered-row: sale 3 \([0-9a-f-]{36}\): net_minor is 1997, the journal says 1741$/u,
    );
    expect(named(found)[1]).toContain('day-sums: ');
    tamperEdge('UPDATE sale SET net_minor = net_minor - 256 WHERE no = 3');
    expect((await verifyEdge()).outcome).toBe('equal');
  });

  it('a doubled row and a missing row of the journal’s', async () => {
    tamperEdge(
      'INSERT INTO stock_movement SELECT 999, product, quantity_milli, reason, sale_no, line_no FROM stock_movement WHERE no = 1',
    );
    tamperEdge('DELETE FROM tender_entry WHERE no = 2');
    expect(named(await verifyEdge())).toEqual([
      'missing-row: tender_entry 2 of sale 2: the journal says it, and it is not there',
      'extra-row: stock_movement 999 of sale 1: no line of the journal leads to it',
    ]);
    tamperEdge('DELETE FROM stock_movement WHERE no = 999');
    tamperEdge(
      `INSERT INTO tender_entry SELECT 2, shift_no, tender_type, currency, amount_minor, reason, 2 FROM tender_entry WHERE no = 1`,
    );
    expect((await verifyEdge()).outcome).toBe('equal');
  });

  it('a tampered journal', async () => {
    const { hash } = edge.store.reads.get<{ hash: Buffer }>('SELECT hash FROM journal WHERE seq = 4') ?? {};
    tamperEdge('UPDATE journal SET hash = zeroblob(32) WHERE seq = 4');
    const found = await verifyEdge();
    expect(named(found)).toContainEqual(
      expect.stringMatching(/^journal-line: line 4 of [0-9a-f-]{36}: its bytes lead to/u),
    );
    expect(found.provedTo).toBeNull();
    tamperEdge('UPDATE journal SET hash = ? WHERE seq = 4', hash);
  });

  it('flipped bits, extra and missing rows of head office’s, and takes again just these', async () => {
    tamperEdge(`UPDATE feed_price SET minor = minor + 1 WHERE key LIKE 'P7/%'`);
    tamperEdge(`UPDATE feed_product SET name = name || '!', version = 4611686018427387904 WHERE code = 'P8'`);
    tamperEdge(
      `INSERT INTO feed_product SELECT 'P8B', take, version, name, category, department, brand, pack_size, tax_class, fractional, active, rest FROM feed_product WHERE code = 'P9'`,
    );
    tamperEdge(`DELETE FROM feed_barcode WHERE product = 'P10'`);
    tamperEdge(`DELETE FROM feed_product WHERE code = 'P11'`);
    tamperEdge(`UPDATE feed_operator SET grants = 'no JSON' WHERE operator = 'C1'`);
    const found = await verifyEdge();
    expect(found).toMatchObject({ outcome: 'differs', count: 6, repaired: 6 });
    const places = named(found).map((text) => text.replace(/ \(bucket \d+\).*$/u, '').replace(branch, 'B'));
    expect(places.sort()).toEqual([
      'feed-altered: assortment:A1 product P10',
      'feed-altered: assortment:A1 product P8',
      'feed-altered: branch:B operator C1',
      'feed-altered: zone:Z1 price P7/-',
      'feed-extra: assortment:A1 product P8B',
      'feed-missing: assortment:A1 product P11',
    ]);
    expect(found.feeds.map(({ scope }) => scope)).toEqual(['region:R1', 'tenant']);
    expect(await verifyEdge()).toMatchObject({ outcome: 'equal', repaired: 0, count: 0 });
    const log = (await manager.get('/v1/sync/log?limit=100')).data.items as { level: string; event: string }[];
    expect(log.filter(({ level }) => level === 'incident').map(({ event }) => event)).toContain('verify-feed-missing');
    const { data } = await hub.admin.api.get('/v1/incidents');
    expect(data.items.map(({ code, key }: { code: string; key: string }) => `${code} ${key}`)).toEqual(
      expect.arrayContaining(['box-differs feed-altered', 'box-differs feed-extra', 'box-differs feed-missing']),
    );
  });
});

describe('verify at the hub notices and names', () => {
  it('a flipped bit in a row', async () => {
    const flip = () => tamperHub('UPDATE sale SET total_minor = total_minor + 1024 WHERE branch_id = $1', branch);
    await whileHub('sale', flip, async () => {
      const found = await verifyHub();
      expect(named(found)).toContainEqual(
        expect.stringMatching(
          /^altered-row: sale [0-9a-f-]{36} \(line \d+ of .*: sale.total_minor is 3026, the line says 2002$/u,
        ),
      );
      expect(found.days.every(({ equal }) => equal)).toBe(false);
    });
  });

  it('a missing row and a doubled row', async () => {
    const remove = () => tamperHub('DELETE FROM sale_tender WHERE sale_id = (SELECT min(id::text)::uuid FROM sale)');
    await whileHub('sale_tender', remove, async () => {
      expect(named(await verifyHub())).toContainEqual(
        expect.stringContaining('sale_tender has 0 rows, the line 1 of them'),
      );
    });
    const double = () =>
      tamperHub(`CREATE TEMP TABLE one AS SELECT * FROM shift LIMIT 1`).then(() =>
        tamperHub(
          `INSERT INTO shift SELECT tenant_id, branch_id, '${v7()}', till, drawer, operator, float_minor, currency, opened_at, business_date, incarnation, seq, content_hash FROM shift LIMIT 1`,
        ),
      );
    await whileHub('shift', double, async () => {
      expect(named(await verifyHub())).toContainEqual(
        expect.stringMatching(/^extra-row: shift: .* all come from line/u),
      );
    });
  });

  it('a tampered archive', async () => {
    const flip = () =>
      tamperHub(
        'UPDATE journal_chunk SET body = set_byte(body, octet_length(body) / 2, get_byte(body, octet_length(body) / 2) # 1) WHERE branch_id = $1 AND first_seq = 1',
        branch,
      );
    await whileHub('journal_chunk', flip, async () => {
      const found = await verifyHub();
      expect(named(found).some((text) => text.startsWith('archived-line: '))).toBe(true);
      expect(found.provedTo).toBeNull();
    });
    expect((await verifyHub()).outcome).toBe('equal');
  });
});

describe('verify at the edge notices and names a lying hub', () => {
  const bend = (sql: string) => () => tamperHub(sql);

  it('that has another history under the same name', async () => {
    await whileHub(
      'incarnation',
      bend(`UPDATE incarnation SET head_hash = decode(repeat('ab', 32), 'hex')`),
      async () => {
        const found = await verifyEdge();
        expect(named(found)).toContainEqual(
          expect.stringMatching(
            /^fork: [0-9a-f-]{36}: line \d+ leads to [0-9a-f]{64} here, to (ab){32} at head office$/u,
          ),
        );
        expect(found.provedTo).toBeNull();
      },
    );
  });

  it('whose sums of a feed are not those of its records', async () => {
    const forge = bend(
      `UPDATE feed_record SET body = jsonb_set(body, '{name}', '"Forged"') WHERE kind = 'product' AND key = 'P12'`,
    );
    tamperEdge(`UPDATE feed_product SET name = 'Flipped' WHERE code = 'P12'`);
    await whileHub('feed_record', forge, async () => {
      expect(named(await verifyEdge())).toContainEqual(
        'hub-digest: assortment:A1 product P12: the record that head office gives is not the one it summed up',
      );
    });
    expect((await verifyEdge()).hub).toBe('asked');
    expect(edge.store.reads.get(`SELECT name FROM product WHERE code = 'P12'`)).toEqual({ name: 'Product 12' });
  });
});

describe('verify notices and names a fork', () => {
  it('of a box that was copied and sold on both copies: what stands beside what, at the hub', async () => {
    const { incarnation } = await caughtUp();
    await edge.close();
    const copyDir = `${dataDir}-copy`;
    cpSync(dataDir, copyDir, { recursive: true });
    await reopen();
    await sell(2);
    const { lastSeq } = await caughtUp();
    await edge.close();
    line.cut();
    await reopen(copyDir);
    await sell(3);
    line.restore();
    await eventually('a new incarnation', () => edge.store.reads.all('SELECT no FROM incarnation').length > 1);
    const second = await caughtUp();
    const found = await verifyHub();
    expect(found.forks).toEqual([
      { incarnation: second.incarnation, from: { incarnation, seq: lastSeq - 2 }, beside: 2 },
    ]);
    const log = (await manager.get('/v1/sync/log?limit=100')).data.items as { level: string; event: string }[];
    expect(log.some(({ level, event }) => level === 'incident' && event === 'fork')).toBe(true);
    await eventually('the lines that this copy lacks', async () => {
      return (await manager.get('/v1/sync/status')).data.behind === 0;
    });
    expect(named(await verifyEdge())).toEqual([]);
    rmSync(copyDir, { recursive: true, force: true });
  });
});
