import { join } from 'node:path';
import { SchedulerRegistry } from '@nestjs/schedule';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { FakeHub } from '../src/replicator/testing/fake-hub.js';
import { eventually, replicatorOn } from '../src/replicator/testing/replicator-fixture.js';
import type { Replicator } from '../src/replicator/replicator.js';
import type { Store } from '../src/store/store.js';
import { storeFixture, type StoreFixture } from '../src/store/testing/store-fixture.js';
import { lastVerification, type EdgeVerification } from '../src/verify/last-verification.js';
import { Verifier } from '../src/verify/verifier.js';
import { sourceThread } from './source-thread/source-thread.js';

const DAY_MS = 86_400_000;

let fixture: StoreFixture;
let store: Store;
let hub: FakeHub;
let replicator: Replicator;
let verifier: Verifier;
/** What the hub answers when it is asked for its sums. */
let sums: { status: number; body: object; headers?: Record<string, string> };

beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
  hub = await FakeHub.start(fixture.box);
  hub.scopes = ['tenant'];
  hub.intercept = ({ route, body }) => {
    if (route !== 'POST /sync/v1/verify') return null;
    const { part } = JSON.parse(body.toString('utf8')) as { part: string };
    return part === 'sums' ? sums : { status: 200, body: { part } };
  };
  replicator = replicatorOn(store, hub.url).replicator;
  replicator.start();
  verifier = new Verifier({
    ...{ store, replicator, version: '1', clock: systemClock, chance: () => 0, timers: new SchedulerRegistry() },
    config: { databaseFile: join(fixture.folder, 'edge.db'), verifyMs: DAY_MS, retryMsMax: 300 },
    thread: sourceThread('edge/src/verify-thread.ts'),
    logger: { error: () => undefined },
  });
  verifier.start();
});
afterEach(async () => {
  await verifier.stop();
  await replicator.stop();
  await store.close();
  await hub.close();
  fixture.remove();
});

const last = (): EdgeVerification | undefined => lastVerification(store.reads)?.verification;

it.each([503, 429])(
  'says of a hub that had no room (%i) that it was busy, and asks again by itself',
  async (status) => {
    sums = { status, body: { code: 'busy', detail: 'Busy.' } };
    const found = await verifier.verify();
    expect(found).toMatchObject({ outcome: 'equal', hub: 'busy', feeds: [], differences: [] });
    expect(Date.parse(found.askAgainAt ?? '') - Date.parse(found.at)).toBeGreaterThanOrEqual(300);
    sums = { status: 200, body: { part: 'sums', newest: 0, kinds: [] } };
    await eventually('another check', () => last()?.hub === 'asked');
    expect(last()).toMatchObject({ askAgainAt: null, feeds: [{ scope: 'tenant', number: 0, records: 0 }] });
  },
);

it('waits as long as a busy hub asks for', async () => {
  sums = { status: 503, body: { code: 'busy', detail: 'Busy.' }, headers: { 'retry-after': '3000' } };
  const found = await verifier.verify();
  expect(Date.parse(found.askAgainAt ?? '') - Date.parse(found.at)).toBeGreaterThanOrEqual(3_000_000);
});

it('says of a hub that refuses that it refused, and leaves it until tomorrow', async () => {
  sums = { status: 403, body: { code: 'not-yours', detail: 'No.' } };
  expect(await verifier.verify()).toMatchObject({ hub: 'refused', askAgainAt: null });
});
