import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chainHash } from '@branchline/replication/chain.js';
import { v7 } from 'uuid';
import { BranchVerifier } from '../src/verify/branch-verifier.js';
import { BranchRow } from '../src/branches/branch.row.js';
import { AMOUNT_MINOR_MAX } from '@branchline/replication/sale-faults.js';
import { CHUNK_COLUMNS } from '../src/sync/archive.js';
import { packLines, unpackChunk, type ChunkLine, type JournalChunk } from '../src/sync/journal-chunk.js';
import type { Verification, What } from '../src/verify/answer.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness, type Signed } from './hub-harness.js';
import type { JournalBuilder } from './journal-builder.js';
import { TestBox } from './test-box.js';

let harness: HubHarness;
let stranger: Signed;
let branches = 0;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
  stranger = await harness.newTenant('OTHER');
});
afterAll(() => harness.close());

async function newBox(): Promise<TestBox> {
  branches += 1;
  const code = `V${String(branches).padStart(3, '0')}`;
  await createBranch(harness.admin.api, code);
  return TestBox.enrol(harness.url, harness.admin.api, code);
}

/** Two business dates with all that a sale can have, a shift with its Z, a seal, and a device. */
async function traded(): Promise<{ box: TestBox; journal: JournalBuilder }> {
  const box = await newBox();
  const journal = box.newJournal();
  const device = v7();
  journal.append('device-enrol', device, {
    device,
    name: 'Till 1',
    till: 'T1',
    codeHash: 'c'.repeat(64),
    tokenHash: 'd'.repeat(64),
  });
  const shift = journal.shiftOpen();
  journal.sale({ shift, changeMinor: 100, lines: [{}, { product: 'BREAD', milli: 456, priceMinor: 2500 }] });
  journal.sale({
    shift,
    tenderType: 'card',
    operator: 'ben',
    lines: [
      {
        modifiers: [{ kind: 'loyalty', amountMinor: -150 }],
        information: [{ kind: 'manufacturer-coupon', amountMinor: 100 }],
      },
    ],
  });
  journal.sale({ businessDate: '2026-11-21', soldAtMs: Date.UTC(2026, 10, 21, 9) });
  journal.shiftClose(shift, 1);
  journal.daySeal('2026-11-20');
  // In several chunks of the archive.
  for (const [from, to] of [
    [1, 2],
    [3, 3],
    [4, 7],
    [8, 8],
  ] as const)
    await pushed(box, journal, from, to);
  return { box, journal };
}

async function pushed(box: TestBox, journal: JournalBuilder, fromSeq = 1, toSeq = journal.seq): Promise<void> {
  const { status, data } = await box.push(journal.push(fromSeq, toSeq));
  if (status !== 200 || data.appliedSeq !== toSeq) throw new Error(`push: ${status} ${JSON.stringify(data)}`);
}

async function verify(box: TestBox): Promise<Verification> {
  const { status, data } = await harness.admin.api.post<Verification>(`/v1/fleet/${box.branchCode}/verify`);
  expect(status).toBe(200);
  return data;
}

const fleetOf = async (box: TestBox) =>
  (await harness.admin.api.get('/v1/fleet?limit=200')).data.items.find(
    (item: { branch: string }) => item.branch === box.branchCode,
  );

const verifier = (): BranchVerifier => harness.hub.app.get(BranchVerifier);
const branchOf = (box: TestBox): Promise<BranchRow> =>
  harness.database.transaction(box.tenant, (tx) => tx.manager.findOneByOrFail(BranchRow, { id: box.branch }));

/** Past every wall, as a failing disk or a person with a database tool would. */
const tamper = (sql: string, ...params: unknown[]) => harness.database.asOwner(sql, params);

const EQUAL_DAYS = [
  { businessDate: '2026-11-20', equal: true },
  { businessDate: '2026-11-21', equal: true },
];

