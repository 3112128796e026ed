import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { contentHash } from '@branchline/replication/content-hash.js';
import { correctionId } from '@branchline/replication/correction-id.js';
import { FEED_KINDS } from '@branchline/replication/feed.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import { reversedAmounts } from '@branchline/replication/reverse-sale.js';
import type { AxiosInstance } from 'axios';
import { v7 } from 'uuid';
import { factCounts, sumsOfBranch, sumsOfFacts } from './facts-of-branch.js';
import { create, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { SOLD_AT_MS, saleBody, type JournalBuilder, type SaleOptions } from './journal-builder.js';
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

type Item = {
  id: string;
  type: string;
  key: string;
  state: string;
  suggested: string;
  strategies: string[];
  reason: string;
};

async function conflicts(box: TestBox, state = 'open'): Promise<Item[]> {
  const { data } = await harness.admin.api.get('/v1/conflicts', { params: { branch: box.branchCode, state } });
  return data.items;
}
const resolve = (id: string, input: Record<string, unknown>, api: AxiosInstance = harness.admin.api) =>
  api.post(`/v1/conflicts/${id}/resolve`, input);

const TWO: SaleOptions['lines'] = [
  { product: 'A', priceMinor: 1999 },
  { product: 'B', milli: 456, priceMinor: 250 },
];

async function newest(box: TestBox, kind: string): Promise<Record<string, unknown>[]> {
  await harness.numbered();
  const { data } = await box.feed(`branch:${box.branch}`);
  return data.records
    .filter((record: { kind: string }) => record.kind === kind)
    .map(({ body }: { body: unknown }) => body);
}

async function totals(box: TestBox): Promise<{ baskets: number; totalMinor: number }> {
  const params = { groupBy: 'branch', from: '2020-01-01', to: '2099-12-31', branch: box.branchCode };
  const { data } = await harness.admin.api.get('/v1/reports/sales', { params });
  return { baskets: data.totals.baskets, totalMinor: data.totals.totalMinor };
}

async function expectProved(box: TestBox): Promise<void> {
  const [kept, summed] = await harness.database.transaction(box.tenant, async (tx) => [
    await sumsOfBranch(tx, box.branch),
    await sumsOfFacts(tx, box.branch),
  ]);
  // A date and product on which all was taken back sums to nothing in both.
  expect(kept).toEqual(summed);
  const { data } = await harness.admin.api.post(`/v1/fleet/${box.branchCode}/verify`);
  expect([data.outcome, data.differences]).toEqual(['equal', []]);
}

/** As the branch writes it when it is told to. */
function obey(journal: JournalBuilder, correction: Record<string, unknown>): void {
  const { conflict, sale, contentHash: hash, body, replacement } = FEED_KINDS.correction.parse(correction);
  const id = correctionId(conflict, 'reversal');
  const soldAt = SOLD_AT_MS + 86_400_000;
  const reversal: SaleBody = {
    ...{ ...body, ...reversedAmounts(body), id, receiptNumber: 'B-V1', soldAt, businessDate: '2026-11-21', conflict },
    reverses: { sale, contentHash: hash },
  };
  journal.append('sale', id, reversal, { refs: [`sale:${sale}`], contentHash: contentHash({ conflict, sale }) });
  if (replacement === null) return;
  const instead = {
    ...replacement.body,
    id: correctionId(conflict, 'replacement'),
    conflict,
    businessDate: '2026-11-21',
  };
  journal.append('sale', instead.id, instead, { contentHash: contentHash({ conflict, replaces: sale }) });
}

/** Two sales with the same goods at the same till, a minute apart. */
async function twins(): Promise<{
  box: TestBox;
  journal: JournalBuilder;
  first: SaleBody;
  second: SaleBody;
  item: Item;
}> {
  const box = await newBox();
  const journal = box.newJournal();
  const first = journal.sale({ lines: TWO, changeMinor: 77 });
  const second = journal.sale({ lines: TWO, changeMinor: 77, soldAtMs: SOLD_AT_MS + 60_000 });
  expect((await box.push(journal.push())).data.quarantined).toEqual([]);
  const [item] = await conflicts(box);
  if (!item) throw new Error('no conflict was told');
  return { box, journal, first, second, item };
}

/** One id with two contents, of two histories. */
async function mismatch() {
  const box = await newBox();
  const journal = box.newJournal();
  const first = journal.sale({ lines: TWO });
  await box.push(journal.push());
  const other = box.newJournal({ epoch: box.epoch + 1 });
  const second = saleBody(box.branchCode, 1, box.epoch + 1, {
    id: first.id,
    lines: [{ priceMinor: 500 }],
    customerId: 'thandi',
  });
  other.append('sale', first.id, second);
  await box.push(other.push());
  const [item] = await conflicts(box);
  if (!item) throw new Error('no conflict was told');
  return { box, journal, other, first, second, item };
}

describe('a sale told twice', () => {
  it.each([
    ['within one push', false],
    ['in two pushes', true],
  ])('under two ids, %s, is a duplicate of which both stand', async (_what, isSplit) => {
    const box = await newBox();
    const journal = box.newJournal();
    journal.sale({ lines: TWO });
    const second = journal.sale({ lines: TWO, soldAtMs: SOLD_AT_MS + 119_000 });
    if (isSplit) await box.push(journal.push(1, 2));
    await box.push(journal.push(isSplit ? 3 : 1));
    expect(await conflicts(box)).toEqual([
      expect.objectContaining({
        ...{ type: 'duplicate', kind: 'sale', key: second.id, suggested: 'keep_hub', state: 'open' },
        strategies: ['keep_hub', 'keep_branch', 'merge'],
        ...{
          first: { incarnation: journal.incarnation, seq: 2 },
          second: { incarnation: journal.incarnation, seq: 3 },
        },
      }),
    ]);
    expect(await totals(box)).toMatchObject({ baskets: 2 });
  });

  it.each<[string, SaleOptions]>([
    ['two minutes later and a second', { soldAtMs: SOLD_AT_MS + 121_000 }],
    [
      'of other goods',
      {
        lines: [
          { product: 'A', priceMinor: 1999 },
          { product: 'C', milli: 456, priceMinor: 250 },
        ],
      },
    ],
    ['paid otherwise', { tenderType: 'card' }],
    ['to another customer', { customerId: v7() }],
    ['by another operator', { operator: 'bert' }],
  ])('is no duplicate %s', async (_what, other) => {
    const box = await newBox();
    const journal = box.newJournal();
    journal.sale({ lines: TWO });
    journal.sale({ lines: TWO, ...other });
    await box.push(journal.push());
    expect(await conflicts(box)).toEqual([]);
  });

  it('is none of one thing sold over and over, and one of a sale that the store says bears the reference of another', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const [first] = [journal.sale(), journal.sale()];
    const again = saleBody(box.branchCode, 9, 1);
    journal.append('sale', again.id, { ...again, duplicateOf: first.id, flags: ['duplicate-device-reference'] });
    journal.append('sale', v7(), { ...saleBody(box.branchCode, 10, 1), duplicateOf: v7() });
    await box.push(journal.push());
    expect(await conflicts(box)).toEqual([
      expect.objectContaining({
        type: 'duplicate',
        key: again.id,
        suggested: 'merge',
        first: { incarnation: journal.incarnation, seq: 2 },
      }),
    ]);
  });

  it('is looked for in the archive at as many tills as a store has, not at the thousands that lines may name', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    for (const receiptNo of [1, 2])
      for (let at = 0; at < 200; at += 1) {
        const [till, number] = [`X${at}`, String(receiptNo).padStart(6, '0')];
        const receiptNumber = `${box.branchCode}-${till}-1-${number}`;
        const body = { ...saleBody(box.branchCode, receiptNo, 1, { lines: TWO, receiptNumber }), till };
        journal.append('sale', body.id, body);
      }
    expect((await box.push(journal.push(1, 201))).data.quarantined).toEqual([]);
    expect((await box.push(journal.push(202))).data.quarantined).toEqual([]);
    const [told] = (await newest(box, 'work-lists')).slice(-1) as [{ conflicts: { open: number } }];
    expect(told.conflicts.open).toBe(100);
  });

  it('fills no list without end', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    for (let sale = 0; sale < 1_100; sale += 1) journal.sale({ lines: TWO });
    await box.push(journal.push());
    const [{ open }] = (await harness.database.asOwner<{ open: number }>(
      `SELECT count(*) AS open FROM conflict WHERE branch_id = $1`,
      [box.branch],
    )) as [{ open: number }];
    expect(Number(open)).toBe(1_000);
    const { data } = await harness.admin.api.get('/v1/incidents', {
      params: { code: 'conflicts-unread', branch: box.branchCode },
    });
    expect(data.items).toHaveLength(1);
    const [told] = (await newest(box, 'work-lists')).slice(-1) as [{ conflicts: { open: number; items: unknown[] } }];
    expect([told.conflicts.open, told.conflicts.items.length]).toEqual([1_000, 50]);
  });
});

