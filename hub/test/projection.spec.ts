import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import fc from 'fast-check';
import { v7 } from 'uuid';
import { archivedLines } from '../src/sync/archive.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { saleBody, stockAfter, type JournalBuilder, type SoldLine } from './journal-builder.js';
import { factCounts, sumsOfBranch, sumsOfFacts } from './facts-of-branch.js';
import { TestBox } from './test-box.js';

let harness: HubHarness;
let branches = 0;

beforeAll(async () => {
  // Most of what is drawn is no good.
  harness = await startHubHarness(systemClock, { pushRestMs: 0 });
  await createPlaces(harness.admin.api);
});
afterAll(() => harness.close());

async function newBox(): Promise<TestBox> {
  branches += 1;
  const code = `P${String(branches).padStart(3, '0')}`;
  await createBranch(harness.admin.api, code);
  return TestBox.enrol(harness.url, harness.admin.api, code);
}

const inside = <T>(box: TestBox, sql: string): Promise<T[]> =>
  harness.database.transaction(box.tenant, (tx) => tx.query<T>(sql, [box.branch]));
const counts = (box: TestBox) => harness.database.transaction(box.tenant, (tx) => factCounts(tx, box.branch));
const waiting = async (box: TestBox) =>
  (await harness.admin.api.get(`/v1/quarantine?branch=${box.branchCode}`)).data.items;

async function expectRollupsToEqualFacts(box: TestBox): Promise<void> {
  const [kept, summed] = await harness.database.transaction(box.tenant, async (tx) => [
    await sumsOfBranch(tx, box.branch),
    await sumsOfFacts(tx, box.branch),
  ]);
  expect(kept).toEqual(summed);
}

