import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Store } from '../store/store.js';
import { storeFixture, type StoreFixture, writeRows } from '../store/testing/store-fixture.js';
import { storeAcknowledged } from './push-state.js';
import { readSyncLog } from './sync-log.js';
import { journalFacts } from './testing/replicator-fixture.js';
import { Watchdog } from './watchdog.js';

const MINUTE_MS = 60_000;

let fixture: StoreFixture;
let store: Store;
let watchdog: Watchdog;
let line: 'up' | 'down';

beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
  line = 'up';
  const alarm = (message: string): void => void fixture.alarms.push(message);
  watchdog = new Watchdog({ store, clock: fixture.clock, line: () => line, alarm });
});
afterEach(async () => {
  await store.close();
  fixture.remove();
});

const acknowledge = (appliedSeq: number): Promise<void> =>
  writeRows(store, (tx) => storeAcknowledged(tx, { incarnationNo: 1, appliedSeq, durableSeq: 0 }, 1));
/** So many minutes, a look each. */
async function pass(minutes: number): Promise<void> {
  for (let minute = 0; minute < minutes; minute += 1) {
    fixture.clock.advance(MINUTE_MS);
    await watchdog.look();
  }
}
const told = () =>
  readSyncLog(store.reads, 100, null)
    .map(({ level, event, detail }) => `${level} ${event}: ${detail}`)
    .reverse();

it('tells when lines wait and none is acknowledged, whether the line is down or the hub takes nothing', async () => {
  await journalFacts(store, 2);
  await pass(15);
  expect(told()).toEqual([]);
  await pass(1);
  expect(told()).toEqual([
    'incident not-acknowledged: 3 lines wait and none was acknowledged for 15 minutes: the hub answers, and takes none',
  ]);
  expect(fixture.alarms).toHaveLength(1);
  await pass(60);
  expect(told()).toHaveLength(1);
  line = 'down';
  await pass(180);
  expect(told().at(-1)).toMatch(/^warning not-acknowledged: 3 lines wait .* the line is down$/);
  expect(told()).toHaveLength(2);
});

it('begins to count when something waits, not when it last had nothing to say', async () => {
  await journalFacts(store, 1);
  await acknowledge(2);
  await pass(60);
  await journalFacts(store, 1);
  await pass(15);
  expect(told()).toEqual([]);
  await pass(1);
  expect(told()).toHaveLength(1);
});

it('counts on from where the clock was set back to', async () => {
  await journalFacts(store, 1);
  await pass(2);
  fixture.clock.set(fixture.clock.now() - 10 * 365 * 86_400_000);
  await pass(17);
  expect(told()).toHaveLength(1);
  fixture.clock.set(fixture.clock.now() - 86_400_000);
  await pass(242);
  expect(told()).toHaveLength(2);
});

it('is quiet as long as anything is acknowledged, however long the queue, and says when it goes on', async () => {
  await journalFacts(store, 4);
  for (let seq = 1; seq <= 4; seq += 1) {
    await acknowledge(seq);
    await pass(14);
  }
  expect(told()).toEqual([]);
  await pass(5);
  expect(told()).toHaveLength(1);
  await acknowledge(5);
  await pass(1);
  expect(told().at(-1)).toBe('info moving-again: the hub takes lines again');
  expect(watchdog.stuckMs()).toBe(0);
  await pass(60);
  expect(told()).toHaveLength(2);
});
