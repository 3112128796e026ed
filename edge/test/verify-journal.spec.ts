import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';
import { Reader } from '../src/store/reader.js';
import { packLine, unpackLine } from '../src/store/line-storage.js';
import { jobsOf, proveJournal, type JournalProof } from '../src/verify/prove-journal.js';
import type { VerifyJobs } from '../src/verify/verify-jobs.js';
import { EdgeHarness, importedSale, milkSale } from './edge-harness.js';
import { sourceThread } from './source-thread/source-thread.js';

let edge: EdgeHarness;
let shift: string;
let till: Awaited<ReturnType<EdgeHarness['till']>>;

beforeEach(async () => {
  edge = await EdgeHarness.start();
  await edge.settings();
  await edge.product('MILK', { minor: 1999 });
  await edge.operator('MAX', 'administrator');
  till = await edge.till('T1', 'MAX');
  shift = (await till.openShift()).data.id;
  for (let nth = 0; nth < 5; nth += 1) await till.sell(milkSale());
  await till.sell(importedSale());
});
afterEach(() => edge.close());

const fileOf = (): string => join(edge.folder, 'edge.db');

async function prove(breathe: () => Promise<void> = () => Promise.resolve()): Promise<JournalProof> {
  const reader = new Reader<VerifyJobs>({
    file: fileOf(),
    thread: sourceThread('edge/src/verify-thread.ts'),
    limits: { readMsMax: 60_000, startMsMax: 60_000 },
    alarm: () => undefined,
  });
  try {
    return await proveJournal({ jobs: jobsOf(reader), databaseFile: fileOf(), breathe });
  } finally {
    await reader.close();
  }
}

/** Past the edge, as a failing disk or a person with a database tool would. */
function tamper(sql: string, ...params: unknown[]): void {
  const database = new BetterSqlite3(fileOf());
  try {
    database.prepare(sql).run(...params);
  } finally {
    database.close();
  }
}

const whatOf = ({ findings }: JournalProof): string[] => findings.named.map(({ what }) => what);
const saidOf = ({ findings }: JournalProof): string => findings.named.map(({ detail }) => detail).join('\n');

describe('rows and journal', () => {
  it('hold together while the store sells on, and after a day with a Z and a seal', async () => {
    let sold = 0;
    const proof = await prove(async () => {
      sold += (await till.sell(milkSale())).status === 201 ? 1 : 0;
    });
    expect(sold).toBeGreaterThan(0);
    expect(proof.findings).toEqual({ count: 0, named: [] });
    expect(proof.lines).toBe(9 + sold);
    expect(proof.days).toEqual([
      { businessDate: '2017-03-01', equal: true },
      { businessDate: '2026-11-20', equal: true },
    ]);
    expect((await till.post(`/shifts/${shift}/close`, { declared: [] })).status).toBe(201);
    expect((await till.post('/days/2026-11-20/seal')).status).toBe(201);
    const closed = await prove();
    expect([closed.findings.count, closed.lines]).toEqual([0, proof.lines + 2]);
    expect(existsSync(`${fileOf()}.verifying`)).toBe(false);
  });

  it('name a flipped bit in a row by table, key and column, and the date whose money it changes', async () => {
    tamper('UPDATE sale SET total_minor = total_minor + 64 WHERE no = 2');
    const proof = await prove();
    expect(whatOf(proof)).toEqual(['altered-row', 'day-sums']);
    expect(saidOf(proof)).toMatch(
      /^sale 2 \([0-9a-f-]{36}\): total_minor is 4062, the journal says 3998\n2026-11-20: .*total_minor/u,
    );
    expect(proof.days).toContainEqual({ businessDate: '2026-11-20', equal: false });
  });

  it('name a doubled row', async () => {
    tamper(
      'INSERT INTO tender_entry SELECT no + 1000, shift_no, tender_type, currency, amount_minor, reason, sale_no FROM tender_entry WHERE no = 1',
    );
    const proof = await prove();
    expect(whatOf(proof)).toEqual(['extra-row']);
    expect(saidOf(proof)).toContain('tender_entry 1001 of sale 1: no line of the journal leads to it');
  });

  it('name a missing row', async () => {
    tamper('DELETE FROM stock_movement WHERE no = 3');
    const proof = await prove();
    expect(whatOf(proof)).toEqual(['missing-row']);
    expect(saidOf(proof)).toContain('stock_movement 3 of sale 3: the journal says it, and it is not there');
  });

  it.each([
    ['stock_balance', `UPDATE stock_balance SET on_hand_milli = on_hand_milli + 1 WHERE product = 'MILK'`],
    ['receipt_counter', 'UPDATE receipt_counter SET last = last + 1'],
    ['till_total', 'UPDATE till_total SET grand_total_minor = 0'],
    ['shift', 'UPDATE shift SET float_minor = float_minor + 1'],
    ['device', `UPDATE device SET till = 'T9'`],
  ])('see what is not as lines made it in %s', async (table, sql) => {
    tamper(sql);
    const proof = await prove();
    expect(whatOf(proof)).toEqual(['altered-row']);
    expect(saidOf(proof)).toMatch(new RegExp(`^${table} `, 'u'));
  });

  it('count what they do not name', async () => {
    tamper('UPDATE stock_movement SET quantity_milli = quantity_milli + 1');
    const { findings } = await prove();
    expect(findings.count).toBe(findings.named.length);
    for (let nth = 0; nth < 30; nth += 1) await till.sell(milkSale());
    tamper('UPDATE stock_movement SET quantity_milli = quantity_milli + 1');
    const more = await prove();
    expect(more.findings.named.length).toBe(20);
    expect(more.findings.count).toBe(
      edge.store.reads.get<{ n: number }>('SELECT count(*) AS n FROM stock_movement')?.n,
    );
  });
});