describe('a poisoned line', () => {
  const good = (): Record<string, unknown> => saleBody('P001', 1, 1);
  const firstOf = (sale: Record<string, unknown>, part: string, other: object): Record<string, unknown> => {
    const [first, ...more] = sale[part] as object[];
    return { ...sale, [part]: [{ ...first, ...other }, ...more] };
  };
  const poisons: [string, () => Record<string, unknown>, string][] = [
    ['that is no sale', () => ({ any: 'thing' }), 'invalid-body'],
    ['with NUL', () => ({ ...good(), operator: 'a\0b' }), 'unstorable-text'],
    ['with half a surrogate pair', () => ({ ...good(), flags: ['\ud800'] }), 'unstorable-text'],
    ['with NUL in a name', () => ({ ...good(), 'x\0': 1 }), 'unstorable-text'],
    [
      'with an amount beyond all money',
      () => ({ ...good(), totalMinor: Number.MAX_SAFE_INTEGER }),
      'number-out-of-range',
    ],
    ['with a number beyond 2^53', () => ({ ...good(), netMinor: 2 ** 60 }), 'invalid-body'],
    ['whose lines are not its sums', () => ({ ...good(), amountMinor: 1 }), 'sums-differ'],
    ['whose tenders do not pay it', () => ({ ...good(), tenders: [] }), 'sums-differ'],
    ['in a currency that its branch does not sell in', () => ({ ...good(), currency: 'EUR' }), 'foreign-currency'],
    ['in the year nought', () => ({ ...good(), businessDate: '0000-01-01' }), 'projection-failed'],
    ['of an epoch that no integer holds', () => ({ ...good(), epoch: 2 ** 40 }), 'projection-failed'],
    [
      'with a line of a number that no integer holds',
      () => firstOf(good(), 'lines', { lineNo: 2 ** 40 }),
      'projection-failed',
    ],
    [
      'with a tender of a number that no integer holds',
      () => firstOf(good(), 'tenders', { tenderNo: 2 ** 40 }),
      'projection-failed',
    ],
  ];
  it.each(poisons)('%s is set aside with a reason, and the other 499 are projected', async (_what, poison, code) => {
    const box = await newBox();
    const journal = box.newJournal();
    for (let sale = 0; sale < 498; sale += 1) {
      journal.sale();
      const bad = poison();
      if (sale === 250) journal.append('sale', String(bad['id'] ?? v7()), bad, { contentHash: '0'.repeat(64) });
    }
    const { status, data } = await box.push(journal.push());
    expect([status, data.appliedSeq, data.headHash]).toEqual([200, 500, journal.headHash]);
    expect(data.quarantined).toEqual([{ seq: 253, code, detail: expect.any(String) }]);
    expect(await counts(box)).toMatchObject({ lines: 500, sales: 498 });
    expect(await waiting(box)).toEqual([
      expect.objectContaining({ branch: box.branchCode, seq: 253, code, state: 'open', attempts: 1 }),
    ]);
    await expectRollupsToEqualFacts(box);
    // Told again with the same push, and set aside once.
    expect((await box.push(journal.push())).data.quarantined).toHaveLength(1);
    expect(await waiting(box)).toHaveLength(1);
  });

  it.each([1, 120])('is found among %d sales one of which takes another back', async (sales) => {
    const box = await newBox();
    const journal = box.newJournal();
    const first = journal.sale();
    await box.push(journal.push());
    for (let sale = 1; sale < sales; sale += 1) journal.sale();
    const bad = firstOf(good(), 'lines', { lineNo: 2 ** 40 });
    journal.append('sale', String(bad['id']), bad);
    const reverses = { sale: first.id, contentHash: '0'.repeat(64) };
    const reversal: Record<string, unknown> = { ...good(), reverses, flags: ['late'] };
    journal.append('sale', String(reversal['id']), reversal);
    const { status, data } = await box.push(journal.push(3));
    expect([status, data.quarantined]).toEqual([
      200,
      [{ seq: sales + 2, code: 'projection-failed', detail: expect.any(String) }],
    ]);
    expect(await counts(box)).toMatchObject({ sales: sales + 1 });
    await expectRollupsToEqualFacts(box);
  });

  it.each([
    ['no JSON', Buffer.from('{"seq":')],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
    ['nothing', Buffer.alloc(0)],
    ['too large', Buffer.from(JSON.stringify({ pad: 'x'.repeat(300_000) }))],
    [
      'nested without end',
      Buffer.from(
        `{"seq":2,"kind":"sale","key":"k","refs":[],"contract":1,"at":1,"hlc":"000000000001-0000","actor":null,"device":null,"contentHash":"${'0'.repeat(64)}","body":{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`,
      ),
    ],
  ])('of bytes that are %s is archived as it came', async (_what, bytes) => {
    const box = await newBox();
    const journal = box.newJournal();
    journal.appendBytes(bytes);
    journal.sale();
    const { status, data } = await box.push(journal.push());
    expect([status, data.appliedSeq, data.quarantined?.map(({ seq }) => seq)]).toEqual([200, 3, [2]]);
    const history = { branchId: box.branch, incarnation: journal.incarnation };
    const archived = await harness.database.transaction(box.tenant, (tx) => archivedLines(tx, history, [1, 2, 3]));
    expect(archived.map((line) => line.bytes)).toEqual(journal.lines);
    expect(await counts(box)).toMatchObject({ sales: 1 });
  });

  it.each([
    ['a Z', (journal: JournalBuilder) => journal.shiftClose(v7(), 1), '"byBusinessDate":[]'],
    ['a day seal', (journal: JournalBuilder) => journal.daySeal(), '"totalMinor":0'],
  ])('that is %s, nested without end, does not stop the stream', async (_what, append, member) => {
    const box = await newBox();
    const plain = box.newJournal();
    append(plain);
    const nested = `${member},"added":${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    const journal = box.newJournal();
    journal.appendBytes(Buffer.from(String(plain.lines[1]).replace(member, nested)));
    journal.sale();
    const { status, data } = await box.push(journal.push());
    expect([status, data.appliedSeq, data.quarantined]).toEqual([
      200,
      3,
      [{ seq: 2, code: 'unstorable-text', detail: expect.any(String) }],
    ]);
    expect(await counts(box)).toMatchObject({ sales: 1 });
  });

  it('holds what a later version will know', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    journal.append('loyalty-points', v7(), { points: 5 });
    const newer = saleBody('P001', 1, 1);
    journal.append('sale', newer.id, newer, { contract: 2 });
    const { data } = await box.push(journal.push());
    expect(data.quarantined?.map(({ code }) => code)).toEqual(['unknown-kind', 'newer-contract']);
    expect((await waiting(box)).map((item: { state: string }) => item.state)).toEqual(['held', 'held']);
  });

  it('is told again with a hello, as long as the box does not know its lines to be here', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    journal.append('loyalty-points', v7(), { points: 5 });
    journal.append('loyalty-points', v7(), { points: 6 });
    await box.push(journal.push());
    const { incarnation, headHash: hash } = journal;
    const told = async (appliedSeq?: number): Promise<number[]> => {
      const named = { incarnation, seq: 3, hash, ...(appliedSeq !== undefined && { appliedSeq }) };
      const { data } = await box.hello({ incarnations: [named] });
      return data.quarantined.map(({ incarnation: of, seq, code }: Record<string, unknown>) => {
        expect([of, code]).toEqual([incarnation, 'unknown-kind']);
        return seq;
      });
    };
    expect([await told(0), await told(2), await told(3), await told()]).toEqual([[2, 3], [3], [], []]);
    // Another box of the branch is told nothing of them.
    const other = await TestBox.enrol(harness.url, harness.admin.api, box.branchCode);
    const { data } = await other.hello({ incarnations: [{ incarnation, seq: 3, hash, appliedSeq: 0 }] });
    expect(data.quarantined).toEqual([]);
  });

  it('is projected when it is tried again and nothing is in its way any more', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const sale = journal.sale();
    await box.push(journal.push());
    // As a hub of an older version would have left it.
    await harness.database.transaction(box.tenant, (tx) =>
      tx.execute(
        `INSERT INTO quarantine (tenant_id, branch_id, incarnation, id, seq, kind, key, code, detail, state, attempts, at, tried_at)
         VALUES ($1, $2, $3, $4, 2, 'sale', $5, 'unknown-kind', '', 'held', 1, now(), now())`,
        [box.tenant, box.branch, journal.incarnation, v7(), sale.id],
      ),
    );
    const [item] = await waiting(box);
    const answer = await harness.admin.api.post(`/v1/quarantine/${item.id}/retry`);
    expect([answer.status, answer.data]).toEqual([
      200,
      { id: item.id, state: 'mended', code: 'unknown-kind', detail: '', attempts: 2 },
    ]);
    expect(await waiting(box)).toEqual([]);
    expect(await counts(box)).toMatchObject({ sales: 1 });
    await expectRollupsToEqualFacts(box);
  });

  it('stays where it is when it is tried again and is no better, and is nobody else’s to try', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    journal.append('sale', v7(), { any: 'thing' });
    await box.push(journal.push());
    const [item] = await waiting(box);
    const stranger = await harness.newTenant(`T${box.branchCode}`);
    expect((await stranger.api.post(`/v1/quarantine/${item.id}/retry`)).status).toBe(404);
    expect((await stranger.api.get('/v1/quarantine')).data.items).toEqual([]);
    expect((await harness.admin.api.post(`/v1/quarantine/${item.id}/retry`)).data).toMatchObject({
      state: 'open',
      code: 'invalid-body',
      attempts: 2,
    });
  });
});

describe('a fact that comes again in a second history', () => {
  async function forked(): Promise<{ box: TestBox; first: JournalBuilder; second: JournalBuilder }> {
    const box = await newBox();
    const first = box.newJournal();
    const previous = { incarnation: first.incarnation, seq: 1, hash: first.hashAt(1) };
    return { box, first, second: box.newJournal({ epoch: box.epoch + 1, previous }) };
  }

  it('with equal content stands once, its other number leads to it', async () => {
    const { box, first, second } = await forked();
    const sale = first.sale();
    const shift = first.shiftOpen();
    await box.push(first.push());
    second.saleAgain(sale, 'P-T1-2-000001');
    second.append('shift-open', shift, JSON.parse((first.lines[2] as Buffer).toString()).body);
    second.sale();
    expect((await box.push(second.push())).data).toMatchObject({ appliedSeq: 4, quarantined: [] });
    expect(await counts(box)).toMatchObject({ sales: 2, lines: 7 });
    expect(await inside(box, 'SELECT receipt_number, sale_id FROM sale_alias WHERE branch_id = $1')).toEqual([
      { receipt_number: 'P-T1-2-000001', sale_id: sale.id },
    ]);
    await expectRollupsToEqualFacts(box);
  });

  it('with other content is a conflict: the first stands, the second is set aside', async () => {
    const { box, first, second } = await forked();
    const sale = first.sale();
    await box.push(first.push());
    second.append('sale', sale.id, { ...saleBody(box.branchCode, 1, 1, { id: sale.id, lines: [{ priceMinor: 1 }] }) });
    second.sale();
    const { status, data } = await box.push(second.push());
    expect([status, data.quarantined]).toEqual([
      200,
      [{ seq: 2, code: 'data-mismatch', detail: expect.stringContaining(first.incarnation) }],
    ]);
    const { data: conflicts } = await harness.admin.api.get(
      `/v1/conflicts?branch=${box.branchCode}&type=data_mismatch`,
    );
    expect(conflicts.items).toEqual([
      expect.objectContaining({
        type: 'data_mismatch',
        kind: 'sale',
        key: sale.id,
        first: { incarnation: first.incarnation, seq: 2 },
        second: { incarnation: second.incarnation, seq: 2 },
        suggested: 'keep_hub',
      }),
    ]);
    expect((await harness.anonymous.get('/metrics')).data).toMatch(
      /branchline_conflicts_total\{type="data_mismatch"\} [1-9]/,
    );
    expect(await inside(box, 'SELECT total_minor FROM sale WHERE branch_id = $1 ORDER BY seq')).toEqual([
      { total_minor: 1999 },
      { total_minor: 1999 },
    ]);
    await expectRollupsToEqualFacts(box);
  });

  it('with a number that both printed for different sales stands twice, the second as an exception', async () => {
    const { box, first, second } = await forked();
    first.sale({ receiptNumber: 'SAME' });
    await box.push(first.push());
    const later = second.sale({ receiptNumber: 'SAME' });
    const twin = second.sale({ receiptNumber: 'TWIN' });
    const twinAgain = second.sale({ receiptNumber: 'TWIN' });
    expect(twin.id).not.toBe(twinAgain.id);
    expect((await box.push(second.push())).data).toMatchObject({ quarantined: [] });
    expect(await counts(box)).toMatchObject({ sales: 4 });
    const exceptions = await inside<{ sale_id: string }>(
      box,
      'SELECT sale_id, code, detail FROM sale_exception WHERE branch_id = $1 ORDER BY detail',
    );
    expect(exceptions).toEqual([
      { sale_id: later.id, code: 'duplicate-receipt-number', detail: 'SAME' },
      { sale_id: twinAgain.id, code: 'duplicate-receipt-number', detail: 'TWIN' },
    ]);
  });

  it('within one push stands once', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const sale = journal.sale();
    journal.saleAgain(sale);
    journal.append('sale', sale.id, { ...saleBody(box.branchCode, 1, 1, { id: sale.id, lines: [{ priceMinor: 5 }] }) });
    expect((await box.push(journal.push())).data.quarantined).toEqual([
      expect.objectContaining({ seq: 4, code: 'data-mismatch' }),
    ]);
    expect(await counts(box)).toMatchObject({ sales: 1 });
    await expectRollupsToEqualFacts(box);
  });
});

describe('the rollups', () => {
  const line: fc.Arbitrary<SoldLine> = fc.record({
    product: fc.constantFrom('MILK-1L', 'BREAD', 'RICE', '"q\\u\'', 'ζ-😀'),
    milli: fc.integer({ min: 1, max: 9_000 }),
    priceMinor: fc.integer({ min: 100, max: 100_000 }),
    modifiers: fc.array(
      fc.record({ kind: fc.constantFrom('loyalty', 'coupon-match'), amountMinor: fc.integer({ min: -20, max: 0 }) }),
      { maxLength: 2 },
    ),
    information: fc.array(
      fc.record({ kind: fc.constant('manufacturer-coupon'), amountMinor: fc.integer({ min: 0, max: 99 }) }),
      { maxLength: 1 },
    ),
  });
  const sale = fc.record({
    lines: fc.array(line, { minLength: 1, maxLength: 6 }),
    businessDate: fc.constantFrom('2026-11-20', '2026-11-21'),
    soldAtMs: fc.integer({ min: Date.UTC(2026, 10, 20), max: Date.UTC(2026, 10, 21) }),
    operator: fc.constantFrom('anna', 'ben'),
    tenderType: fc.constantFrom('cash', 'card'),
    changeMinor: fc.integer({ min: 0, max: 3 }),
  });
  /** From where and how far each push reaches: doubled, overlapping, in any order, some beyond a gap. */
  const reach = fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 30 }));

  it('equal a GROUP BY over the facts after any pushes in any order', async () => {
    const box = await newBox();
    await fc.assert(
      fc.asyncProperty(
        fc.array(sale, { minLength: 1, maxLength: 12 }),
        fc.array(reach, { maxLength: 8 }),
        async (sales, reaches) => {
          const journal = box.newJournal();
          const bodies = sales.map((options) => journal.sale(options));
          for (const [from, length] of reaches) {
            const fromSeq = Math.min(from, journal.seq);
            const { status } = await box.push(journal.push(fromSeq, Math.min(journal.seq, fromSeq + length)));
            expect([200, 409]).toContain(status);
          }
          const before = (await counts(box)).sales;
          expect((await box.push(journal.push())).data).toMatchObject({
            appliedSeq: journal.seq,
            headHash: journal.headHash,
            quarantined: [],
          });
          expect((await counts(box)).sales).toBeGreaterThanOrEqual(before);
          const stored = await inside<{ id: string }>(box, 'SELECT id FROM sale WHERE branch_id = $1');
          expect(stored.map(({ id }) => id)).toEqual(expect.arrayContaining(bodies.map(({ id }) => id)));
          await expectRollupsToEqualFacts(box);
        },
      ),
      { numRuns: 12, seed: 20261120 },
    );
  });

  it('keep stock on hand as the sum of what was sold', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const sales = Array.from({ length: 5 }, (_, at) =>
      journal.sale({ lines: [{ milli: 250 * (at + 1) }, { product: 'BREAD' }] }),
    );
    await box.push(journal.push());
    const balances = await inside<{ product: string; quantity_milli: number }>(
      box,
      'SELECT product, quantity_milli FROM stock_balance WHERE branch_id = $1',
    );
    expect(new Map(balances.map((row) => [row.product, row.quantity_milli]))).toEqual(stockAfter(sales));
  });

  it('take sales whose sum within one push is beyond 2^53', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    for (let at = 0; at < 950; at += 1) journal.sale({ lines: [{ priceMinor: 9_999_999_999_999 }] });
    const { status, data } = await box.push(journal.push());
    expect([status, data.appliedSeq, data.quarantined]).toEqual([200, 951, []]);
    await harness.database.transaction(box.tenant, async (tx) => {
      const [row] = await tx.query<{ total: string }>(
        'SELECT sum(total_minor)::text AS total FROM sales_by_hour WHERE branch_id = $1',
        [box.branch],
      );
      expect(row?.total).toBe(String(950n * 9_999_999_999_999n));
    });
  });
});