describe('a verification', () => {
  it('proves a branch whose archive, rows and sums are what its box signed', async () => {
    const { box, journal } = await traded();
    const { incarnation } = journal;
    const head = { incarnation, epoch: 1, seq: 8, hash: journal.headHash };
    expect(await verify(box)).toEqual({
      branch: box.branchCode,
      at: expect.any(String),
      outcome: 'equal',
      streams: [{ incarnation, epoch: 1, lines: 8, headSeq: 8, headHash: journal.headHash, signedByBox: true }],
      days: EQUAL_DAYS,
      forks: [],
      quarantined: [],
      differences: [],
      provedTo: { ...head, at: expect.any(String) },
      boxes: [
        {
          ...{ box: box.box, askedAt: expect.any(String), heardAt: null, at: null, outcome: null },
          ...{ provedTo: null, feeds: [], repaired: 0, differences: [] },
        },
      ],
    });
  });

  it('proves a day that sums to more than a number keeps exactly, and tells what was added to it', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    for (let nth = 0; nth < 950; nth += 1) journal.sale({ lines: [{ priceMinor: AMOUNT_MINOR_MAX }] });
    await pushed(box, journal);
    expect(await verify(box)).toMatchObject({ outcome: 'equal', differences: [], days: [EQUAL_DAYS[0]] });
    await tamper('UPDATE sales_by_hour SET total_minor = total_minor + 1 WHERE branch_id = $1', box.branch);
    const { days, differences } = await verify(box);
    expect(days).toEqual([{ businessDate: '2026-11-20', equal: false }]);
    const detail = '2026-11-20: sales_by_hour has total_minor 9500000000000001, the archive 9500000000000000';
    expect(differences).toContainEqual({ what: 'day-sums', detail });
  });

  it('accounts for what waits in quarantine, is held or was mended', async () => {
    const { box, journal } = await traded();
    const sale = journal.sale();
    journal.append('sale', v7(), { no: 'sale' });
    journal.append('loyalty-points', v7(), { points: 5 });
    journal.appendBytes(Buffer.from('{"seq":'));
    // The same sale with other content, and in a currency that the branch does not sell in.
    journal.append('sale', sale.id, { ...sale, operator: 'eve' });
    const foreign = { ...sale, id: v7(), currency: 'EUR' };
    journal.append('sale', foreign.id, foreign);
    await pushed(box, journal, 9);
    const { outcome, differences, streams } = await verify(box);
    expect([outcome, differences, streams[0]?.lines]).toEqual(['equal', [], 14]);
  });

  it('accounts for a Z with a number that nothing here can hold', async () => {
    const box = await newBox();
    const plain = box.newJournal();
    plain.shiftClose(v7(), 1);
    const journal = box.newJournal();
    const member = '"byBusinessDate":[]';
    journal.appendBytes(Buffer.from(String(plain.lines[1]).replace(member, `${member},"added":1e999`)));
    const { data } = await box.push(journal.push());
    expect(data.quarantined).toEqual([{ seq: 2, code: 'number-out-of-range', detail: 'body.added' }]);
    expect(await verify(box)).toMatchObject({ outcome: 'equal', differences: [], provedTo: { seq: 2 } });
  });

  it('counts a fact once that two histories tell', async () => {
    const { box, journal } = await traded();
    const sold = journal.sale();
    await pushed(box, journal, 9);
    const previous = { incarnation: journal.incarnation, seq: 8, hash: journal.hashAt(8) };
    const again = box.newJournal({ epoch: 2, previous });
    again.saleAgain(sold, `${box.branchCode}-T1-2-000001`);
    again.sale();
    await pushed(box, again);
    const { outcome, differences, streams, provedTo } = await verify(box);
    expect([outcome, differences]).toEqual(['equal', []]);
    expect(streams.map(({ epoch, lines, signedByBox }) => [epoch, lines, signedByBox])).toEqual([
      [1, 9, true],
      [2, 3, true],
    ]);
    expect(provedTo).toMatchObject({ incarnation: again.incarnation, seq: 3 });
  });

  it('proves more lines than are read at once, and a line larger than what is read at once', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    for (let sale = 0; sale < 700; sale += 1) journal.sale();
    journal.appendBytes(Buffer.alloc(9 * 1024 * 1024, 0x20));
    for (let sale = 0; sale < 10; sale += 1) journal.sale();
    await pushed(box, journal);
    const { outcome, streams } = await verify(box);
    expect([outcome, streams[0]?.lines, streams[0]?.headHash]).toEqual(['equal', 712, journal.headHash]);
  });

  it('of a branch that was never heard from proves nothing', async () => {
    const box = await newBox();
    expect(await verify(box)).toMatchObject({ outcome: 'equal', streams: [], days: [], provedTo: null });
  });
});