describe('a duplicate', () => {
  it('of which both are kept is settled at once, and nothing changes but the record of it', async () => {
    const { box, item } = await twins();
    const before = await totals(box);
    const answer = await resolve(item.id, { strategy: 'keep_hub' });
    expect([answer.status, answer.data]).toEqual([
      200,
      expect.objectContaining({ state: 'settled', strategy: 'keep_hub' }),
    ]);
    expect(await totals(box)).toEqual(before);
    expect(await newest(box, 'correction')).toEqual([]);
    const { data } = await harness.admin.api.get('/v1/audit', {
      params: { branch: box.branchCode, action: 'conflict.resolve' },
    });
    expect(data.items).toEqual([
      expect.objectContaining({
        ...{ subject: `conflict:${item.id}`, actorName: harness.admin.email },
        detail: {
          type: 'duplicate',
          kind: 'sale',
          key: item.key,
          strategy: 'keep_hub',
          state: 'settled',
          merged: false,
        },
      }),
    ]);
    await expectProved(box);
  });

  it.each([
    ['merge', 'second'],
    ['keep_branch', 'first'],
  ] as const)(
    'settled by %s has the %s taken back by the branch, and closes itself when that has come',
    async (strategy, which) => {
      const { box, journal, item, ...sales } = await twins();
      const taken = sales[which];
      expect((await resolve(item.id, { strategy })).data).toMatchObject({ state: 'settling' });
      const [correction] = await newest(box, 'correction');
      expect(correction).toMatchObject({ conflict: item.id, sale: taken.id, replacement: null, ifDiffers: false });
      const next = journal.seq + 1;
      obey(journal, correction as Record<string, unknown>);
      await box.push(journal.push(next));
      expect((await conflicts(box, 'settled')).map(({ id }) => id)).toEqual([item.id]);
      expect(await conflicts(box)).toEqual([]);
      // As if it had never been: its basket and its change are taken back too.
      expect(await totals(box)).toEqual({ baskets: 1, totalMinor: sales.first.totalMinor });
      await expectProved(box);
      const { data } = await harness.admin.api.get('/v1/audit', {
        params: { branch: box.branchCode, action: 'conflict.settle' },
      });
      expect(data.items).toEqual([expect.objectContaining({ actor: 'hub', subject: `conflict:${item.id}` })]);
      const lists = (await newest(box, 'work-lists')).at(-1) as { conflicts: { items: { state: string }[] } };
      expect(lists.conflicts.items.map(({ state }) => state)).toEqual(['settled']);
    },
  );

  it('is taken back once, however often the branch writes it, and from whichever history', async () => {
    const { box, journal, item, first } = await twins();
    await resolve(item.id, { strategy: 'merge' });
    const [correction] = await newest(box, 'correction');
    const next = journal.seq + 1;
    obey(journal, correction as Record<string, unknown>);
    await box.push(journal.push(next));
    const other = box.newJournal({ epoch: box.epoch + 1 });
    obey(other, correction as Record<string, unknown>);
    obey(other, correction as Record<string, unknown>);
    expect((await box.push(other.push())).data.quarantined).toEqual([]);
    expect(await totals(box)).toEqual({ baskets: 1, totalMinor: first.totalMinor });
    await expectProved(box);
  });

  it('is settled by nothing more when the store itself takes the sale back before it is told', async () => {
    const { box, journal, item, first, second } = await twins();
    expect((await resolve(item.id, { strategy: 'merge' })).data).toMatchObject({ state: 'settling' });
    const next = journal.seq + 1;
    const voided = { ...second, ...reversedAmounts(second), id: v7(), receiptNumber: 'V-1' };
    const reverses = { sale: second.id, contentHash: contentHash(second) };
    journal.append('sale', voided.id, { ...voided, reverses }, { refs: [`sale:${second.id}`] });
    await box.push(journal.push(next));
    expect((await conflicts(box, 'settled')).map(({ id }) => id)).toEqual([item.id]);
    expect(await totals(box)).toEqual({ baskets: 1, totalMinor: first.totalMinor });
    await expectProved(box);
  });

  it.each([
    ['in one push', true],
    ['half by half', false],
  ])('of a sale that another decision replaces takes back what stands instead, told %s', async (_how, isWhole) => {
    const { box, journal, item, first, second } = await twins();
    // Another history has the second with other content, and head office keeps its own.
    const other = box.newJournal({ epoch: box.epoch + 1 });
    const differs = saleBody(box.branchCode, 9, box.epoch + 1, { id: second.id, lines: [{ priceMinor: 500 }] });
    other.append('sale', second.id, differs);
    await box.push(other.push());
    const mismatched = (await conflicts(box)).find(({ type }) => type === 'data_mismatch') as Item;
    await resolve(mismatched.id, { strategy: 'keep_hub' });
    await resolve(item.id, { strategy: 'merge' });
    const [kept] = (await newest(box, 'correction')) as [Record<string, unknown>];
    const next = other.seq + 1;
    obey(other, kept);
    if (!isWhole) await box.push(other.push(next, next));
    await box.push(other.push(isWhole ? next : next + 1));
    expect((await conflicts(box, 'settling')).map(({ id }) => id)).toEqual([item.id]);
    const order = (await newest(box, 'correction')).at(-1) as Record<string, unknown>;
    expect(order).toMatchObject({ conflict: item.id, sale: correctionId(mismatched.id, 'replacement') });
    const last = journal.seq + 1;
    obey(journal, order);
    await box.push(journal.push(last));
    expect(await conflicts(box, 'settling')).toEqual([]);
    expect(await totals(box)).toEqual({ baskets: 1, totalMinor: first.totalMinor });
    await expectProved(box);
  });

  it('about a sale that is taken back already cannot have it taken back again', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    for (let at = 0; at < 3; at += 1) journal.sale({ lines: TWO });
    await box.push(journal.push());
    const [a, b] = await conflicts(box);
    // Of the first pair the second sale, of the second pair the first: it is the same one.
    await resolve(a?.id ?? '', { strategy: 'merge' });
    const refused = await resolve(b?.id ?? '', { strategy: 'keep_branch' });
    expect([refused.status, refused.data.code]).toEqual([409, 'not-decidable']);
    const next = journal.seq + 1;
    obey(journal, (await newest(box, 'correction'))[0] as Record<string, unknown>);
    await box.push(journal.push(next));
    expect((await resolve(b?.id ?? '', { strategy: 'keep_branch' })).data.code).toBe('not-decidable');
    expect((await resolve(b?.id ?? '', { strategy: 'merge' })).status).toBe(200);
  });
});

