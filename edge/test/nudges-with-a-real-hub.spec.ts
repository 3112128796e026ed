import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { startFaultProxy, type FaultProxy } from '@branchline/fleet/fault-proxy.js';
import axios from 'axios';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import { Nudges } from '../../hub/src/feed/nudges.js';
import { create, createBranch, createPlaces, startHubHarness, type HubHarness } from '../../hub/test/hub-harness.js';
import { TestBox } from '../../hub/test/test-box.js';
import { readConfig } from '../src/config.js';
import { readSyncLog } from '../src/replicator/sync-log.js';
import { eventually } from '../src/replicator/testing/replicator-fixture.js';
import { startEdge, type RunningEdge } from '../src/start-edge.js';

/** A whole edge and a whole hub; no poll comes in the time of a test, so that only a nudge can bring what is new. */
const POLL_MS = 1_800_000;
const QUIET = { log: () => undefined, warn: () => undefined, error: () => undefined, fatal: () => undefined };

let hub: HubHarness;
let line: FaultProxy;
let dataDir: string;
let edge: RunningEdge;

beforeAll(async () => {
  hub = await startHubHarness();
  const { api } = hub.admin;
  await createPlaces(api);
  await createBranch(api, 'B001');
  await changePrice(1_000);
  line = await startFaultProxy({ target: { host: '127.0.0.1', port: Number(new URL(hub.url).port) } });
  dataDir = mkdtempSync(join(tmpdir(), 'branchline-box-'));
  const enrolment = await create<{ code: string }>(api, '/v1/branches/B001/enrolment-codes', { for: 'box' });
  const config = readConfig({
    ...{ EDGE_DATA: dataDir, EDGE_HUB_URL: line.url, EDGE_PORT: '0', EDGE_POLL_MS: String(POLL_MS) },
    ...{ EDGE_RETRY_MS_MIN: '10', EDGE_RETRY_MS_MAX: '100', EDGE_ENROLMENT_CODE: enrolment.code },
  });
  const onFatal = (error: Error): void => void console.error(error);
  edge = await startEdge({ config, logger: QUIET, clock: systemClock, newId: v7, onFatal });
  await priceHere(1_000);
  await nudgesAre('on');
});

afterAll(async () => {
  await edge.close();
  await line.close();
  await hub.close();
  rmSync(dataDir, { recursive: true, force: true });
});

async function changePrice(minor: number): Promise<void> {
  const csv = `product,name,barcodes,taxClass,fractional,assortments,priceZone,priceMinor\nP1,One,6001,STD,no,A1,Z1,${minor}\n`;
  const { status } = await hub.admin.api.post('/v1/imports/products', csv, { headers: { 'content-type': 'text/csv' } });
  expect(status).toBe(200);
}

const priceHere = (minor: number): Promise<void> =>
  eventually(`the price ${minor} in the store`, () => {
    return edge.store.reads.get<{ minor: number }>('SELECT minor FROM price WHERE product = ?', 'P1')?.minor === minor;
  });

async function nudgesAre(state: 'on' | 'off'): Promise<void> {
  await eventually(`nudges ${state}`, async () => (await axios.get(`${edge.url}/health/ready`)).data.nudges === state);
}

describe('what another box of the store sells', () => {
  it('is in the store within seconds, without a poll and without an hourly hello', async () => {
    const other = await TestBox.enrol(hub.url, hub.admin.api, 'B001');
    const journal = other.newJournal();
    const tookMs: number[] = [];
    for (let sales = 1; sales <= 3; sales += 1) {
      const from = sales === 1 ? 1 : journal.seq + 1;
      journal.sale();
      const startedAtMs = systemClock.now();
      expect((await other.push(journal.push(from))).status).toBe(200);
      await eventually(`sale ${sales} in the store`, () => {
        return edge.store.reads.get<{ n: number }>('SELECT count(*) AS n FROM sale')?.n === sales;
      });
      tookMs.push(systemClock.now() - startedAtMs);
    }
    // One at once, the others when it is five seconds since the last was told.
    expect(Math.max(...tookMs)).toBeLessThan(20_000);
    expect(Math.min(...tookMs)).toBeLessThan(4_000);
  });
});

describe('a price that changes at head office', () => {
  it('is in the store within two seconds, without a poll', async () => {
    const tookMs: number[] = [];
    for (let minor = 1_001; minor <= 1_005; minor += 1) {
      const startedAtMs = systemClock.now();
      await changePrice(minor);
      await priceHere(minor);
      tookMs.push(systemClock.now() - startedAtMs);
    }
    const [, , median = Infinity] = tookMs.sort((a, b) => a - b);
    expect(median).toBeLessThan(2_000);
    const { data } = await axios.get<string>(`${edge.url}/metrics`);
    expect(data).toContain('branchline_edge_nudges_connected 1');
  });

  it('comes with the line, when it was changed while the line was cut', async () => {
    line.cut();
    await nudgesAre('off');
    await changePrice(2_000);
    line.restore();
    await priceHere(2_000);
    await nudgesAre('on');
    const events = readSyncLog(edge.store.reads, 100, null).map(({ event }) => event);
    expect(events).toEqual(expect.arrayContaining(['nudges-off', 'nudges-again']));
  });

  it('is heard of no more by a box that was revoked', async () => {
    await hub.database.asOwner('UPDATE box SET revoked_at = now()');
    await hub.hub.app.get(Nudges).beat();
    await nudgesAre('off');
    await changePrice(3_000);
    await eventually('the refusal in the log', () =>
      readSyncLog(edge.store.reads, 20, null).some(
        ({ event, detail }) => event === 'nudges-off' && detail.includes('box-revoked'),
      ),
    );
    expect(edge.store.reads.get('SELECT minor FROM price WHERE product = ?', 'P1')).toEqual({ minor: 2_000 });
  });
});