type Case = {
  what: What[];
  detail: RegExp;
  tampering: (at: { box: TestBox; journal: JournalBuilder }) => Promise<unknown>;
  isProved?: boolean;
};

const CHUNK = 'branch_id = $1 AND $2 BETWEEN first_seq AND last_seq';

/** The chunk that holds a line, packed anew with the line changed. */
async function rewriteLine(box: TestBox, seq: number, changed: Partial<ChunkLine>): Promise<void> {
  const kept = `SELECT ${CHUNK_COLUMNS} FROM journal_chunk WHERE ${CHUNK}`;
  const [chunk] = (await harness.database.asOwner<JournalChunk>(kept, [box.branch, seq])) as [JournalChunk];
  const lines = (await unpackChunk(chunk)).map((line) => (line.seq === seq ? { ...line, ...changed } : line));
  const [{ hashes, bodyBytes, body }] = (await packLines(lines, chunk.firstSeq)) as [JournalChunk];
  const sql = `UPDATE journal_chunk SET hashes = $3, body_bytes = $4, body = $5 WHERE ${CHUNK}`;
  await tamper(sql, box.branch, seq, hashes, bodyBytes, body);
}

/** The bytes of a line with a digit of its amount changed, as one flipped bit does it. */
const flipped = (line: Buffer): Buffer =>
  Buffer.from(line.toString().replace('"totalMinor":1999', '"totalMinor":1998'));
const COPY_SALE = `INSERT INTO sale SELECT (jsonb_populate_record(s, jsonb_build_object('id', $2::uuid))).* FROM sale s
  WHERE branch_id = $1 AND business_date = '2026-11-21'`;

