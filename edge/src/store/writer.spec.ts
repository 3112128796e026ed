import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chainHash, GENESIS_HASH } from '@branchline/replication/chain.js';
import BetterSqlite3 from 'better-sqlite3';
import { v7 } from 'uuid';
import type { JournalRef } from './command.js';
import { hashAt, readHead, readLines } from './journal.js';
import type { OwnStore, Store } from './store.js';
import {
  BY_NOBODY,
  DEVICE_APPLIERS,
  enrolDevice,
  storeFixture,
  type StoreFixture,
  writeRows,
} from './testing/store-fixture.js';
import { Connection, type SqlValue } from './tx.js';
import { Witness } from './witness.js';
import type { BackgroundWrite } from './write-job.js';
import { QUEUE_COMMANDS_MAX } from './task-queue.js';
import { GROUP_MS_MAX, Writer, type WriterParts } from './writer.js';

const enrol = (store: Store, name: string, extra: { refuse?: boolean; thenThrow?: string } = {}): Promise<JournalRef> =>
  store.writer.execute(enrolDevice, { id: v7(), name, ...extra }, BY_NOBODY);

describe('the writer', () => {
  let fixture: StoreFixture;
  let store: OwnStore;

  beforeEach(async () => {
    fixture = storeFixture();
    store = await fixture.open();
  });
  afterEach(async () => {
    await store.close();
    fixture.remove();
  });

  const SILENT_WITNESS = { write: () => undefined, sync: () => undefined };

  function writerOn(connection: Connection, witness: WriterParts['witness'] = SILENT_WITNESS): Writer {
    return new Writer({
      connection,
      appliers: DEVICE_APPLIERS,
      moveReference: () => undefined,
      applyFetched: () => 'applied',
      box: fixture.box,
      witness,
      clock: fixture.clock,
      newId: v7,
      isInPlace: () => true,
      stopwatch: () => 0,
      onFatal: (error) => fixture.fatal.push(error),
    });
  }

  const deviceNames = (): string[] =>
    store.reads.all<{ name: string }>('SELECT name FROM device ORDER BY id').map(({ name }) => name);

  it('opens the first incarnation with the first line, so that a device is line 2', async () => {
    const ref = await enrol(store, 'till');
    expect(ref).toMatchObject({ epoch: 1, seq: 2 });
    expect(readLines(store.reads, 1, 1, 10, 1e6).map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it('keeps what three interleaved writers were told is done, and nothing else', async () => {
    const writers = ['a', 'b', 'c'].map(async (who) => {
      const done: string[] = [];
      for (let turn = 0; turn < 30; turn += 1) {
        const refuse = (turn + who.charCodeAt(0)) % 3 === 0;
        const told = await enrol(store, `${who}${turn}`, { refuse }).then(
          () => true,
          () => false,
        );
        if (told) done.push(`${who}${turn}`);
        if (turn % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      return done;
    });
    const told = (await Promise.all(writers)).flat();
    expect(told).toHaveLength(60);
    expect(deviceNames().sort()).toEqual(told.sort());
    expect(readHead(store.reads)?.seq).toBe(61);
  });

  it('takes back the numbers of a command that fails inside a group, and lets the others stand', async () => {
    const results = await Promise.allSettled([
      enrol(store, 'one'),
      enrol(store, 'refused', { refuse: true }),
      enrol(store, 'broken', { thenThrow: 'a bug' }),
      enrol(store, 'two'),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { code: 'code-invalid' } });
    expect(results[2]).toMatchObject({ reason: { message: 'a bug' } });
    expect(deviceNames()).toEqual(['one', 'two']);
    const lines = readLines(store.reads, 1, 1, 10, 1e6);
    expect(lines.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    let hash: Buffer = GENESIS_HASH;
    for (const line of lines) expect(line.hash).toEqual((hash = chainHash(hash, line.line)));
    expect(hashAt(store.reads, 1, 3)).toBe(readHead(store.reads)?.hash);
  });

  it('takes back the number of a line that was journalled before its rows would not go in', async () => {
    const id = v7();
    const execute = (device: string, name: string) =>
      store.writer.execute(enrolDevice, { id: device, name }, BY_NOBODY);
    await execute(id, 'first');
    let commits = 0;
    store.writer.onCommitted(() => (commits += 1));
    // In one group: the line of the second is appended, then its row breaks the key.
    const results = await Promise.allSettled([execute(v7(), 'before'), execute(id, 'again'), execute(v7(), 'after')]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(deviceNames().sort()).toEqual(['after', 'before', 'first']);
    expect(commits).toBe(1);
    const lines = readLines(store.reads, 1, 1, 10, 1e6);
    expect(lines.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    let hash: Buffer = GENESIS_HASH;
    for (const line of lines) expect(line.hash).toEqual((hash = chainHash(hash, line.line)));
    expect(readHead(store.reads)).toMatchObject({ seq: 4, hash: hash.toString('hex') });
  });

  it('takes back the rows that a failing local write already made', async () => {
    await expect(
      writeRows(store, (tx) => {
        tx.run(`INSERT INTO sync_log (at, level, event, detail) VALUES (1, 'info', 'x', 'y')`);
        throw new Error('half way');
      }),
    ).rejects.toThrow('half way');
    expect(store.reads.all('SELECT * FROM sync_log')).toEqual([]);
  });

  it('commits a group once: what was queued together shares one transaction', async () => {
    let commits = 0;
    store.writer.onCommitted(() => (commits += 1));
    await Promise.all(Array.from({ length: 20 }, (_, index) => enrol(store, `d${index}`)));
    expect(commits).toBe(1);
  });

  it('fails the whole group when the disk is full inside it, keeps chain and numbers as on disk, and goes on', async () => {
    await enrol(store, 'before');
    const head = readHead(store.reads);
    const results = await withFullDisk(store, () =>
      Promise.allSettled([enrol(store, 'x'), enrol(store, 'y'.repeat(60_000)), enrol(store, 'z')]),
    );
    for (const result of results)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'storage-full', status: 503 } });
    expect(deviceNames()).toEqual(['before']);
    expect(readHead(store.reads)).toEqual(head);
    expect(fixture.fatal).toEqual([]);
    const after = await enrol(store, 'after');
    expect(after.seq).toBe((head?.seq ?? 0) + 1);
  });

  it('stops for good when a commit fails for another reason, and answers nothing as done', async () => {
    const failing = new FailingCommit(connectionOf(store).database);
    const writer = writerOn(failing);
    const first = writer.execute(enrolDevice, { id: v7(), name: 'lost' }, BY_NOBODY);
    await expect(first).rejects.toMatchObject({ code: 'storage-failed' });
    expect(fixture.fatal.map(({ message }) => message)).toEqual(['disk I/O error']);
    await expect(writer.execute(enrolDevice, { id: v7(), name: 'late' }, BY_NOBODY)).rejects.toMatchObject({
      code: 'storage-failed',
    });
    expect(deviceNames()).toEqual([]);
  });

  it('answers everybody when a group cannot even begin, for whatever reason, and goes on', async () => {
    const { database } = connectionOf(store);
    let begins = 0;
    const failing = new (class extends Connection {
      override run(sql: string, ...params: SqlValue[]): ReturnType<Connection['run']> {
        if (sql === 'BEGIN IMMEDIATE' && begins++ === 0) throw new Error('interrupted');
        return super.run(sql, ...params);
      }
    })(database);
    const writer = writerOn(failing);
    const execute = (name: string) => writer.execute(enrolDevice, { id: v7(), name }, BY_NOBODY);
    const results = await Promise.allSettled([execute('one'), execute('two')]);
    expect(results).toEqual([1, 2].map(() => ({ status: 'rejected', reason: new Error('interrupted') })));
    expect(await execute('after')).toMatchObject({ seq: 2 });
    expect(deviceNames()).toEqual(['after']);
  });

  it.each([
    ['replaced', (file: string) => renameSync(`${file}.other`, file)],
    ['deleted', (file: string) => rmSync(file)],
  ])('acknowledges nothing that went into a file %s under it, and stops', async (_how, disturb) => {
    await enrol(store, 'before');
    const file = join(fixture.folder, 'edge.db');
    copyFileSync(file, `${file}.other`);
    disturb(file);
    await expect(enrol(store, 'into nowhere')).rejects.toMatchObject({ code: 'storage-failed' });
    await expect(enrol(store, 'late')).rejects.toMatchObject({ code: 'storage-failed' });
    expect(fixture.fatal.map(({ message }) => message)).toEqual([
      'the database file or its log was replaced or deleted while it was open',
    ]);
    // The witness still tells of what was answered, so that the next start judges by that.
    expect(Witness.read(join(fixture.folder, 'witness'))).toMatchObject({ seq: 2 });
  });

  it('acknowledges nothing that went into a log deleted under it, and saves what it had acknowledged before', async () => {
    await enrol(store, 'before');
    const file = join(fixture.folder, 'edge.db');
    rmSync(`${file}-wal`);
    await expect(enrol(store, 'into nowhere')).rejects.toMatchObject({ code: 'storage-failed' });
    expect(fixture.fatal).toHaveLength(1);
    // As a kill leaves it.
    copyFileSync(file, `${file}.left`);
    const left = new BetterSqlite3(`${file}.left`);
    expect(left.prepare('SELECT name FROM device').pluck().all()).toContain('before');
    left.close();
  });

  it('lets sales pass between the slices of background work', async () => {
    const order: string[] = [];
    let slices = 0;
    const fiftySlices: BackgroundWrite<null, null> = {
      name: 'fifty slices',
      slice: () => {
        order.push('slice');
        return { state: null, more: (slices += 1) < 50 };
      },
    };
    const background = store.writer.background(fiftySlices, null, null);
    const sales = (async () => {
      for (let index = 0; index < 10; index += 1) {
        await enrol(store, `s${index}`);
        order.push('sale');
      }
    })();
    await Promise.all([background, sales]);
    expect(slices).toBe(50);
    expect(order.lastIndexOf('sale')).toBeLessThan(order.lastIndexOf('slice'));
  });

  /** In which order commands ran, and where a group ended, by a clock that they alone move. */
  async function orderOf(commands: readonly { name: string; waits?: true; takesMs: number }[]): Promise<string> {
    let nowMs = 0;
    await store.close();
    store = await fixture.open({ stopwatch: () => nowMs });
    const order: string[] = [];
    store.writer.onCommitted(() => order.push('|'));
    await Promise.all(
      commands.map(({ name, waits, takesMs }) => {
        const slow: typeof enrolDevice = {
          name,
          ...(waits && { waits }),
          decide: (tx, input, context) => {
            order.push(name);
            nowMs += takesMs;
            return enrolDevice.decide(tx, input, context);
          },
        };
        return store.writer.execute(slow, { id: v7(), name }, BY_NOBODY);
      }),
    );
    return order.join(' ');
  }

  it('ends a group once it has taken its time, so that who comes then waits for that and no longer', async () => {
    const commands = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, takesMs: GROUP_MS_MAX * 0.4 }));
    expect(await orderOf(commands)).toBe('a b c | d e |');
    expect(await orderOf([{ name: 'x', takesMs: 10 * GROUP_MS_MAX }, ...commands.slice(0, 2)])).toBe('x | a b |');
  });

  it('lets sales pass what was handed over, which goes on all the same', async () => {
    const handedOver = ['h1', 'h2', 'h3'].map((name) => ({ name, waits: true as const, takesMs: GROUP_MS_MAX }));
    const quick = ['s1', 's2'].map((name) => ({ name, takesMs: 1 }));
    expect(await orderOf([...handedOver, ...quick])).toBe('s1 s2 h1 | h2 | h3 |');
    const long = ['s1', 's2', 's3'].map((name) => ({ name, takesMs: GROUP_MS_MAX }));
    expect(await orderOf([...handedOver, ...long])).toBe('s1 h1 | s2 h2 | s3 h3 |');
  });

  it('takes a sale however much was handed over, and no more of that than it can hold', async () => {
    const handedOver: typeof enrolDevice = { ...enrolDevice, waits: true };
    const execute = (command: typeof enrolDevice, name: string) =>
      store.writer.execute(command, { id: v7(), name, refuse: name === 'handed over' }, BY_NOBODY);
    const all = Array.from({ length: QUEUE_COMMANDS_MAX + 1 }, () => execute(handedOver, 'handed over'));
    const sale = execute(enrolDevice, 'sale');
    const codes = await Promise.all(all.map((each) => each.catch((error: { code: string }) => error.code)));
    expect([codes.filter((code) => code === 'busy').length, codes.at(-1)]).toEqual([1, 'busy']);
    expect(await sale).toMatchObject({ epoch: 1, seq: 2 });
  });

  it('writes the witness before it answers', async () => {
    const order: string[] = [];
    const writer = writerOn(connectionOf(store), {
      write: ({ seq }) => void order.push(`witnessed ${seq}`),
      sync: () => undefined,
    });
    const heard: typeof enrolDevice = {
      name: enrolDevice.name,
      decide: (tx, input, context) => {
        const { lines, answer } = enrolDevice.decide(tx, input, context);
        return { lines, answer: (journaled) => (order.push('answered'), answer(journaled)) };
      },
    };
    await writer.execute(heard, { id: v7(), name: 'till' }, BY_NOBODY);
    expect(order).toEqual(['witnessed 2', 'answered']);
  });

  it('leaves its last line in the witness', async () => {
    const ref = await enrol(store, 'till');
    await store.close();
    store = await fixture.open();
    expect(store.witness.found).toMatchObject({ incarnation: ref.incarnation, seq: ref.seq, hash: ref.hash });
  });
});

/** A real SQLITE_FULL: the file may not grow while `work` runs. */
async function withFullDisk<T>(store: Store, work: () => Promise<T>): Promise<T> {
  const { database } = connectionOf(store);
  const pages = database.pragma('page_count', { simple: true }) as number;
  database.pragma(`max_page_count = ${pages}`);
  try {
    return await work();
  } finally {
    database.pragma('max_page_count = 1073741823');
  }
}

function connectionOf(store: Store): Connection {
  return (store.writer as unknown as { parts: { connection: Connection } }).parts.connection;
}

class FailingCommit extends Connection {
  override run(
    sql: string,
    ...params: Parameters<Connection['run']> extends [string, ...infer P] ? P : never
  ): ReturnType<Connection['run']> {
    if (sql === 'COMMIT') throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR_FSYNC' });
    return super.run(sql, ...params);
  }
}
