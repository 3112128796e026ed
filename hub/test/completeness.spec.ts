import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import type { JournalBuilder } from './journal-builder.js';
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
  const code = `C${String(branches).padStart(3, '0')}`;
  await createBranch(harness.admin.api, code);
  return TestBox.enrol(harness.url, harness.admin.api, code);
}

const poison = (journal: JournalBuilder): number => journal.append('sale', 'x', { not: 'a sale' });
const behind = (journal: JournalBuilder, seq: number) => ({
  incarnation: journal.incarnation,
  seq,
  hash: journal.hashAt(seq),
});

async function judged(box: TestBox, to = '2026-11-20'): Promise<[complete: boolean, final: boolean]> {
  const params = { groupBy: 'branch', from: '2026-11-01', to, branch: box.branchCode };
  const { data } = await harness.admin.api.get('/v1/reports/sales', { params });
  return [data.completeness[0].complete, data.completeness[0].final];
}

it('stays final when a line of a later history is set aside', async () => {
  const box = await newBox();
  const first = box.newJournal();
  first.sale();
  first.daySeal();
  await box.push(first.push());
  const second = box.newJournal({ epoch: 2, previous: behind(first, first.seq) });
  poison(second);
  await box.push(second.push());
  const third = box.newJournal({ epoch: 3, previous: behind(second, 2) });
  poison(third);
  await box.push(third.push());
  expect(await judged(box)).toEqual([true, true]);
  expect(await judged(box, '2026-11-21')).toEqual([false, false]);
});

it('is not final while a line is set aside in a history beside the seal’s', async () => {
  const box = await newBox();
  const first = box.newJournal();
  const sold = first.sale();
  first.daySeal();
  await box.push(first.push());
  // The file was restored to before the seal, and sold on.
  const second = box.newJournal({ epoch: 2, previous: behind(first, 1) });
  second.saleAgain(sold);
  poison(second);
  await box.push(second.push());
  expect(await judged(box)).toEqual([true, false]);
});

it('is not complete by a seal whose history branched off from lines that have not come', async () => {
  const box = await newBox();
  const first = box.newJournal();
  for (let sale = 0; sale < 8; sale += 1) first.sale();
  await box.push(first.push(1, 5));
  const second = box.newJournal({ epoch: 2, previous: behind(first, 9) });
  second.daySeal();
  await box.push(second.push());
  expect(await judged(box)).toEqual([false, false]);
  await box.push(first.push(6, 9));
  expect(await judged(box)).toEqual([true, true]);
});

it('is complete by the seal of a new history when the old one was cut short, and counts what waited in the old', async () => {
  const box = await newBox();
  const first = box.newJournal();
  first.sale();
  poison(first);
  await box.push(first.push());
  // Line 3 is not before the seal, but beside it: of what date it is nobody knows.
  const second = box.newJournal({ epoch: 2, previous: behind(first, 2) });
  second.sale();
  second.daySeal();
  await box.push(second.push());
  expect(await judged(box)).toEqual([true, false]);
});

it('does not go round for ever where histories claim to descend from each other', async () => {
  const box = await newBox();
  const first = box.newJournal({ epoch: 1 });
  const second = box.newJournal({ epoch: 2, previous: behind(first, 1) });
  const circle = box.newJournal({
    incarnation: first.incarnation,
    open: { previous: { incarnation: second.incarnation, seq: 2, hash: '0'.repeat(64) } },
  });
  circle.daySeal();
  second.daySeal('2026-11-21');
  await box.push(circle.push());
  expect(await judged(box)).toEqual([false, false]);
  await box.push(second.push());
  expect((await judged(box))[0]).toBe(true);
});

it('is complete with a late sale behind the seal, and by any later seal', async () => {
  const box = await newBox();
  const journal = box.newJournal();
  journal.sale();
  poison(journal);
  await box.push(journal.push());
  expect(await judged(box)).toEqual([false, false]);
  const seal = journal.seq + 1;
  journal.daySeal('2026-11-22');
  journal.sale({ businessDate: '2026-11-20' });
  await box.push(journal.push(seal));
  expect(await judged(box)).toEqual([true, false]);
  expect(await judged(box, '2026-11-22')).toEqual([true, false]);
  expect(await judged(box, '2026-11-23')).toEqual([false, false]);
});

it('is not final while the seal lists tills that still hold sales, and is by a later seal that lists none', async () => {
  const box = await newBox();
  const journal = box.newJournal();
  journal.sale();
  journal.daySeal('2026-11-20', ['T2']);
  await box.push(journal.push());
  expect(await judged(box)).toEqual([true, false]);
  const next = journal.seq + 1;
  journal.daySeal('2026-11-21');
  journal.daySeal('2026-11-22', ['T3']);
  await box.push(journal.push(next));
  expect(await judged(box)).toEqual([true, true]);
  expect(await judged(box, '2026-11-22')).toEqual([true, false]);
});

it('numbers what is added to a day after its seal, by the date on which it was posted, and says so with the report', async () => {
  const box = await newBox();
  const journal = box.newJournal();
  journal.sale();
  journal.daySeal();
  await box.push(journal.push());
  const from = journal.seq + 1;
  const late = [journal.sale({ flags: ['late'] }), journal.sale({ flags: ['late'] })];
  journal.sale({ businessDate: '2026-11-21' });
  await box.push(journal.push(from));
  // Told again by another history: the same amendment, no other.
  const again = box.newJournal({ epoch: 2, previous: behind(journal, journal.seq) });
  again.saleAgain(late[0] as (typeof late)[number], `${box.branchCode}-T1-2-000001`);
  await box.push(again.push());
  const params = { groupBy: 'businessDate', from: '2026-11-01', to: '2026-11-30', branch: box.branchCode };
  const { data } = await harness.admin.api.get('/v1/reports/sales', { params });
  expect(data.completeness[0]).toMatchObject({ amendments: 2 });
  expect(data.rows.map(({ businessDate, baskets }: Record<string, unknown>) => [businessDate, baskets])).toEqual([
    ['2026-11-20', 3],
    ['2026-11-21', 1],
  ]);
  const listed = await harness.admin.api.get('/v1/reports/amendments', {
    params: { branch: box.branchCode, from: '2026-11-01', to: '2026-11-30', limit: 1 },
  });
  const of = (at: number) => ({
    ...{ businessDate: '2026-11-20', number: at + 1, postingDate: expect.stringMatching(/^20/u), sale: late[at]?.id },
    ...{ receiptNumber: late[at]?.receiptNumber, currency: 'ZAR', totalMinor: late[at]?.totalMinor },
  });
  expect(listed.data.items).toEqual([of(0)]);
  const rest = await harness.admin.api.get('/v1/reports/amendments', {
    params: { branch: box.branchCode, from: '2026-11-01', to: '2026-11-30', after: listed.data.next },
  });
  expect(rest.data).toEqual({ items: [of(1)], next: null });
  const other = { branch: box.branchCode, from: '2026-11-21', to: '2026-11-30' };
  expect((await harness.admin.api.get('/v1/reports/amendments', { params: other })).data.items).toEqual([]);
});