const CASES: Record<string, Case> = {
  'a flipped bit in the archive': {
    what: ['archived-line', 'unaccounted-line', 'head-signature', 'extra-row', 'day-sums'],
    detail: /line 6 of .*: its bytes lead to/,
    tampering: ({ box, journal }) => rewriteLine(box, 6, { bytes: flipped(journal.lines[5] as Buffer) }),
  },
  'an archive that was rewritten with its whole chain': {
    what: ['head-signature'],
    detail: /no signature of its box over line 8/,
    tampering: async ({ box, journal }) => {
      const lines = journal.lines.with(
        1,
        Buffer.from(String(journal.lines[1]).replace('"actor":"anna"', '"actor":"eve"')),
      );
      let hash: Buffer = Buffer.alloc(32);
      for (const [at, bytes] of lines.entries()) {
        hash = chainHash(hash, bytes);
        await rewriteLine(box, at + 1, { bytes, hash });
      }
      await tamper('UPDATE incarnation SET head_hash = $2 WHERE branch_id = $1', box.branch, hash);
    },
  },
  'a line that is gone from the archive': {
    what: ['archive-gap', 'head-signature', 'extra-row'],
    detail: /lines 3 to 3 of .* are not there/,
    tampering: ({ box }) => tamper(`DELETE FROM journal_chunk WHERE ${CHUNK}`, box.branch, 3),
  },
  'the last line gone from the archive': {
    what: ['stream-head', 'head-signature', 'extra-row'],
    detail: /says line 8, .*; the archive ends with line 7/,
    tampering: ({ box }) => tamper(`DELETE FROM journal_chunk WHERE ${CHUNK}`, box.branch, 8),
  },
  'a line that is kept as another': {
    what: ['archive-gap', 'archived-line', 'stream-head', 'head-signature', 'extra-row'],
    detail: /line 9 of .*: the line at 9 says it is 8/,
    tampering: ({ box }) =>
      tamper(`UPDATE journal_chunk SET first_seq = 9, last_seq = 9 WHERE ${CHUNK}`, box.branch, 8),
  },
  'lines that cannot be read any more': {
    what: ['archived-line', 'archive-gap', 'head-signature', 'extra-row', 'day-sums'],
    detail: /lines 4 to 7 of .* cannot be read: /,
    tampering: ({ box }) =>
      tamper(`UPDATE journal_chunk SET body = substring(body FROM 1 FOR 100) WHERE ${CHUNK}`, box.branch, 5),
  },
  'a stream whose head lies': {
    what: ['stream-head'],
    detail: /says line 7, .*; the archive ends with line 8/,
    tampering: ({ box }) => tamper('UPDATE incarnation SET applied_seq = 7 WHERE branch_id = $1', box.branch),
  },
  'a stream that says another epoch than its box': {
    what: ['stream-row'],
    detail: /epoch is 7, its first line says 1/,
    tampering: ({ box }) => tamper('UPDATE incarnation SET epoch = 7 WHERE branch_id = $1', box.branch),
    isProved: true,
  },
  'a stream that is gone': {
    what: ['stream-row', 'extra-row', 'day-sums'],
    detail: /has 8 archived lines and no stream/,
    tampering: ({ box }) => tamper('DELETE FROM incarnation WHERE branch_id = $1', box.branch),
  },
  'a signature that is not the box’s': {
    what: ['head-signature'],
    detail: /no signature of its box/,
    tampering: ({ box }) => tamper(`UPDATE incarnation SET head_signature = 'AAAA' WHERE branch_id = $1`, box.branch),
  },
  'a key that the hub did not certify': {
    what: ['box-key', 'stream-row', 'head-signature'],
    detail: /the hub certified other keys/,
    tampering: ({ box }) =>
      tamper(`UPDATE box SET signing_key = reverse(signing_key) WHERE branch_id = $1`, box.branch),
  },
  'a row that names the line of another': {
    what: ['extra-row', 'day-sums'],
    detail: /sale: .* come from line 3 of .*, which is no sale/,
    tampering: ({ box }) =>
      tamper(`UPDATE sale SET seq = 3 WHERE branch_id = $1 AND business_date = '2026-11-21'`, box.branch),
    isProved: true,
  },
  'a row that names a line beyond all': {
    what: ['extra-row', 'day-sums'],
    detail: /sale: .* come from line 9007199254740991 of .*, which is no sale/,
    tampering: ({ box }) =>
      tamper(
        `UPDATE sale SET seq = 9007199254740991 WHERE branch_id = $1 AND business_date = '2026-11-21'`,
        box.branch,
      ),
    isProved: true,
  },
  'an instant without end': {
    what: ['altered-row'],
    detail: /sale\.sold_at is "Infinity"/,
    tampering: ({ box }) => tamper(`UPDATE sale SET sold_at = 'infinity' WHERE branch_id = $1`, box.branch),
    isProved: true,
  },
  'a quantity that cannot be turned about': {
    what: ['altered-row', 'rollup'],
    detail: /stock_balance BREAD: quantity_milli is -456, its rows make 9223372036854775808/,
    tampering: ({ box }) =>
      tamper(
        `UPDATE sale_line SET quantity_milli = -9223372036854775808 WHERE branch_id = $1 AND product = 'BREAD'`,
        box.branch,
      ),
    isProved: true,
  },
  'seqs beyond what any number holds': {
    what: ['stream-head', 'extra-row', 'day-sums'],
    detail: /says line 9007199254740991, .*; the archive ends with line 8/,
    tampering: async ({ box }) => {
      await tamper('UPDATE incarnation SET applied_seq = 9223372036854775807 WHERE branch_id = $1', box.branch);
      await tamper('UPDATE sale SET seq = 9223372036854775807 WHERE branch_id = $1', box.branch);
    },
  },
  'a doubled row': {
    // Its number is on two sales now, and nobody is told.
    what: ['extra-row', 'rollup', 'day-sums', 'missing-row'],
    detail: /sale: .*, .* all come from line 6/,
    tampering: ({ box }) => tamper(COPY_SALE, box.branch, v7()),
    isProved: true,
  },
  'a doubled row of a sale’s line': {
    what: ['altered-row', 'rollup'],
    detail: /sale_line has 2 rows, the line 1 of them/,
    tampering: ({ box }) =>
      tamper(
        `INSERT INTO sale_line SELECT (jsonb_populate_record(l, '{"line_no": 9}')).* FROM sale_line l JOIN sale s ON s.id = l.sale_id
         WHERE s.branch_id = $1 AND s.business_date = '2026-11-21'`,
        box.branch,
      ),
    isProved: true,
  },
  'a missing row': {
    what: ['missing-row', 'extra-row', 'rollup', 'day-sums'],
    detail: /sale .* \(line 6 of .*\) has no row in sale/,
    tampering: ({ box }) =>
      tamper(`DELETE FROM sale WHERE branch_id = $1 AND business_date = '2026-11-21'`, box.branch),
    isProved: true,
  },
  'a missing row of a tender': {
    what: ['altered-row', 'rollup'],
    detail: /sale_tender has 0 rows, the line 1 of them/,
    tampering: ({ box }) => tamper(`DELETE FROM sale_tender WHERE branch_id = $1 AND type = 'card'`, box.branch),
    isProved: true,
  },
  'an altered amount': {
    what: ['altered-row', 'rollup', 'day-sums'],
    detail: /sale\.total_minor is 2000, the line says 1999/,
    tampering: ({ box }) =>
      tamper(
        `UPDATE sale SET total_minor = total_minor + 1 WHERE branch_id = $1 AND business_date = '2026-11-21'`,
        box.branch,
      ),
    isProved: true,
  },
  'an amount beyond what any number holds': {
    what: ['altered-row', 'rollup', 'day-sums'],
    detail: /sale\.total_minor is 9223372036854776000/,
    tampering: ({ box }) =>
      tamper('UPDATE sale SET total_minor = 9223372036854775807 WHERE branch_id = $1', box.branch),
    isProved: true,
  },
  'a sold product altered with its sums': {
    what: ['altered-row'],
    detail: /sale_line 2, product is "WINE", the line says "BREAD"/,
    tampering: async ({ box }) => {
      await tamper(`UPDATE sale_line SET product = 'WINE' WHERE branch_id = $1 AND product = 'BREAD'`, box.branch);
      for (const sums of ['sales_by_product', 'stock_balance'])
        await tamper(`UPDATE ${sums} SET product = 'WINE' WHERE branch_id = $1 AND product = 'BREAD'`, box.branch);
    },
    isProved: true,
  },
  'a tax that is another': {
    what: ['altered-row'],
    detail: /sale_line 2, tax_code is "VAT0", the line says "VAT15"/,
    tampering: ({ box }) =>
      tamper(`UPDATE sale_line SET tax_code = 'VAT0' WHERE branch_id = $1 AND product = 'BREAD'`, box.branch),
    isProved: true,
  },
  'a tax beside the one of the line': {
    what: ['altered-row'],
    detail: /sale_tax has 3 rows, the line 2 of them/,
    tampering: ({ box }) =>
      tamper(
        `INSERT INTO sale_line_tax SELECT tenant_id, branch_id, sale_id, line_no, 1, 'VAT15', 1, 1 FROM sale_line
         WHERE branch_id = $1 AND product = 'BREAD'`,
        box.branch,
      ),
    isProved: true,
  },
  'a Z with other figures': {
    what: ['altered-row'],
    detail: /shift-close .*: shift_close\.z is/,
    tampering: ({ box }) =>
      tamper(`UPDATE shift_close SET z = jsonb_set(z, '{grandTotalMinor}', '1') WHERE branch_id = $1`, box.branch),
    isProved: true,
  },
  'a rollup that is off': {
    what: ['rollup', 'day-sums'],
    detail: /sales_by_hour 2026-11-21 11 ZAR: amount_minor is 2004, its rows make 1999/,
    tampering: ({ box }) =>
      tamper(
        `UPDATE sales_by_hour SET amount_minor = amount_minor + 5 WHERE branch_id = $1 AND business_date = '2026-11-21'`,
        box.branch,
      ),
    isProved: true,
  },
  'a rollup that is off by one beyond what any number holds': {
    what: ['altered-row', 'rollup', 'day-sums'],
    detail: /sales_by_hour 2026-11-21 11 ZAR: total_minor is 9007199254740992, its rows make 9007199254740993$/,
    tampering: async ({ box }) => {
      for (const [table, minor] of [
        ['sale', '9007199254740993'],
        ['sales_by_hour', '9007199254740992'],
      ])
        await tamper(
          `UPDATE ${table} SET total_minor = ${minor} WHERE branch_id = $1 AND business_date = '2026-11-21'`,
          box.branch,
        );
    },
    isProved: true,
  },
  'a rollup by tender that is gone': {
    what: ['rollup'],
    detail: /sales_by_tender 2026-11-20 card ZAR: baskets is not there, its rows make 1/,
    tampering: ({ box }) => tamper(`DELETE FROM sales_by_tender WHERE branch_id = $1 AND tender = 'card'`, box.branch),
    isProved: true,
  },
  'a stock balance that is off': {
    what: ['rollup'],
    detail: /stock_balance BREAD: quantity_milli is 0, its rows make -456/,
    tampering: ({ box }) =>
      tamper(`UPDATE stock_balance SET quantity_milli = 0 WHERE branch_id = $1 AND product = 'BREAD'`, box.branch),
    isProved: true,
  },
  'a row of a line that waits in quarantine': {
    what: ['extra-row', 'day-sums'],
    detail: /which is no sale or waits in quarantine/,
    tampering: ({ box, journal }) =>
      tamper(
        `INSERT INTO quarantine (tenant_id, branch_id, incarnation, id, seq, kind, key, code, detail, state, attempts, at, tried_at)
         VALUES ($1, $2, $3, $3, 6, 'sale', '', 'not-tried', '', 'open', 1, now(), now())`,
        box.tenant,
        box.branch,
        journal.incarnation,
      ),
    isProved: true,
  },
};

