import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { saleBody } from './journal-builder.js';
import { TestBox } from './test-box.js';

/** A box signs what it likes: what a line says of itself is compared with what it tells, as far as anybody can. */
let harness: HubHarness;
let branches = 0;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
});
afterAll(() => harness.close());

async function newBox(): Promise<TestBox> {
  branches += 1;
  const code = `L${String(branches).padStart(3, '0')}`;
  await createBranch(harness.admin.api, code);
  return TestBox.enrol(harness.url, harness.admin.api, code);
}

async function worklist(box: TestBox, what: 'conflicts' | 'incidents'): Promise<Record<string, unknown>[]> {
  const { data } = await harness.admin.api.get(`/v1/${what}`, { params: { branch: box.branchCode } });
  return data.items;
}

async function totals(box: TestBox): Promise<{ baskets: number; totalMinor: number }> {
  const params = { groupBy: 'branch', from: '2020-01-01', to: '2099-12-31', branch: box.branchCode };
  const { data } = await harness.admin.api.get('/v1/reports/sales', { params });
  return { baskets: data.totals.baskets, totalMinor: data.totals.totalMinor };
}

describe('the key of a line', () => {
  it.each(['device-enrol', 'shift-open', 'shift-close', 'sale', 'day-seal'])(
    'that is not what its body is about sets the line aside: %s',
    async (kind) => {
      const box = await newBox();
      const journal = box.newJournal();
      const other = v7();
      const device = { device: v7(), name: 'Till 1', till: 'T1', codeHash: 'b'.repeat(64), tokenHash: 'a'.repeat(64) };
      journal.append('device-enrol', device.device, device);
      const shift = journal.shiftOpen();
      journal.sale();
      journal.shiftClose(shift, 1);
      journal.daySeal('2026-11-20');
      const lines = journal.lines.map((line) => JSON.parse(line.toString('utf8')));
      const lying = box.newJournal();
      for (const { kind: each, key, refs, body } of lines.slice(1))
        lying.append(each, each === kind ? other : key, body, { refs });
      const { data } = await box.push(lying.push());
      const aside = data.quarantined?.filter(({ code }: { code: string }) => code !== 'waits-for-parent');
      expect(aside).toEqual([
        { seq: lines.findIndex((line) => line.kind === kind) + 1, code: 'key-differs', detail: expect.any(String) },
      ]);
      expect(data.appliedSeq).toBe(lying.seq);
    },
  );

  it('of two sales is not one key', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const first = journal.sale();
    const second = saleBody(box.branchCode, 2, box.epoch);
    journal.append('sale', first.id, second);
    const { data } = await box.push(journal.push());
    expect(data.quarantined).toEqual([expect.objectContaining({ seq: 3, code: 'key-differs' })]);
    expect(await totals(box)).toEqual({ baskets: 1, totalMinor: first.totalMinor });
  });
});

describe('a hash of content that is not the content’s', () => {
  it.each(['shift-close', 'day-seal'])('sets a %s aside, whose body is what was hashed', async (kind) => {
    const box = await newBox();
    const journal = box.newJournal();
    const shift = journal.shiftOpen();
    journal.shiftClose(shift, 1);
    journal.daySeal('2026-11-20');
    const lying = box.newJournal();
    for (const line of journal.lines.slice(1)) {
      const { kind: each, key, refs, body, contentHash } = JSON.parse(line.toString('utf8'));
      lying.append(each, key, body, { refs, contentHash: each === kind ? 'a'.repeat(64) : contentHash });
    }
    const { data } = await box.push(lying.push());
    expect(data.quarantined).toContainEqual(expect.objectContaining({ code: 'content-hash-differs' }));
  });

  it.each([
    ['one push', false],
    ['another history', true],
  ])(
    'does not let a sale pass with other money, in %s: the first stands, and people are told',
    async (_how, isOther) => {
      const box = await newBox();
      const journal = box.newJournal();
      const first = journal.sale();
      const [line] = journal.lines.slice(-1).map((bytes) => JSON.parse(bytes.toString('utf8')));
      if (isOther) await box.push(journal.push());
      const telling = isOther ? box.newJournal({ epoch: box.epoch + 1 }) : journal;
      const dearer = saleBody(box.branchCode, 1, box.epoch, { id: first.id, lines: [{ priceMinor: 500_000 }] });
      const seq = telling.append('sale', first.id, dearer, { contentHash: line.contentHash });
      const { data } = await box.push(telling.push());
      expect(data.quarantined).toEqual([expect.objectContaining({ seq, code: 'data-mismatch' })]);
      expect(data.appliedSeq).toBe(telling.seq);
      expect(await totals(box)).toEqual({ baskets: 1, totalMinor: first.totalMinor });
      expect(await worklist(box, 'conflicts')).toEqual([
        expect.objectContaining({ type: 'data_mismatch', kind: 'sale', key: first.id }),
      ]);
      expect(await worklist(box, 'incidents')).toContainEqual(
        expect.objectContaining({ code: 'same-hash-other-content', key: telling.incarnation }),
      );
      const { data: proof } = await harness.admin.api.post(`/v1/fleet/${box.branchCode}/verify`);
      expect([proof.outcome, proof.differences]).toEqual(['equal', []]);
    },
  );

  it.each<[string, Record<string, unknown>]>([
    ['number', { receiptNumber: 'X-T1-2-000001', receiptNo: 1, epoch: 2 }],
    ['flags', { flags: ['offered-again'] }],
    ['shift', { shift: v7() }],
    ['business date', { businessDate: '2026-11-21' }],
  ])('is not found where only the %s is another box’s', async (_what, other) => {
    const box = await newBox();
    const journal = box.newJournal();
    const first = journal.sale();
    await box.push(journal.push());
    const [line] = journal.lines.slice(-1).map((bytes) => JSON.parse(bytes.toString('utf8')));
    const again = box.newJournal({ epoch: box.epoch + 1 });
    again.append('sale', first.id, { ...first, ...other }, { contentHash: line.contentHash });
    expect((await box.push(again.push())).data.quarantined).toEqual([]);
    expect(await worklist(box, 'conflicts')).toEqual([]);
  });

  it.each<[string, (body: ReturnType<typeof saleBody>) => object]>([
    ['the goods of a line', (body) => ({ lines: body.lines.map((line) => ({ ...line, product: 'OTHER' })) })],
    ['what it was paid with', (body) => ({ tenders: body.tenders.map((tender) => ({ ...tender, type: 'card' })) })],
    ['the customer', () => ({ customerId: v7() })],
  ])('does not hide %s', async (_what, alter) => {
    const box = await newBox();
    const journal = box.newJournal();
    const first = journal.sale();
    const [line] = journal.lines.slice(-1).map((bytes) => JSON.parse(bytes.toString('utf8')));
    journal.append('sale', first.id, { ...first, ...alter(first) }, { contentHash: line.contentHash });
    expect((await box.push(journal.push())).data.quarantined).toEqual([
      expect.objectContaining({ seq: 3, code: 'data-mismatch' }),
    ]);
  });

  it('does not let a shift open with another float', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const id = journal.shiftOpen();
    const [line] = journal.lines.slice(-1).map((bytes) => JSON.parse(bytes.toString('utf8')));
    const body = { ...line.body, floatMinor: line.body.floatMinor + 1 };
    journal.append('shift-open', id, body, { contentHash: line.contentHash });
    expect((await box.push(journal.push())).data.quarantined).toEqual([
      expect.objectContaining({ seq: 3, code: 'data-mismatch' }),
    ]);
  });
});
