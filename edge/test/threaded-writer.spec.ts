import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import { eventually } from '../src/replicator/testing/replicator-fixture.js';
import { troubleOf } from '../src/replicator/trouble.js';
import { saveBox } from '../src/store/box.js';
import { readHead } from '../src/store/journal.js';
import { Store } from '../src/store/store.js';
import { BY_NOBODY, enrolDevice, storeFixture, type StoreFixture } from '../src/store/testing/store-fixture.js';
import {
  countsRows,
  countsUp,
  enrolHandedOver,
  failsAs,
  takesMs,
  waitsForFile,
} from '../src/store/testing/writer-test-jobs.js';
import { STALLED_MS, ThreadedWriter } from '../src/store/threaded-writer.js';
import { Witness } from '../src/store/witness.js';
import { QUEUE_COMMANDS_MAX } from '../src/store/task-queue.js';
import { sourceThread } from './source-thread/source-thread.js';

const OUTCOME_UNKNOWN = expect.stringContaining('whether this was recorded is known when it is sent again');
const PAGE_BYTES = 4_096;
const THREAD = 'edge/src/store/testing/writer-test-thread.ts';

let fixture: StoreFixture;
let writers: ThreadedWriter[];
let fatal: string[];
let alarms: string[];

beforeEach(() => {
  fixture = storeFixture();
  saveBox(fixture.folder, fixture.box);
  writers = [];
  fatal = [];
  alarms = [];
});
afterEach(async () => {
  for (const writer of writers) await writer.close();
  fixture.remove();
});

const file = (name: string): string => join(fixture.folder, name);

function open(thread = THREAD): Promise<Store> {
  const writer = ThreadedWriter.start(sourceThread(thread));
  writers.push(writer);
  const config = { dataDir: fixture.folder, databaseFile: file('edge.db'), witnessFile: file('witness') };
  const onFatal = (error: Error): void => void fatal.push(error.message);
  return Store.openThreaded(
    { config, box: fixture.box, alarm: (message) => void alarms.push(message), onFatal },
    writer,
  );
}

const enrol = (store: Store, name: string, changes: { refuse?: boolean } = {}) =>
  store.writer.execute(enrolDevice, { id: v7(), name, ...changes }, BY_NOBODY);