describe('what differs is named', () => {
  // No chunk that another follows goes while this stands.
  beforeAll(() => tamper('ALTER TABLE journal_chunk DROP CONSTRAINT journal_chunk_follows_another'));

  it.each(Object.entries(CASES))('%s', async (_title, { what, detail, tampering, isProved = false }) => {
    const { box, journal } = await traded();
    expect((await verify(box)).outcome).toBe('equal');
    await tampering({ box, journal });
    const { outcome, differences, provedTo } = await verify(box);
    expect(outcome).toBe('differs');
    expect([...new Set(differences.map((difference) => difference.what))].sort()).toEqual([...what].sort());
    expect(differences.map((difference) => difference.detail)).toContainEqual(expect.stringMatching(detail));
    expect(provedTo === null).toBe(!isProved);
  });

  it('by its date, while other dates stay equal', async () => {
    const { box } = await traded();
    await tamper(`UPDATE sale SET till = 'T9' WHERE branch_id = $1 AND business_date = '2026-11-21'`, box.branch);
    expect((await verify(box)).days).toEqual([EQUAL_DAYS[0], { businessDate: '2026-11-21', equal: false }]);
  });

  it('by every date of its sums, however many differ', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const dates = Array.from({ length: 60 }, (_, day) =>
      new Date(Date.UTC(2026, 8, 1 + day)).toISOString().slice(0, 10),
    );
    for (const businessDate of dates) journal.sale({ businessDate });
    await pushed(box, journal);
    await tamper(`UPDATE sales_by_tender SET amount_minor = amount_minor + 1 WHERE branch_id = $1`, box.branch);
    const { days, differences } = await verify(box);
    expect(days).toEqual(dates.map((businessDate) => ({ businessDate, equal: false })));
    expect(differences.at(-1)?.detail).toBe('sales_by_tender: 10 more rows differ');
  });

  it('two hundred times at most, and counted beyond', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    for (let sale = 0; sale < 250; sale += 1) journal.sale();
    await pushed(box, journal);
    await tamper(`UPDATE sale SET till = 'T9' WHERE branch_id = $1`, box.branch);
    const { differences } = await verify(box);
    expect([differences.length, differences.at(-1)?.detail]).toEqual([200, expect.stringMatching(/, and 50 more$/)]);
  });
});

