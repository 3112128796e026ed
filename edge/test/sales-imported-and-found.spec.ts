import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import { EdgeHarness, importedSale, milkSale, NOON, type TestTill } from './edge-harness.js';
import { writeRows } from '../src/store/testing/store-fixture.js';

let edge: EdgeHarness;
let till: TestTill;

beforeEach(async () => {
  edge = await EdgeHarness.start();
  await edge.settings();
  await edge.product('MILK', { minor: 1999, barcodes: ['6001240100035'] });
  await edge.product('CHEESE', { minor: 15_000, fractional: true });
  await edge.operator('ANNE', 'cashier');
  till = await edge.till('T1', 'ANNE');
});
afterEach(() => edge.close());

const codeOf = ({ status, data }: { status: number; data: { code?: string } }): [number, string | undefined] => [
  status,
  data.code,
];

describe('an imported sale', () => {
  let importer: TestTill;
  beforeEach(async () => {
    await edge.operator('IMP', 'importer');
    importer = await edge.till('T9', 'IMP');
    const shift = await importer.openShift({ occurredAt: '2017-03-01T13:00:00.000Z' });
    expect(shift.data).toMatchObject({ businessDate: '2017-03-01', openedAt: '2017-03-01T13:00:00.000Z' });
  });

  it('has its own prices, modifiers, time and business date; what is unknown is flagged', async () => {
    const { status, data } = await importer.sell(importedSale());
    expect(status).toBe(201);
    expect(data).toMatchObject({
      source: 'import',
      businessDate: '2017-03-01',
      soldAt: '2017-03-01T15:00:00.000Z',
      flags: ['unknown-product'],
      amountMinor: 1000,
      discountMinor: 150,
      taxMinor: 0,
      totalMinor: 850,
    });
    expect(data.lines[0]).toMatchObject({
      name: '1093587',
      priceSource: 'external',
      modifiers: [{ kind: 'loyalty', amountMinor: -150 }],
      information: [{ kind: 'manufacturer-coupon', amountMinor: 100 }],
    });
  });

  it('is a live sale again with one line by the book', async () => {
    const lines = [...(importedSale()['lines'] as object[]), { lineNo: 2, product: 'MILK', quantity: 1 }];
    await edge.product('1093587');
    const { status, data } = await importer.sell(
      importedSale({ lines, tenders: [{ tenderNo: 1, type: 'card', amountMinor: 850 + 1999 }] }),
    );
    expect(status).toBe(201);
    expect(data).toMatchObject({ source: 'live', businessDate: '2026-11-20' });
  });

  it('of a sealed date is taken and flagged late', async () => {
    const shift = await importer.sell(importedSale());
    await importer.post(`/shifts/${shift.data.shift}/close`, { declared: [] });
    expect((await importer.post('/days/2017-03-01/seal')).status).toBe(201);
    await importer.openShift({ occurredAt: '2017-03-02T13:00:00.000Z' });
    const late = await importer.sell(importedSale());
    expect([late.status, late.data.flags]).toEqual([201, ['late', 'unknown-product']]);
  });

  it('of the last second of 9999 has a business date, in whatever zone the branch is', async () => {
    await edge.settings({ timeZone: 'Pacific/Auckland', cutOffMinutes: 0 });
    const sale = importedSale({ occurredAt: '9999-12-31T23:59:59Z' });
    expect((await importer.sell(sale)).data.businessDate).toBe('9999-12-31');
    expect((await importer.get(`/sales/${sale.id}`)).status).toBe(200);
  });

  it('of nothing to pay is a sale', async () => {
    const lines = [
      { lineNo: 1, product: 'MILK', quantity: 8.776, price: { minor: 0, per: 1 }, priceSource: 'external' },
    ];
    const { status, data } = await importer.sell(importedSale({ lines, tenders: [] }));
    expect([status, data.totalMinor]).toEqual([201, 0]);
  });

  it('is not for a cashier, whose shift cannot be dated back either', async () => {
    expect(codeOf(await till.openShift({ occurredAt: '2017-03-01T13:00:00.000Z' }))).toEqual([403, 'forbidden']);
    await till.openShift();
    expect(codeOf(await till.sell(importedSale()))).toEqual([403, 'forbidden']);
  });
});

