import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Store } from '../store/store.js';
import { storeFixture, type StoreFixture, writeRows } from '../store/testing/store-fixture.js';
import { readSyncLog, SYNC_LOG_ROWS_MAX, writeSyncLog } from './sync-log.js';
import { queuedLines } from './sync-status.js';
import { storeAcknowledged } from './push-state.js';
import { journalFacts } from './testing/replicator-fixture.js';

let fixture: StoreFixture;
let store: Store;
beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
});
afterEach(async () => {
  await store.close();
  fixture.remove();
});

it('keeps the newest rows of the log and shows them newest first, page by page', async () => {
  await writeRows(store, (tx) => {
    for (let at = 1; at <= SYNC_LOG_ROWS_MAX + 25; at++)
      writeSyncLog(tx, at, { level: 'info', event: 'pushed', detail: `${at}` });
  });
  expect(store.reads.get('SELECT count(*) AS rows, min(at) AS oldest FROM sync_log')).toEqual({
    rows: SYNC_LOG_ROWS_MAX,
    oldest: 26,
  });
  const page = readSyncLog(store.reads, 2, null);
  expect(page.map(({ at }) => at)).toEqual([10_025, 10_024]);
  expect(readSyncLog(store.reads, 2, page.at(-1)?.no ?? null).map(({ at }) => at)).toEqual([10_023, 10_022]);
});

it('shows the queue over all incarnations in the order it will go', async () => {
  await journalFacts(store, 3);
  await store.close();
  store = await fixture.open({
    config: { databaseFile: `${fixture.folder}/edge.db`, witnessFile: `${fixture.folder}/no-witness` },
  });
  await journalFacts(store, 2);
  await writeRows(store, (tx) => storeAcknowledged(tx, { incarnationNo: 1, appliedSeq: 2, durableSeq: 0 }, 1));
  const first = queuedLines(store.reads, 3, null);
  expect(first.map(({ incarnationNo, seq, kind }) => [incarnationNo, seq, kind])).toEqual([
    [1, 3, 'device-enrol'],
    [1, 4, 'device-enrol'],
    [2, 1, 'incarnation-open'],
    [2, 2, 'device-enrol'],
  ]);
  const rest = queuedLines(store.reads, 3, { incarnationNo: 2, seq: 1 });
  expect(rest.map(({ incarnationNo, seq }) => [incarnationNo, seq])).toEqual([
    [2, 2],
    [2, 3],
  ]);
});