describe('the fleet', () => {
  it('is proved with every push, and shows when a branch was last verified', async () => {
    const { box, journal } = await traded();
    const head = { incarnation: journal.incarnation, epoch: 1, seq: 8, hash: journal.headHash };
    expect(await fleetOf(box)).toMatchObject({ lastVerification: null, provedTo: head });
    const { at } = await verify(box);
    journal.sale();
    await pushed(box, journal, 9);
    const { lastVerification, provedTo } = await fleetOf(box);
    expect(lastVerification).toEqual({ at, outcome: 'equal', seq: 8 });
    expect(provedTo).toMatchObject({ seq: 9, hash: journal.headHash });
    expect(Date.parse(provedTo.at)).toBeGreaterThanOrEqual(Date.parse(at));
    expect(await fleetOf(await newBox())).toMatchObject({ lastVerification: null, provedTo: null });
  });

  it('takes nothing as proved of a history that did not hold, whatever is pushed behind it, until it holds again', async () => {
    const { box, journal } = await traded();
    const bytes = journal.lines[5] as Buffer;
    const write = (line: Buffer) => rewriteLine(box, 6, { bytes: line });
    await write(flipped(bytes));
    const { at } = await verify(box);
    journal.sale();
    await pushed(box, journal, 9);
    expect(await fleetOf(box)).toMatchObject({
      lastVerification: { at, outcome: 'differs', seq: 8 },
      provedTo: null,
      appliedSeq: 9,
    });
    await write(bytes);
    await verify(box);
    expect(await fleetOf(box)).toMatchObject({ lastVerification: { outcome: 'equal' }, provedTo: { seq: 9 } });
  });

  it('raises an alarm by metric, and keeps what was found', async () => {
    const { box } = await traded();
    await tamper(`UPDATE sale SET till = 'T9' WHERE branch_id = $1 AND business_date = '2026-11-21'`, box.branch);
    const alarms = async (): Promise<number> => {
      const { data } = await harness.anonymous.get<string>('/metrics');
      return Number(/branchline_verification_differences_total\{what="altered-row"\} (\d+)/.exec(data)?.[1] ?? 0);
    };
    const last = () => harness.admin.api.get(`/v1/fleet/${box.branchCode}/verification`);
    expect((await last()).status).toBe(404);
    const before = await alarms();
    const found = await verify(box);
    expect(await alarms()).toBe(before + 1);
    expect((await last()).data).toEqual(found);
  });

  it('says in the document of the API when a branch counts as proved', async () => {
    const { data } = await harness.anonymous.get('/docs/json');
    const { schema } = data.paths['/v1/fleet'].get.responses['200'].content['application/json'];
    expect(schema.properties.items.items.properties.provedTo.description).toContain('Moves with every push');
  });
});