describe('the journal', () => {
  /** A line's own bytes changed and stored anew, checksum and all, as one would who knows how. */
  function alterLine(seq: number, from: string, to: string): void {
    const row = edge.store.reads.get<{ position: number; line: Buffer }>(
      'SELECT position, line FROM journal WHERE seq = ?',
      seq,
    );
    if (row === undefined) throw new Error('no such line');
    const text = unpackLine(row.line, row.position).toString('utf8');
    expect(text).toContain(from);
    tamper(
      'UPDATE journal SET line = ? WHERE position = ?',
      packLine(Buffer.from(text.replaceAll(from, to))),
      row.position,
    );
  }

  it('tells by its chain that a line was altered, even when its rows were altered with it', async () => {
    alterLine(5, '3998', '1111');
    const proof = await prove();
    expect(saidOf(proof)).toMatch(/line 5 of [0-9a-f-]{36}: its bytes lead to [0-9a-f]{64}, kept is [0-9a-f]{64}/u);
    expect(proof.findings.named.filter(({ what }) => what === 'journal-line')).toHaveLength(1);
    expect(whatOf(proof)).toContain('altered-row');
  });

  it('tells that a line cannot be read, and what it made is not proved by it', async () => {
    const [damaged] = [
      edge.store.reads.get<{ line: Buffer }>('SELECT line FROM journal WHERE seq = 4')?.line ?? Buffer.alloc(0),
    ];
    const bytes = Buffer.from(damaged);
    bytes[bytes.length - 9] = (bytes[bytes.length - 9] ?? 0) ^ 1;
    tamper('UPDATE journal SET line = ? WHERE seq = 4', bytes);
    const proof = await prove();
    expect(saidOf(proof)).toMatch(/line 4 of [0-9a-f-]{36} cannot be read: the journal is damaged at position/u);
    expect(whatOf(proof)).toContain('extra-row');
  });

  it('misses a line that was taken out of it', async () => {
    tamper('DELETE FROM journal WHERE seq = 5');
    const proof = await prove();
    expect(saidOf(proof)).toMatch(/lines 5 to 5 of [0-9a-f-]{36} are not there/u);
    expect(whatOf(proof)).toContain('journal-gap');
  });

  it('misses its end, and a head that says another', async () => {
    const last = edge.store.reads.get<{ seq: number }>('SELECT max(seq) AS seq FROM journal')?.seq ?? 0;
    tamper('DELETE FROM journal WHERE seq = ?', last);
    const proof = await prove();
    expect(whatOf(proof)).toContain('journal-head');
    expect(saidOf(proof)).toContain(`the head says line ${last},`);
  });
});

it('a check that is ended leaves nothing behind', async () => {
  await expect(prove(() => Promise.reject(new Error('the edge stops')))).rejects.toThrow('the edge stops');
  expect(existsSync(`${fileOf()}.verifying`)).toBe(false);
});
