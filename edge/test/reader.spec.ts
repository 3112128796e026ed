import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';
import { v7 } from 'uuid';
import { Reader, type ReaderParts } from '../src/store/reader.js';
import type { Store } from '../src/store/store.js';
import type { Gate, ReaderTestJobs } from '../src/store/testing/reader-test-jobs.js';
import { BY_NOBODY, enrolDevice, storeFixture, type StoreFixture } from '../src/store/testing/store-fixture.js';
import { Connection } from '../src/store/tx.js';
import { sourceThread } from './source-thread/source-thread.js';

let fixture: StoreFixture;
let store: Store;
let readers: Reader<ReaderTestJobs>[];
let alarms: string[];

beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
  readers = [];
  alarms = [];
});
afterEach(async () => {
  for (const reader of readers) await reader.close();
  await store.close();
  fixture.remove();
});

const LIMITS = { waitingMax: 16, readMsMax: 30_000, startMsMax: 30_000 };

function reader(changes: Partial<ReaderParts> = {}): Reader<ReaderTestJobs> {
  const made = new Reader<ReaderTestJobs>({
    file: join(fixture.folder, 'edge.db'),
    thread: sourceThread('edge/src/store/testing/reader-test-thread.ts'),
    alarm: (message) => alarms.push(message),
    ...changes,
    limits: { ...LIMITS, ...changes.limits },
  });
  readers.push(made);
  return made;
}

const write = (): Promise<unknown> => store.writer.execute(enrolDevice, { id: v7(), name: 'till' }, BY_NOBODY);

const newGate = (): Gate => new Int32Array(new SharedArrayBuffer(8));

/** Resolves when the job is inside its read. */
async function entered(gate: Gate): Promise<void> {
  while (Atomics.load(gate, 0) === 0) await new Promise((resolve) => setImmediate(resolve));
}

function openGate(gate: Gate): void {
  Atomics.store(gate, 1, 1);
  Atomics.notify(gate, 1);
}

/** Whether everything in the write-ahead log could be moved into the file: nobody reads an older moment. */
function checkpointIsFree(): boolean {
  const connection = new Connection(new BetterSqlite3(join(fixture.folder, 'edge.db'), { timeout: 0 }));
  try {
    return connection.get<{ busy: number }>('PRAGMA wal_checkpoint(TRUNCATE)')?.busy === 0;
  } finally {
    connection.database.close();
  }
}

async function eventuallyFree(): Promise<void> {
  while (!checkpointIsFree()) await new Promise((resolve) => setImmediate(resolve));
}

describe('a long read', () => {
  it('holds up no write, and sees one moment however long it takes', async () => {
    const long = reader();
    await write();
    const gate = newGate();
    const looked = long.read('look-twice', gate);
    await entered(gate);
    await write();
    await write();
    openGate(gate);
    expect(await looked).toBe('[1,1]');
    expect(await long.read('devices', undefined)).toBe('3');
  });

  it('sees whatever was committed before it was asked for', async () => {
    const long = reader();
    for (let written = 1; written <= 20; written++) {
      await write();
      expect(await long.read('devices', undefined)).toBe(String(written));
    }
  });

  it('leaves nothing open behind it that would hold up a checkpoint', async () => {
    const long = reader();
    await write();
    const gate = newGate();
    const looked = long.read('look-twice', gate);
    await entered(gate);
    await write();
    expect(checkpointIsFree()).toBe(false);
    openGate(gate);
    await looked;
    expect(checkpointIsFree()).toBe(true);
  });

  it('refuses as it would on the main thread, and its bugs are bugs', async () => {
    const long = reader();
    await expect(long.read('refuses', undefined)).rejects.toMatchObject({
      code: 'invalid-field',
      status: 400,
      detail: 'after: not a cursor of this list',
      errors: [{ path: 'after', code: 'invalid-cursor', message: 'no cursor' }],
    });
    await expect(long.read('breaks', undefined)).rejects.toMatchObject({
      message: 'a bug in a job',
      stack: expect.stringContaining('reader-test-jobs'),
    });
    expect(await long.read('devices', undefined)).toBe('0');
    expect(alarms).toEqual([]);
  });
});

describe('a read that does not end', () => {
  it('is stopped at its limit, with its snapshot, and the next is done by another thread', async () => {
    const long = reader({ limits: { readMsMax: 1_000 } });
    await write();
    const stopped = long.read('never-ends', undefined);
    const after = long.read('devices', undefined);
    await expect(stopped).rejects.toMatchObject({
      code: 'took-too-long',
      status: 503,
      headers: { 'retry-after': '1' },
    });
    expect(await after).toBe('1');
    expect(alarms).toEqual(['the read never-ends took too long and was stopped']);
    await write();
    await eventuallyFree();
  });

  it('does not keep the store from closing', async () => {
    const long = reader();
    const stopped = long.read('never-ends', undefined);
    const waiting = long.read('devices', undefined);
    const refused = Promise.allSettled([stopped, waiting]);
    await long.close();
    const shuttingDown = { status: 'rejected', reason: expect.objectContaining({ code: 'shutting-down' }) };
    expect(await refused).toEqual([shuttingDown, shuttingDown]);
    await expect(long.read('devices', undefined)).rejects.toMatchObject({ code: 'shutting-down' });
  });
});

describe('many long reads', () => {
  it('wait in a bounded queue and are done one after another', async () => {
    const long = reader({ limits: { waitingMax: 2 } });
    const gate = newGate();
    const first = long.read('look-twice', gate);
    await entered(gate);
    const done: string[] = [];
    const waiting = ['a', 'b'].map((name) => long.read('devices', undefined).then(() => done.push(name)));
    await expect(long.read('devices', undefined)).rejects.toMatchObject({
      code: 'busy',
      status: 503,
      headers: { 'retry-after': '1' },
    });
    openGate(gate);
    await Promise.all([first, ...waiting]);
    expect(done).toEqual(['a', 'b']);
    expect(await long.read('devices', undefined)).toBe('0');
  });
});

describe('a thread', () => {
  it.each(['dies', 'hoards'] as const)('that %s takes its own read with it and no other', async (job) => {
    const long = reader();
    await write();
    const lost = long.read(job, undefined);
    const next = long.read('devices', undefined);
    await expect(lost).rejects.toMatchObject({ code: 'busy', headers: { 'retry-after': '1' } });
    expect(await next).toBe('1');
    expect(alarms).toEqual([expect.stringContaining(`the thread of long reads ended (${job})`)]);
  });

  it.each([
    ['is not there', { thread: { url: pathToFileURL('/nowhere/reader-thread.js') } }],
    ['cannot open the file', { file: '/nowhere/edge.db' }],
    ['says nothing', { thread: sourceThread('edge/src/store/testing/mute-thread.ts'), limits: { startMsMax: 200 } }],
  ])('that %s refuses those who wait, and is tried again by the next', async (_what, changes) => {
    const long = reader(changes);
    const asked = await Promise.allSettled([long.read('devices', undefined), long.read('devices', undefined)]);
    expect(asked.map((each) => each.status === 'rejected' && each.reason.code)).toEqual(['busy', 'busy']);
    expect(alarms).toEqual([expect.stringContaining('the thread of long reads did not start')]);
    await expect(long.read('devices', undefined)).rejects.toMatchObject({ code: 'busy' });
    expect(alarms).toHaveLength(2);
  });
});