describe('one id with two contents', () => {
  it('settled by keep_hub stands as it was first told; the other is rejected, and a store that has it is told', async () => {
    const { box, item, first } = await mismatch();
    expect(item).toMatchObject({ type: 'data_mismatch', strategies: ['keep_hub', 'keep_branch'] });
    expect((await resolve(item.id, { strategy: 'keep_hub' })).data).toMatchObject({ state: 'settled' });
    expect((await newest(box, 'correction'))[0]).toMatchObject({ sale: first.id, ifDiffers: true });
    const rejected = await harness.admin.api.get('/v1/quarantine', {
      params: { branch: box.branchCode, state: 'settled' },
    });
    expect(rejected.data.items).toEqual([
      expect.objectContaining({ seq: 2, code: 'data-mismatch', note: expect.stringContaining('rejected') }),
    ]);
    expect((await harness.admin.api.post(`/v1/quarantine/${rejected.data.items[0].id}/retry`)).data.state).toBe(
      'settled',
    );
    expect((await harness.admin.api.get('/v1/quarantine', { params: { branch: box.branchCode } })).data.items).toEqual(
      [],
    );
    expect(await totals(box)).toEqual({ baskets: 1, totalMinor: first.totalMinor });
    await expectProved(box);
  });

  it('settled by keep_branch has the first taken back and the second recorded anew', async () => {
    const { box, other, item, second } = await mismatch();
    expect((await resolve(item.id, { strategy: 'keep_branch' })).data).toMatchObject({ state: 'settling' });
    const [correction] = await newest(box, 'correction');
    const next = other.seq + 1;
    obey(other, correction as Record<string, unknown>);
    // The one without the other is half of it.
    await box.push(other.push(next, next));
    expect(await conflicts(box, 'settling')).toHaveLength(1);
    await box.push(other.push(next + 1));
    expect(await conflicts(box, 'settled')).toHaveLength(1);
    expect(await totals(box)).toEqual({ baskets: 1, totalMinor: second.totalMinor });
    expect(await harness.database.transaction(box.tenant, (tx) => factCounts(tx, box.branch))).toMatchObject({
      sales: 3,
    });
    // The new fact bears the number that was printed, which opens no conflict of its own.
    expect(await conflicts(box)).toEqual([]);
    await expectProved(box);
  });

  it('shows both, without what reaches a person', async () => {
    const { item } = await mismatch();
    const { status, data } = await harness.admin.api.get(`/v1/conflicts/${item.id}`);
    expect(status).toBe(200);
    expect(data.contents.hub.line.body).toMatchObject({ totalMinor: 2113, lines: [{ name: 'Name of A' }, {}] });
    expect(data.contents.branch.line.body).toMatchObject({ totalMinor: 500 });
    expect(JSON.stringify(data)).not.toContain('thandi');
  });

  it('of a Z or a shift stands as it was first told; nothing else can be decided', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const shift = journal.shiftOpen();
    journal.shiftOpen(shift, '2026-11-21');
    await box.push(journal.push());
    const [item] = await conflicts(box);
    expect(item).toMatchObject({ type: 'data_mismatch', kind: 'shift-open', strategies: ['keep_hub'] });
    const refused = await resolve(item?.id ?? '', { strategy: 'keep_branch' });
    expect([refused.status, refused.data.code]).toEqual([422, 'strategy-not-allowed']);
    expect((await resolve(item?.id ?? '', { strategy: 'keep_hub' })).data.state).toBe('settled');
    await expectProved(box);
  });
});

