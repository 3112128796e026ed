import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { v7 } from 'uuid';
import { migrate } from '../src/database/migrate.js';
import { JournalChunks } from '../src/database/migrations/000006-journal-chunks.js';
import { constraintOf, Database, sqlStateOf, type Tx } from '../src/database/unit-of-work.js';
import { archiveChunks, archivedHashes, archivedLines } from '../src/sync/archive.js';
import { packLines } from '../src/sync/journal-chunk.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { JournalBuilder, newBoxKeys } from './journal-builder.js';
import { withOlderDatabase } from './older-database.js';
import { TestBox } from './test-box.js';

let harness: HubHarness;
let branches = 0;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
});
afterAll(() => harness.close());

async function newBox(): Promise<TestBox> {
  branches += 1;
  const code = `A${String(branches).padStart(3, '0')}`;
  await createBranch(harness.admin.api, code);
  return TestBox.enrol(harness.url, harness.admin.api, code);
}

function trading(box: TestBox, sales: number): JournalBuilder {
  const journal = box.newJournal();
  for (let sale = 0; sale < sales; sale += 1) journal.sale();
  return journal;
}

const received = (journal: JournalBuilder, fromSeq = 1, toSeq = journal.seq) =>
  journal.lines
    .slice(fromSeq - 1, toSeq)
    .map((bytes, at) => ({ bytes, hash: Buffer.from(journal.hashAt(fromSeq + at), 'hex') }));

const inside = <T>({ tenant }: TestBox, work: (tx: Tx) => Promise<T>): Promise<T> =>
  harness.database.transaction(tenant, work);

describe('the archive', () => {
  it('holds every line as it came and its hash, however the pushes were cut and overlapped', async () => {
    const box = await newBox();
    const journal = trading(box, 30);
    for (const [from, to] of [
      [1, 1],
      [1, 4],
      [3, 9],
      [10, 10],
      [5, 31],
    ] as const)
      expect((await box.push(journal.push(from, to))).status).toBe(200);
    const seqs = Array.from({ length: 31 }, (_, at) => at + 1);
    const history = { branchId: box.branch, incarnation: journal.incarnation };
    const lines = await inside(box, (tx) => archivedLines(tx, history, seqs));
    expect(lines.map(({ bytes }) => String(bytes))).toEqual(journal.lines.map(String));
    const asked = [...seqs, 32, 0].map((seq) => ({ incarnation: journal.incarnation, seq }));
    const hashes = await inside(box, (tx) => archivedHashes(tx, box.branch, asked));
    expect(hashes).toEqual([...seqs.map((seq) => journal.hashAt(seq)), null, null]);
    expect(await inside(box, (tx) => archivedHashes(tx, box.branch, [{ incarnation: v7(), seq: 1 }]))).toEqual([null]);
    await expect(inside(box, (tx) => archivedLines(tx, history, [32]))).rejects.toThrow('line 32');
  });

  it.each([
    ['lines that are there', 1, 3, 'pk_journal_chunk'],
    ['lines of which the first is there', 3, 5, 'journal_chunk_follows_another'],
    ['other lines at the same place', 1, 4, 'journal_chunk_begins_once'],
    ['lines after some that are not there', 5, 6, 'journal_chunk_follows_another'],
  ])('takes no %s, whatever asks for it', async (_what, from, to, constraint) => {
    const box = await newBox();
    const journal = trading(box, 7);
    await box.push(journal.push(1, 3));
    const { incarnation } = journal;
    const place = { tenantId: box.tenant, branchId: box.branch, incarnation, nowMs: 0, headSignature: 's' };
    const chunks = await packLines(received(journal, from, to), from);
    const refused = await inside(box, (tx) => archiveChunks(tx, place, chunks)).catch((error: unknown) => error);
    expect(constraintOf(refused)).toBe(constraint);
    // What follows is taken.
    await inside(box, async (tx) => archiveChunks(tx, place, await packLines(received(journal, 4, 8), 4)));
  });

  it('is only added to', async () => {
    const box = await newBox();
    await box.push(trading(box, 1).push());
    for (const sql of ['DELETE FROM journal_chunk', `UPDATE journal_chunk SET body = ''`]) {
      const refused = await inside(box, (tx) => tx.execute(sql)).catch((error: unknown) => error);
      expect(sqlStateOf(refused)).toBe('42501');
    }
  });
});

describe('an archive of a row for each line', () => {
  const PLACE = { tenant: v7(), branch: v7(), branchCode: 'B001', box: v7(), epoch: 1 };
  const LINES = 1_201;
  const PUT = `INSERT INTO journal_line SELECT $1, $2, $3, $4, 'sale', '', $5, $6, now(), now()`;

  /** A database as it was before, with such an archive. */
  const before = (work: (dataSource: DataSource, journal: JournalBuilder) => Promise<void>): Promise<void> =>
    withOlderDatabase(JournalChunks, async (dataSource) => {
      const journal = new JournalBuilder({ ...PLACE, keys: newBoxKeys() });
      while (journal.seq < LINES) journal.sale();
      for (const [at, { bytes, hash }] of received(journal).entries())
        await dataSource.query(PUT, [PLACE.tenant, PLACE.branch, journal.incarnation, at + 1, hash, bytes]);
      await work(dataSource, journal);
    });

  it('is packed by the migration, byte for byte', async () => {
    await before(async (dataSource, journal) => {
      await migrate(dataSource);
      const database = new Database(dataSource, Math.random);
      const seqs = Array.from({ length: LINES }, (_, at) => at + 1);
      const history = { branchId: PLACE.branch, incarnation: journal.incarnation };
      const lines = await database.transaction(PLACE.tenant, (tx) => archivedLines(tx, history, seqs));
      expect(lines.map(({ bytes }) => String(bytes))).toEqual(journal.lines.map(String));
      expect(lines.map(({ hash }) => hash.toString('hex'))).toEqual(seqs.map((seq) => journal.hashAt(seq)));
      const [{ chunks }] = (await database.asOwner<{ chunks: number }>(
        'SELECT count(*) AS chunks FROM journal_chunk',
      )) as [{ chunks: number }];
      expect(chunks).toBeLessThan(10);
    });
  });

  it('that lacks a line is refused in one line, and stays as it is', async () => {
    await before(async (dataSource) => {
      await dataSource.query('DELETE FROM journal_line WHERE seq = 700');
      await expect(migrate(dataSource)).rejects.toThrow(
        /line 700 of .* is not in the archive: start with another database/,
      );
      const [kept] = (await dataSource.query('SELECT count(*) AS lines FROM journal_line')) as { lines: number }[];
      expect(kept?.lines).toBe(LINES - 1);
    });
  });
});