describe('a writer in a thread of its own', () => {
  it('has committed what it answers, in the order it was asked, and says that the head moved', async () => {
    const store = await open();
    let moved = 0;
    store.writer.onCommitted(() => (moved += 1));
    const refs = await Promise.all(Array.from({ length: 20 }, (_, at) => enrol(store, `till ${at}`)));
    expect(refs.map(({ seq }) => seq)).toEqual(refs.map((_, at) => at + 2));
    expect(readHead(store.reads)).toMatchObject({ seq: 21, hash: refs.at(-1)?.hash });
    expect(moved).toBeGreaterThan(0);
    await store.writer.syncWitness();
    expect(Witness.read(file('witness'))).toMatchObject({ seq: 21, hash: refs.at(-1)?.hash });
    await store.close();
  });

  it('does what is queued before it closes, takes nothing after, and leaves a file that goes on', async () => {
    const store = await open();
    const last = enrol(store, 'last');
    await store.close();
    expect(await last).toMatchObject({ seq: 2 });
    await expect(enrol(store, 'late')).rejects.toMatchObject({ code: 'shutting-down' });
    const again = await open();
    expect(await enrol(again, 'next')).toMatchObject({ epoch: 1, seq: 3 });
    await again.close();
    expect({ fatal, alarms }).toEqual({ fatal: [], alarms: [] });
  });

  it('refuses and breaks as one that is here would', async () => {
    const store = await open();
    await expect(store.writer.write(failsAs, 'a refusal')).rejects.toMatchObject({
      ...{ name: 'Problem', code: 'locked-out', status: 429, detail: 'too often' },
      headers: { 'retry-after': '7' },
    });
    await expect(store.writer.write(failsAs, 'a bug')).rejects.toMatchObject({
      ...{ name: 'TypeError', message: 'a bug in a write', no: 42 },
      stack: expect.stringContaining('writer-test-jobs'),
    });
    await expect(store.writer.write(failsAs, 'a bug with a bigint')).rejects.toThrow('a bug');
    const damage: unknown = await store.writer.write(failsAs, 'a damaged line').catch((error: unknown) => error);
    expect(troubleOf(damage)).toMatchObject({ event: 'journal-damaged', level: 'incident' });
    await expect(enrol(store, 'x', { refuse: true })).rejects.toMatchObject({ code: 'code-invalid' });
    await expect(store.writer.write({ name: 'unheard-of', run: () => 1 }, null)).rejects.toThrow(
      'no write is called unheard-of',
    );
    expect(await store.writer.write(countsRows, { of: 'device' })).toBe(0);
    await store.close();
  });

  it('takes no more of a lane than it can hold', async () => {
    const store = await open();
    const all = Array.from({ length: QUEUE_COMMANDS_MAX + 1 }, () => enrol(store, 'x', { refuse: true }));
    const handedOver = store.writer.execute(enrolHandedOver, { id: v7(), name: 'y' }, BY_NOBODY);
    const codes = await Promise.all(all.map((each) => each.catch((error: { code: string }) => error.code)));
    expect([codes.filter((code) => code === 'busy').length, codes.at(-1)]).toEqual([1, 'busy']);
    expect(await handedOver).toMatchObject({ seq: 2 });
    await store.close();
  });

  it('works in slices, and ends after the one that runs when it is told to', async () => {
    const store = await open();
    expect(await store.writer.background(countsUp, { to: 5 }, { at: 0 })).toEqual({ at: 5 });
    const abort = new AbortController();
    const endless = store.writer.background(countsUp, { to: Number.MAX_SAFE_INTEGER }, { at: 0 }, abort.signal);
    // A sale in between: it waits for a slice, not for the end.
    await enrol(store, 'till');
    abort.abort();
    const { at } = await endless;
    expect(await store.writer.write(countsRows, { of: 'sync_log' })).toBe(5 + at);
    await store.close();
  });

  it('says that the disk hangs, and that it answers again, while all else goes on', async () => {
    const store = await open();
    const hung = store.writer.write(waitsForFile, { path: file('the disk is back') });
    const sale = enrol(store, 'waits');
    await eventually('it is told', () => alarms.length > 0);
    expect(alarms[0]).toMatch(/^nothing was written for \d+ s: the disk does not answer, and sales wait for it$/);
    expect(store.writer.waitingMs()).toBeGreaterThanOrEqual(STALLED_MS);
    expect(store.reads.get('SELECT count(*) AS devices FROM device')).toEqual({ devices: 0 });
    writeFileSync(file('the disk is back'), '');
    await hung;
    expect(await sale).toMatchObject({ seq: 2 });
    expect(store.writer.waitingMs()).toBe(0);
    await eventually('the other is told', () => alarms.length > 1);
    expect(alarms.slice(1)).toEqual(['the disk answers again']);
    await store.close();
  });

  it('says nothing of the disk when a queue is long and gets shorter', async () => {
    const store = await open();
    const naps = Array.from({ length: 3 }, () => store.writer.write(takesMs, { ms: 100 }));
    await naps[1];
    expect(store.writer.waitingMs()).toBeLessThan(100);
    await Promise.all(naps);
    await store.close();
  });

  it('ends at once what was aborted before it was asked for, or in the same turn', async () => {
    const store = await open();
    const endless = (signal: AbortSignal) =>
      store.writer.background(countsUp, { to: Number.MAX_SAFE_INTEGER }, { at: 0 }, signal);
    expect(await endless(AbortSignal.abort())).toEqual({ at: 0 });
    const abort = new AbortController();
    const aborted = endless(abort.signal);
    abort.abort();
    expect(await aborted).toEqual({ at: 0 });
    await store.close();
  });

  it('says of background work that it was ended by a shutdown', async () => {
    const store = await open();
    const endless = store.writer.background(countsUp, { to: Number.MAX_SAFE_INTEGER }, { at: 0 });
    const told = endless.catch((error: { code: string }) => error.code);
    await enrol(store, 'till');
    await store.close();
    expect(await told).toBe('shutting-down');
  });

  it('is fatal when it dies: what it did last nobody can say', async () => {
    const store = await open();
    await enrol(store, 'before');
    const answers = await Promise.allSettled([store.writer.write(failsAs, 'a death'), enrol(store, 'after')]);
    for (const answer of answers)
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'storage-failed', title: OUTCOME_UNKNOWN } });
    expect(fatal).toEqual(['the writer’s thread ended: exit 7']);
    await expect(enrol(store, 'late')).rejects.toMatchObject({ code: 'storage-failed' });
    await store.close();
  });

  it('is fatal when the file is no longer in its place', async () => {
    const store = await open();
    rmSync(file('edge.db'));
    await expect(enrol(store, 'into nowhere')).rejects.toMatchObject({ code: 'storage-failed' });
    expect(fatal).toEqual(['the database file or its log was replaced or deleted while it was open']);
    await store.close();
  });

  it('tells of a witness that is missing', async () => {
    const store = await open();
    await enrol(store, 'till');
    await store.close();
    rmSync(file('witness'));
    const again = await open();
    expect(alarms).toEqual([expect.stringContaining('witness-missing')]);
    expect(await enrol(again, 'next')).toMatchObject({ epoch: 2, seq: 2 });
    await again.close();
  });

  it('says in one line what the machine does not offer, and gives the folder back', async () => {
    mkdirSync(file('witness'));
    await expect(open()).rejects.toMatchObject({
      name: 'EnvironmentFailure',
      message: expect.stringContaining('witness'),
    });
    rmSync(file('witness'), { recursive: true });
    await (await open()).close();
  });

  it.each([
    ['its schema', `SELECT rootpage FROM sqlite_schema WHERE name = 'migrations'`],
    ['its head', `SELECT rootpage FROM sqlite_schema WHERE name = 'journal_head'`],
  ])('says in one line that the file is damaged in %s', async (_where, pageOf) => {
    const store = await open();
    await enrol(store, 'till');
    const { rootpage: page } = store.reads.get<{ rootpage: number }>(pageOf) as { rootpage: number };
    await store.close();
    const damaged = readFileSync(file('edge.db')).fill(0x5a, (page - 1) * PAGE_BYTES, page * PAGE_BYTES);
    writeFileSync(file('edge.db'), damaged);
    await expect(open()).rejects.toMatchObject({
      name: 'EnvironmentFailure',
      message: `${file('edge.db')} cannot be opened: database disk image is malformed`,
    });
  });

  it('that cannot even load says so when it is to open', async () => {
    await expect(open('edge/src/store/testing/no-such-thread.ts')).rejects.toThrow(/no-such-thread/);
    await (await open()).close();
  });
});