describe('who and how much', () => {
  it('is not there for another tenant, and forbidden to who may only read', async () => {
    const { box } = await traded();
    expect((await stranger.api.post(`/v1/fleet/${box.branchCode}/verify`)).status).toBe(404);
    const grants = [{ role: 'auditor', scope: 'tenant' }];
    const email = 'auditor@acme.example';
    const { data } = await harness.admin.api.post('/v1/people', { email, name: 'Auditor', grants });
    const auditor = await harness.signIn(email, data.password);
    expect((await auditor.api.post(`/v1/fleet/${box.branchCode}/verify`)).status).toBe(403);
    await verify(box);
    expect((await auditor.api.get(`/v1/fleet/${box.branchCode}/verification`)).status).toBe(200);
  });

  it('is one at a time for a branch, also between processes', async () => {
    const { box } = await traded();
    const lock = `SELECT pg_advisory_xact_lock(hashtext('branchline verification'), hashtext($1))`;
    await harness.database.transaction(box.tenant, async (tx) => {
      await tx.query(lock, [box.branch]);
      const { status, data } = await harness.admin.api.post(`/v1/fleet/${box.branchCode}/verify`);
      expect([status, data.code]).toEqual([409, 'verification-running']);
    });
    expect((await verify(box)).outcome).toBe('equal');
  });

  it('is told to come back when two others are being verified', async () => {
    const all = await Promise.all([traded(), traded(), traded()].map(async (made) => branchOf((await made).box)));
    const outcomes = await Promise.allSettled(all.map((branch) => verifier().verify(branch)));
    expect(outcomes).toMatchObject([
      { value: { outcome: 'equal' } },
      { value: { outcome: 'equal' } },
      { reason: { code: 'busy', headers: { 'retry-after': '10' } } },
    ]);
    expect((await verifier().verify(all[2] as BranchRow)).outcome).toBe('equal');
  });

  it('ends when it takes too long, and keeps nothing', async () => {
    const { box } = await traded();
    await expect(verifier().verify(await branchOf(box), -1)).rejects.toMatchObject({ code: 'verification-too-long' });
    expect(await fleetOf(box)).toMatchObject({ lastVerification: null });
  });
});