describe('one number on two sales', () => {
  it('is a constraint violation of which both stand', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    journal.sale({ receiptNumber: 'SAME' });
    const second = journal.sale({ receiptNumber: 'SAME', lines: TWO });
    await box.push(journal.push());
    const [item] = await conflicts(box);
    expect(item).toMatchObject({
      type: 'constraint_violation',
      key: second.id,
      suggested: 'keep_hub',
      strategies: ['keep_hub'],
    });
    expect((await resolve(item?.id ?? '', { strategy: 'merge' })).data.code).toBe('strategy-not-allowed');
    expect((await resolve(item?.id ?? '', { strategy: 'keep_hub' })).data.state).toBe('settled');
    expect(await totals(box)).toMatchObject({ baskets: 2 });
    await expectProved(box);
  });
});

describe('a decision', () => {
  it('is made once: asked again it is the same answer, asked otherwise it was settled before', async () => {
    const { item } = await twins();
    const first = await resolve(item.id, { strategy: 'keep_hub' });
    expect((await resolve(item.id, { strategy: 'keep_hub' })).data).toEqual(first.data);
    const other = await resolve(item.id, { strategy: 'merge' });
    expect([other.status, other.data.code]).toEqual([409, 'already-settled']);
  });

  it('of two people at once is that of one', async () => {
    const { box, item } = await twins();
    const { password } = await create<{ password: string }>(harness.admin.api, '/v1/people', {
      ...{ email: `second${branches}@acme.example`, name: 'Second' },
      grants: [{ role: 'area-manager', scope: 'region', id: 'R1' }],
    });
    const second = await harness.signIn(`second${branches}@acme.example`, password);
    const answers = await Promise.all([
      resolve(item.id, { strategy: 'merge' }),
      resolve(item.id, { strategy: 'merge' }, second.api),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(await newest(box, 'correction')).toHaveLength(1);
  });

  it('is refused where it makes no sense, and to who may not make it there', async () => {
    const { item } = await twins();
    for (const input of [{}, { strategy: 'keep' }, { strategy: 'keep_hub', why: 'x' }])
      expect((await resolve(item.id, input)).status).toBe(400);
    const merged = await resolve(item.id, { strategy: 'merge', merged: { totalMinor: 1 } });
    expect([merged.status, merged.data.code]).toEqual([400, 'invalid-field']);
    expect((await resolve(v7(), { strategy: 'keep_hub' })).status).toBe(404);
    const other = await harness.newTenant(`OTHER${branches}`);
    expect((await resolve(item.id, { strategy: 'keep_hub' }, other.api)).status).toBe(404);
    expect((await other.api.get(`/v1/conflicts/${item.id}`)).status).toBe(404);
  });
});