describe('finding sales', () => {
  it('finds by number, reference, till, date and time, newest first, page by page', async () => {
    await till.openShift();
    const ids: string[] = [];
    for (let n = 1; n <= 5; n += 1) {
      const sale = milkSale({ deviceReference: `T1-20261120-00000${n}` });
      expect((await till.sell(sale)).status).toBe(201);
      ids.unshift(sale.id);
      edge.clock.advance(1000);
    }
    const found = async (params: object): Promise<string[]> => {
      const { status, data } = await till.get('/sales', params);
      expect(status).toBe(200);
      return data.items.map((sale: { id: string }) => sale.id);
    };
    expect(await found({})).toEqual(ids);
    expect(await found({ receiptNumber: 'B001-T1-1-000002' })).toEqual([ids[3]]);
    expect(await found({ deviceReference: 'T1-20261120-000005' })).toEqual([ids[0]]);
    expect(await found({ till: 'T2' })).toEqual([]);
    expect(await found({ device: till.device.deviceId, businessDate: '2026-11-20' })).toEqual(ids);
    expect(await found({ from: '2026-11-21' })).toEqual([]);
    const from = new Date(NOON + 1000).toISOString();
    const to = new Date(NOON + 3000).toISOString();
    expect(await found({ from, to })).toEqual(ids.slice(1, 4));
    expect(await found({ to: '9999-12-31T23:59:59Z' })).toEqual(ids);
    const first = await till.get('/sales', { limit: 2 });
    expect(await found({ limit: 2, after: first.data.next })).toEqual(ids.slice(2, 4));
    expect((await till.get('/sales', { after: 'nonsense' })).status).toBe(400);
  });

  it('bounds a page by what it takes to read, and goes on where it stopped', async () => {
    await till.openShift();
    const lines = Array.from({ length: 400 }, (_, at) => ({ lineNo: at + 1, product: 'MILK', quantity: 1 }));
    const tenders = [{ tenderNo: 1, type: 'card', amountMinor: 400 * 1999 }];
    for (let sale = 0; sale < 4; sale += 1) expect((await till.sell(milkSale({ lines, tenders }))).status).toBe(201);
    const first = await till.get('/sales', { limit: 500 });
    const rest = await till.get('/sales', { limit: 500, after: first.data.next });
    const numbers = [first, rest].map(({ data }) =>
      data.items.map((sale: { journal: { seq: number } }) => sale.journal.seq),
    );
    expect(numbers).toEqual([[7, 6, 5], [4]]);
    expect(rest.data.next).toBeNull();
  });

  it('looks through a bounded number of sales at a time, to the oldest', async () => {
    await till.openShift();
    const oldest = await till.sell(milkSale());
    await writeRows(edge.store, (tx) =>
      tx.run(
        `INSERT INTO sale SELECT value + 1, 'copy ' || value, position, incarnation_no, seq, receipt_number, NULL, 'T2', device,
           operator, shift_no, business_date, sold_at, lines, units_milli, amount_minor, discount_minor, net_minor, tax_minor,
           total_minor, content_hash, flags, NULL
         FROM sale, (WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 45000) SELECT value FROM n)`,
      ),
    );
    const pages: number[] = [];
    let found: string[] = [];
    for (let after: string | null | undefined; after !== null;) {
      const { data } = await till.get('/sales', { till: 'T1', ...(after && { after }) });
      found = data.items.map(({ id }: { id: string }) => id);
      pages.push(found.length);
      after = data.next;
    }
    expect(pages).toEqual([0, 0, 1]);
    expect(found).toEqual([oldest.data.id]);
  });

  it('tells how far a sale has come', async () => {
    await till.openShift();
    const { data } = await till.sell(milkSale());
    await writeRows(edge.store, (tx) =>
      tx.run(
        'INSERT INTO push_state (incarnation_no, applied_seq, durable_seq, acknowledged_at) VALUES (1, ?, 0, 0)',
        data.journal.seq,
      ),
    );
    const later = await till.sell(milkSale());
    expect((await till.get(`/sales/${data.id}`)).data).toEqual({ ...data, state: 'APPLIED' });
    expect((await till.get('/sales', { state: 'APPLIED' })).data.items).toHaveLength(1);
    expect((await till.get('/sales', { state: 'QUEUED' })).data.items[0].id).toBe(later.data.id);
    expect(codeOf(await till.get(`/sales/${v7()}`))).toEqual([404, 'not-found']);
  });
});
