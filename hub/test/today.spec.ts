import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { createLogger } from '@branchline/http/log.js';
import { POLL_MS_HEADER } from '@branchline/replication/box-protocol.js';
import { startHub } from '../src/start-hub.js';
import { Contacts } from '../src/sync/contacts.js';
import { AMOUNT_MINOR_MAX } from '@branchline/replication/sale-faults.js';
import { FakeStore } from './fake-trial.js';
import { apiAt, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { TestBox } from './test-box.js';

/** 18:03:11 in Johannesburg; in Auckland 05:03:11 of the next day, past the cut-off. */
const clock = new ManualClock(Date.UTC(2026, 10, 20, 16, 3, 11));
let harness: HubHarness;

beforeAll(async () => {
  harness = await startHubHarness(clock);
  await createPlaces(harness.admin.api);
  for (const code of ['B001', 'B002']) await createBranch(harness.admin.api, code);
  await createBranch(harness.admin.api, 'B003', { timeZone: 'Pacific/Auckland' });
});
afterAll(() => harness.close());

const openStore = (branch: string) => FakeStore.open(harness.url, harness.admin.api, branch, () => clock.now());
/** Access tokens live ten minutes of this clock, which is moved by hours. */
beforeEach(async () => {
  Object.assign(harness.admin, await harness.signIn(harness.admin.email, harness.admin.password));
});
async function today(): Promise<Record<string, unknown> & { branches: Record<string, unknown>[] }> {
  const { status, data } = await harness.admin.api.get('/v1/today');
  if (status !== 200) throw new Error(`today: ${status} ${JSON.stringify(data)}`);
  return data;
}
const branchToday = async (code: string) => (await today()).branches.find(({ branch }) => branch === code);

describe('the chain today', () => {
  it('has each branch on its own business date, with its own hours, and no sale of another day', async () => {
    const store = await openStore('B001');
    await store.sell({ lines: [{ priceMinor: 1000 }] });
    await store.sell({ lines: [{ priceMinor: 500 }], soldAtMs: clock.now() - 3_600_000 });
    await store.sell({ businessDate: '2026-11-19' });
    expect(await today()).toMatchObject({
      asOf: '2026-11-20T16:03:11.000Z',
      tenant: 'Tenant ACME',
      more: 0,
      totals: [{ currency: 'ZAR', baskets: 2, totalMinor: 1500 }],
      branches: [
        {
          branch: 'B001',
          businessDate: '2026-11-20',
          baskets: 2,
          totalMinor: 1500,
          hours: [
            { hour: 17, baskets: 1, totalMinor: 500 },
            { hour: 18, baskets: 1, totalMinor: 1000 },
          ],
          line: 'heard',
          complete: false,
          final: false,
          knownTo: { seq: 4 },
          quarantined: 0,
          mayVerify: true,
        },
        { branch: 'B002', baskets: 0, line: 'never', knownTo: null, lastContactAt: null, missing: null },
        { branch: 'B003', businessDate: '2026-11-21' },
      ],
    });
  });

  it('says what a box told of and did not send, what waits in quarantine, and that a day is sealed', async () => {
    const store = await openStore('B002');
    await store.sell();
    await store.order('cut');
    await store.sell();
    await store.sell();
    expect(await branchToday('B002')).toMatchObject({ missing: null, knownTo: { seq: 2 } });
    await store.hello();
    expect(await branchToday('B002')).toMatchObject({ missing: 2, knownTo: { seq: 2 } });
    await store.order('restore');
    await store.poison();
    expect(await branchToday('B002')).toMatchObject({ missing: 0, quarantined: 1, complete: false });
    await store.seal();
    expect(await branchToday('B002')).toMatchObject({ complete: true, final: false });
  });

  it('calls a line silent only when a box was not heard for longer than it is between two polls', async () => {
    const store = await openStore('B003');
    await store.hello();
    clock.advance(75_000);
    expect(await branchToday('B003')).toMatchObject({ line: 'heard' });
    clock.advance(1);
    expect(await branchToday('B003')).toMatchObject({ line: 'silent' });
    // A poll of the feed writes nothing, and is heard.
    expect((await store.poll()).status).toBe(200);
    const heardAt = new Date(clock.now()).toISOString();
    expect(await branchToday('B003')).toMatchObject({ line: 'heard', lastContactAt: heardAt });
    const fleet = await harness.admin.api.get('/v1/fleet');
    expect(fleet.data.items[2]).toMatchObject({ branch: 'B003', lastContactAt: heardAt });
  });

  it('hears in every process what one of them heard, and writes no more than once in a while', async () => {
    await createBranch(harness.admin.api, 'B006');
    const store = await openStore('B006');
    const { databaseUrl, secretsDir } = harness;
    const config = { databaseUrl, host: '127.0.0.1', port: 0, secretsDir, logLevel: 'fatal' as const };
    const second = await startHub(config, clock, createLogger('hub', 'fatal'));
    const there = async () => {
      const { data } = await apiAt(second.url, harness.admin.accessToken).get('/v1/fleet');
      return data.items.find(({ branch }: { branch: string }) => branch === 'B006');
    };
    try {
      const written = new Set<string>();
      for (let seconds = 0; seconds < 300; seconds += 5) {
        if (seconds % 30 === 0) expect((await store.poll()).status).toBe(200);
        await harness.hub.app.get(Contacts).store();
        const { line, lastContactAt } = await there();
        expect([seconds, line]).toEqual([seconds, 'heard']);
        written.add(lastContactAt);
        clock.advance(5_000);
      }
      expect(written.size).toBeLessThanOrEqual(5);
      clock.advance(75_000);
      expect(await there()).toMatchObject({ line: 'silent' });
    } finally {
      await second.close();
    }
  });

  it('keeps what it heard last when it is stopped', async () => {
    const { databaseUrl, secretsDir } = harness;
    const config = { databaseUrl, host: '127.0.0.1', port: 0, secretsDir, logLevel: 'fatal' as const };
    await createBranch(harness.admin.api, 'B007');
    const box = await TestBox.enrol(harness.url, harness.admin.api, 'B007');
    const second = await startHub(config, clock, createLogger('hub', 'fatal'));
    try {
      const headers = { authorization: `Bearer ${box.token}` };
      const polled = await apiAt(second.url).get('/sync/v1/feed/tenant', { headers });
      expect(polled.status).toBe(200);
    } finally {
      await second.close();
    }
    expect(await branchToday('B007')).toMatchObject({
      line: 'heard',
      lastContactAt: new Date(clock.now()).toISOString(),
    });
  });

  it('waits longer for a box that says it asks more seldom, and believes no nonsense', async () => {
    await createBranch(harness.admin.api, 'B008');
    const store = await openStore('B008');
    for (const [said, silentAfterMs] of [
      ['60000', 150_000],
      ['100', 75_000],
      ['9e99', 75_000],
      ['-1', 75_000],
      ['999999999', 75_000],
      [undefined, 75_000],
    ] as const) {
      await store.poll(said === undefined ? {} : { [POLL_MS_HEADER]: said });
      clock.advance(silentAfterMs);
      expect([said, (await branchToday('B008'))?.['line']]).toEqual([said, 'heard']);
      clock.advance(1);
      expect([said, (await branchToday('B008'))?.['line']]).toEqual([said, 'silent']);
    }
  });

  it('says that a sum beyond all exact numbers is unknown, of that branch alone', async () => {
    for (const code of ['B004', 'B005']) await createBranch(harness.admin.api, code);
    const lines = [{ priceMinor: AMOUNT_MINOR_MAX }];
    const huge = await openStore('B004');
    await (await openStore('B005')).sell({ lines: [{ priceMinor: 700 }] });
    await huge.sellAll(500, { lines, soldAtMs: clock.now() - 3_600_000 });
    await huge.sellAll(500, { lines });
    // Two hours that can each be kept exactly, and their sum cannot.
    const [before, within] = (await branchToday('B004'))?.['hours'] as { hour: number }[];
    expect([before, within]).toMatchObject(Array(2).fill({ baskets: 500, totalMinor: 500 * AMOUNT_MINOR_MAX }));
    expect(await branchToday('B004')).toMatchObject({ baskets: 1000, totalMinor: null });
    await huge.sellAll(500, { lines });
    expect(await branchToday('B004')).toMatchObject({
      baskets: 1500,
      totalMinor: null,
      hours: [before, { baskets: 1000, totalMinor: null }],
    });
    expect(await branchToday('B005')).toMatchObject({ baskets: 1, totalMinor: 700 });
    expect((await today())['totals']).toMatchObject([{ currency: 'ZAR', totalMinor: null }]);
  });

  it('shows a person no more than his branches', async () => {
    const grants = [{ role: 'analyst', scope: 'branch', id: 'B001' }];
    const { data } = await harness.admin.api.post('/v1/people', { email: 'one@acme.example', name: 'One', grants });
    const { api } = await harness.signIn('one@acme.example', data.password);
    const answer = await api.get('/v1/today');
    expect(answer.data.branches).toMatchObject([{ branch: 'B001', mayVerify: false }]);
    expect(answer.data.totals).toEqual([{ currency: 'ZAR', baskets: 2, totalMinor: 1500 }]);
  });

  it('tells nothing of the fleet to who may only read reports', async () => {
    const { data: all } = await harness.admin.api.get('/v1/today');
    expect(all.branches[0]).toMatchObject({ quarantined: 0, headHash: expect.any(String) });
    const grants = [{ role: 'analyst', scope: 'branch', id: 'B001' }];
    const { data } = await harness.admin.api.post('/v1/people', { email: 'two@acme.example', name: 'Two', grants });
    const { api } = await harness.signIn('two@acme.example', data.password);
    expect((await api.get('/v1/fleet')).status).toBe(403);
    const untold = { line: null, headHash: null, lastContactAt: null, missing: null, quarantined: null };
    const answer = await api.get('/v1/today');
    expect(answer.data.branches).toMatchObject([{ baskets: 2, ...untold, provedTo: null, lastVerification: null }]);
  });
});
