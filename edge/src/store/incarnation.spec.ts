import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeLine, type JournalLine } from '@branchline/replication/line.js';
import type { IncarnationOpen } from '@branchline/replication/kinds/incarnation-open.js';
import { v7 } from 'uuid';
import type { JournalRef } from './command.js';
import { journalAgain } from './journal-again.js';
import { readHead, readLines } from './journal.js';
import type { OwnStore } from './store.js';
import { BY_NOBODY, enrolDevice, storeFixture, type StoreFixture } from './testing/store-fixture.js';

const enrol = (store: OwnStore, name: string): Promise<JournalRef> =>
  store.writer.execute(enrolDevice, { id: v7(), name }, BY_NOBODY);

const linesOf = (store: OwnStore, incarnationNo: number): JournalLine[] =>
  readLines(store.reads, incarnationNo, 1, 100, 1e6).map(({ line }) => decodeLine(line));

const openingOf = (store: OwnStore, incarnationNo: number): IncarnationOpen =>
  linesOf(store, incarnationNo)[0]?.body as IncarnationOpen;

describe('which history a file may go on with', () => {
  let fixture: StoreFixture;
  beforeEach(() => {
    fixture = storeFixture();
  });
  afterEach(() => fixture.remove());

  const file = (name: string): string => join(fixture.folder, name);

  /** Writes some lines, keeping a copy of the database as it stood after the first. */
  async function tradeWithBackup(): Promise<{ first: JournalRef; last: JournalRef }> {
    let store = await fixture.open();
    const first = await enrol(store, 'first');
    await store.close();
    cpSync(file('edge.db'), file('backup.db'));
    store = await fixture.open();
    const last = await enrol(store, 'sold since');
    await store.close();
    return { first, last };
  }

  it('goes on in the same incarnation when the file holds what its witness saw', async () => {
    const { last } = await tradeWithBackup();
    const store = await fixture.open();
    const next = await enrol(store, 'next');
    expect(next).toMatchObject({ incarnation: last.incarnation, seq: last.seq + 1, epoch: 1 });
    await store.close();
  });

  it('opens a new incarnation, with a greater epoch, on a file that is behind its witness', async () => {
    const { first } = await tradeWithBackup();
    cpSync(file('backup.db'), file('edge.db'));
    for (const rest of ['edge.db-wal', 'edge.db-shm']) rmSync(file(rest), { force: true });
    const store = await fixture.open();
    const next = await enrol(store, 'next');
    expect(next.incarnation).not.toBe(first.incarnation);
    expect(next).toMatchObject({ epoch: 2, seq: 2 });
    expect(openingOf(store, 2)).toMatchObject({
      reason: 'witness-ahead',
      epoch: 2,
      previous: { incarnation: first.incarnation, seq: first.seq, hash: first.hash },
    });
    expect(linesOf(store, 1).map(({ seq }) => seq)).toEqual([1, 2]);
    await store.close();
  });

  it('opens a new incarnation when the witness is missing, and again goes on after that', async () => {
    await tradeWithBackup();
    rmSync(file('witness'));
    let store = await fixture.open();
    expect(await enrol(store, 'next')).toMatchObject({ epoch: 2, seq: 2 });
    await store.close();
    store = await fixture.open();
    expect(await enrol(store, 'and on')).toMatchObject({ epoch: 2, seq: 3 });
    await store.close();
  });

  it('remembers that a new incarnation is due although it was closed before the next line', async () => {
    await tradeWithBackup();
    rmSync(file('witness'));
    await (await fixture.open()).close();
    const store = await fixture.open();
    expect(readHead(store.reads)).toMatchObject({ epoch: 1, due: 'witness-missing' });
    expect(await enrol(store, 'next')).toMatchObject({ epoch: 2 });
    await store.close();
  });

  it('prints no receipt number twice on an empty file beside an old witness: the epoch goes on from the witness', async () => {
    await tradeWithBackup();
    for (const name of ['edge.db', 'edge.db-wal', 'edge.db-shm']) rmSync(file(name), { force: true });
    const store = await fixture.open();
    expect(await enrol(store, 'next')).toMatchObject({ epoch: 2, seq: 2 });
    await store.close();
  });

  it('survives a torn witness slot: the other slot still tells', async () => {
    const { last } = await tradeWithBackup();
    const store = await fixture.open();
    const newest = await enrol(store, 'newest');
    await store.close();
    const slots = await import('node:fs').then((fs) => fs.readFileSync(file('witness')));
    const torn = slots.includes(newest.hash, 8192) ? 8192 : 0;
    slots.fill(0xff, torn + 40, torn + 60);
    writeFileSync(file('witness'), slots);
    const again = await fixture.open();
    expect(again.witness.found).toMatchObject({ hash: last.hash });
    expect(await enrol(again, 'next')).toMatchObject({ epoch: 1, seq: newest.seq + 1 });
    await again.close();
  });

  it('journals its own lines again after a fork: same facts, new places, the old incarnation left at the common line', async () => {
    const { first, last } = await tradeWithBackup();
    const moved: { key: string; seq: number }[] = [];
    const store = await fixture.open({
      moveReference: (_tx, line, place) => moved.push({ key: line.key, seq: place.seq }),
    });
    expect(
      await store.writer.write(
        { name: 'journal-again', run: journalAgain },
        { incarnationNo: 1, commonSeq: first.seq },
      ),
    ).toBe(1);
    const [opening, again] = linesOf(store, 2);
    expect(opening?.body).toMatchObject({ reason: 'fork', epoch: 2, previous: { seq: first.seq, hash: first.hash } });
    // What was split off keeps its chain, and rows keep their line.
    const [original] = linesOf(store, 3);
    expect(store.reads.get('SELECT forked_from, forked_at FROM incarnation WHERE no = 3')).toEqual({
      forked_from: 1,
      forked_at: first.seq,
    });
    expect(original?.seq).toBe(last.seq);
    expect(linesOf(store, 1)).toHaveLength(first.seq);
    expect(again).toEqual({ ...original, seq: 2, hlc: again?.hlc });
    expect(moved).toEqual([{ key: original?.key, seq: 2 }]);
    expect(store.reads.get('SELECT count(*) AS devices FROM device')).toEqual({ devices: 2 });
    expect(await enrol(store, 'next')).toMatchObject({ epoch: 2, seq: 3 });
    await store.close();
  });

  it('begins a history of its own after a fork, when another went on from a line that only this file has', async () => {
    const { first } = await tradeWithBackup();
    const store = await fixture.open();
    const ours = await enrol(store, 'ours alone');
    await store.close();
    rmSync(file('witness'));
    const again = await fixture.open();
    await enrol(again, 'went on from it');
    const fork = { incarnationNo: 1, commonSeq: first.seq };
    await again.writer.write({ name: 'journal-again', run: journalAgain }, fork);
    const [, , left] = again.reads
      .all<{ no: number }>('SELECT no FROM incarnation WHERE forked_from IS NULL ORDER BY no')
      .map(({ no }) => linesOf(again, no)[0]?.body);
    expect(linesOf(again, 2)[0]?.body).toMatchObject({ previous: { seq: ours.seq, hash: ours.hash } });
    expect(left).toMatchObject({ reason: 'fork', previous: { seq: first.seq, hash: first.hash } });
    await again.close();
  });

  it('begins its clock anew with a new history, when it stood years ahead in the one before', async () => {
    await tradeWithBackup();
    const nowMs = fixture.clock.now();
    let store = await fixture.open();
    fixture.clock.set(Date.UTC(9999, 0));
    await enrol(store, 'in the year 9999');
    fixture.clock.set(nowMs);
    await enrol(store, 'never back within it');
    expect(readHead(store.reads)?.hlc.slice(0, 12)).toBe(Date.UTC(9999, 0).toString(16).padStart(12, '0'));
    await store.close();
    rmSync(file('witness'));
    store = await fixture.open();
    expect(await enrol(store, 'anew')).toMatchObject({ epoch: 2 });
    expect(readHead(store.reads)?.hlc.slice(0, 12)).toBe(nowMs.toString(16).padStart(12, '0'));
    await store.close();
  });

  it('lets only one process write a file', async () => {
    const store = await fixture.open();
    await expect(fixture.open()).rejects.toThrow('another edge is running');
    await store.close();
  });
});
