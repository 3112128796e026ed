import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { contentHash } from '@branchline/replication/content-hash.js';
import { v7 } from 'uuid';
import { EdgeHarness, importedSale, milkSale, NOON, type TestTill } from './edge-harness.js';

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
const count = (table: string): number =>
  edge.store.reads.get<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)?.n ?? 0;

describe('a live sale', () => {
  beforeEach(async () => {
    expect((await till.openShift()).status).toBe(201);
  });

  it('is priced by the book, taxed inclusively and answered as the contract says', async () => {
    const sale = milkSale({ deviceReference: 'T1-20261120-000017', expectedTotalMinor: 3998 });
    const { status, data } = await till.sell(sale);
    expect(status).toBe(201);
    expect(data).toMatchObject({
      id: sale.id,
      receiptNumber: 'B001-T1-1-000001',
      state: 'QUEUED',
      businessDate: '2026-11-20',
      branch: 'B001',
      till: 'T1',
      operator: 'ANNE',
      currency: 'ZAR',
      recordedAt: new Date(NOON).toISOString(),
      flags: [],
      amountMinor: 3998,
      discountMinor: 0,
      netMinor: 3477,
      taxMinor: 521,
      totalMinor: 3998,
      cashRoundingMinor: 0,
      changeMinor: 2,
    });
    expect(data.lines).toEqual([
      {
        lineNo: 1,
        product: 'MILK',
        name: 'Product MILK',
        quantity: 2,
        price: { minor: 1999, per: 1 },
        priceSource: 'book',
        priceEntry: 'MILK/0',
        amountMinor: 3998,
        modifiers: [],
        netMinor: 3477,
        taxMinor: 521,
        totalMinor: 3998,
        taxes: [{ code: 'VAT15', ratePpm: 150000, amountMinor: 521 }],
      },
    ]);
    expect(data.journal).toEqual({
      incarnation: expect.any(String),
      epoch: 1,
      seq: expect.any(Number),
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('moves stock, cash and the grand total with its own line', async () => {
    const answer = await till.sell(
      milkSale({
        lines: [
          { lineNo: 1, product: 'MILK', quantity: 2 },
          { lineNo: 2, product: 'CHEESE', quantity: 0.456 },
          { lineNo: 3, barcode: '6001240100035', quantity: 1 },
        ],
        tenders: [
          { tenderNo: 1, type: 'card', amountMinor: 7000, cashBackMinor: 1000 },
          { tenderNo: 2, type: 'cash', amountMinor: 7000 },
        ],
      }),
    );
    expect(answer.status).toBe(201);
    expect(answer.data).toMatchObject({ totalMinor: 12_837, changeMinor: 163 });
    expect(answer.data.lines.map((line: { amountMinor: number }) => line.amountMinor)).toEqual([3998, 6840, 1999]);
    const { reads } = edge.store;
    expect(reads.all('SELECT product, on_hand_milli AS onHand FROM stock_balance ORDER BY product')).toEqual([
      { product: 'CHEESE', onHand: -456 },
      { product: 'MILK', onHand: -3000 },
    ]);
    expect(
      reads.all('SELECT tender_type AS type, sum(amount_minor) AS minor FROM tender_entry GROUP BY 1 ORDER BY 1'),
    ).toEqual([
      { type: 'card', minor: 7000 },
      { type: 'cash', minor: 7000 - 163 - 1000 },
    ]);
    expect(reads.get('SELECT grand_total_minor AS minor FROM till_total')).toEqual({ minor: 12_837 });
  });

  it('answers a repeated id with the stored answer, byte for byte, and writes nothing', async () => {
    const sale = milkSale({ customerId: v7(), location: { latitude: -33.9, longitude: 18.4 } });
    const post = () =>
      edge.http.post('/sales', sale, {
        headers: { authorization: `Bearer ${till.accessToken}`, 'idempotency-key': sale.id },
        responseType: 'text',
        transformResponse: (text: string) => text,
      });
    const first = await post();
    edge.clock.advance(60_000);
    await till.sell(milkSale());
    const written = count('journal');
    const second = await post();
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(first.headers['idempotent-replay']).toBeUndefined();
    expect(second.headers['idempotent-replay']).toBe('true');
    expect(second.data).toBe(first.data);
    expect(count('journal')).toBe(written);
  });

  it('keeps the answer of a sale whose shift is closed by now', async () => {
    const sale = milkSale();
    const first = await till.sell(sale);
    await till.post(`/shifts/${first.data.shift}/close`, { declared: [] });
    expect((await till.sell(sale)).data).toEqual(first.data);
    expect(codeOf(await till.sell(milkSale()))).toEqual([409, 'shift-not-found']);
  });

  it('knows the same content however its members are ordered, and refuses other content under the id', async () => {
    const sale = milkSale();
    const { id, lines, tenders } = sale;
    const first = await till.sell(sale);
    expect((await till.sell({ tenders, lines, id })).data).toEqual(first.data);
    expect(codeOf(await till.sell({ ...sale, expectedTotalMinor: 3998 }))).toEqual([409, 'same-id-other-content']);
    expect(count('sale')).toBe(1);
  });

  it('refuses a key that is not the id', async () => {
    const answer = await till.post('/sales', milkSale(), { 'idempotency-key': v7() });
    expect(codeOf(answer)).toEqual([400, 'invalid-field']);
  });

  it('numbers the receipts of three interleaved clients without a gap, also between refusals', async () => {
    const others = await Promise.all([till.device.signIn('ANNE'), till.device.signIn('ANNE')]);
    const clients = [till, ...others].map(async (client, who) => {
      const numbers: string[] = [];
      for (let turn = 0; turn < 20; turn += 1) {
        if ((turn + who) % 3 === 0) {
          expect((await client.sell(milkSale({ expectedTotalMinor: 1 }))).status).toBe(422);
        }
        const { status, data } = await client.sell(milkSale());
        expect(status).toBe(201);
        numbers.push(data.receiptNumber);
      }
      return numbers;
    });
    const numbers = (await Promise.all(clients)).flat().sort();
    expect(numbers).toEqual(Array.from({ length: 60 }, (_, at) => `B001-T1-1-${String(at + 1).padStart(6, '0')}`));
  });

  it.each([
    [
      'a price that differs',
      { lines: [{ lineNo: 1, product: 'MILK', quantity: 1, price: { minor: 1998, per: 1 } }] },
      422,
      'price-differs',
    ],
    ['an unknown product', { lines: [{ lineNo: 1, product: 'NOPE', quantity: 1 }] }, 422, 'unknown-product'],
    ['an unknown barcode', { lines: [{ lineNo: 1, barcode: '123', quantity: 1 }] }, 422, 'unknown-barcode'],
    [
      'a fraction of what is sold whole',
      { lines: [{ lineNo: 1, product: 'MILK', quantity: 0.5 }] },
      422,
      'quantity-decimals',
    ],
    ['four decimals', { lines: [{ lineNo: 1, product: 'CHEESE', quantity: 0.4567 }] }, 400, 'invalid-field'],
    ['nothing sold', { lines: [{ lineNo: 1, product: 'MILK', quantity: 0 }] }, 400, 'invalid-field'],
    ['no line', { lines: [] }, 400, 'invalid-field'],
    [
      'a line number twice',
      { lines: [1, 1].map((lineNo) => ({ lineNo, product: 'MILK', quantity: 1 })) },
      422,
      'invalid-sale',
    ],
    ['too little paid', { tenders: [{ tenderNo: 1, type: 'cash', amountMinor: 3997 }] }, 422, 'tenders-unbalanced'],
    ['nothing paid', { tenders: [] }, 422, 'tenders-unbalanced'],
    [
      'a card that pays too much',
      { tenders: [{ tenderNo: 1, type: 'card', amountMinor: 3999 }] },
      422,
      'tenders-unbalanced',
    ],
    ['another total expected', { expectedTotalMinor: 3997 }, 422, 'total-differs'],
    ['an unknown field', { discount: 5 }, 400, 'unknown-field'],
    [
      'an unknown field in a line',
      { lines: [{ lineNo: 1, product: 'MILK', quantity: 1, taxMinor: 0 }] },
      400,
      'unknown-field',
    ],
    ['an amount beyond 2^53', { tenders: [{ tenderNo: 1, type: 'cash', amountMinor: 2 ** 53 }] }, 400, 'invalid-field'],
    [
      'a whole card number',
      { tenders: [{ tenderNo: 1, type: 'card', amountMinor: 3998, card: { maskedPan: '4111 1111 1111 1111' } }] },
      400,
      'invalid-field',
    ],
    ['an id in capitals', { id: v7().toUpperCase() }, 400, 'invalid-field'],
    [
      'its own price',
      { lines: [{ lineNo: 1, product: 'MILK', quantity: 1, price: { minor: 1, per: 1 }, priceSource: 'external' }] },
      403,
      'forbidden',
    ],
    [
      'its own reduction',
      { lines: [{ lineNo: 1, product: 'MILK', quantity: 1, modifiers: [{ kind: 'loyalty', amountMinor: -1 }] }] },
      403,
      'forbidden',
    ],
  ])('with %s is refused and leaves no trace', async (_what, changes, status, code) => {
    const written = count('journal');
    expect(codeOf(await till.sell(milkSale(changes)))).toEqual([status, code]);
    expect(count('journal')).toBe(written);
    expect((await till.sell(milkSale())).data.receiptNumber).toBe('B001-T1-1-000001');
  });

  it("takes a price sent that is the book's", async () => {
    const lines = [{ lineNo: 1, product: 'MILK', quantity: 2, price: { minor: 1999, per: 1 }, priceSource: 'book' }];
    expect((await till.sell(milkSale({ lines }))).status).toBe(201);
  });

  it('prices at its moment: the entry that is in force, not the one to come', async () => {
    await edge.price('MILK', { minor: 2100, per: 1 }, NOON + 60_000, NOON + 120_000);
    const soldAt = async (ms: number): Promise<number> => {
      edge.clock.set(ms);
      const { data } = await till.sell(milkSale({ tenders: [{ tenderNo: 1, type: 'cash', amountMinor: 9000 }] }));
      return data.lines[0].price.minor;
    };
    expect(await soldAt(NOON + 59_999)).toBe(1999);
    expect(await soldAt(NOON + 60_000)).toBe(2100);
    expect(await soldAt(NOON + 120_000)).toBe(1999);
  });

  it('refuses what has no price, is sold no more, or bears a barcode with others', async () => {
    await edge.product('FREE');
    await edge.product('GONE', { minor: 100, active: false });
    await edge.product('MILK2', { minor: 100, barcodes: ['6001240100035'] });
    const sell = (line: object) => till.sell(milkSale({ lines: [{ lineNo: 1, quantity: 1, ...line }] }));
    expect(codeOf(await sell({ product: 'FREE' }))).toEqual([422, 'no-price']);
    expect(codeOf(await sell({ product: 'GONE' }))).toEqual([422, 'not-tradable']);
    const doubled = await sell({ barcode: '6001240100035' });
    expect(codeOf(doubled)).toEqual([422, 'unknown-barcode']);
    expect(doubled.data.detail).toContain('several products');
  });

  it("takes the edge's time and date whatever the device believes, and says so", async () => {
    const { data } = await till.sell(milkSale({ occurredAt: '2016-11-20T14:03:11.000Z' }));
    expect(data).toMatchObject({
      businessDate: '2026-11-20',
      occurredAt: '2016-11-20T14:03:11.000Z',
      soldAt: new Date(NOON).toISOString(),
      flags: ['clock-skew'],
    });
    const near = await till.sell(milkSale({ occurredAt: new Date(NOON - 119_000).toISOString() }));
    expect(near.data.flags).toEqual([]);
  });

  it('keeps both of two sales with one device reference and flags the second', async () => {
    const deviceReference = 'T1-20261120-000001';
    expect((await till.sell(milkSale({ deviceReference }))).data.flags).toEqual([]);
    expect((await till.sell(milkSale({ deviceReference }))).data.flags).toEqual(['duplicate-device-reference']);
  });

  it('belongs to the business date that began at the cut-off', async () => {
    edge.clock.set(Date.parse('2026-11-21T00:59:59.999Z'));
    const before = await till.device.signIn('ANNE');
    expect((await before.sell(milkSale())).data.businessDate).toBe('2026-11-20');
    edge.clock.advance(1);
    expect((await before.sell(milkSale())).data.businessDate).toBe('2026-11-21');
  });
});

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
    const first = await till.get('/sales', { limit: 2 });
    expect(await found({ limit: 2, after: first.data.next })).toEqual(ids.slice(2, 4));
    expect((await till.get('/sales', { after: 'nonsense' })).status).toBe(400);
  });

  it('tells how far a sale has come', async () => {
    await till.openShift();
    const { data } = await till.sell(milkSale());
    await edge.store.writer.local('acknowledge', (tx) =>
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

describe('a batch of finished sales', () => {
  const finished = (changes: object = {}) => ({
    kind: 'sale',
    deviceReference: 'T1-20261119-000042',
    occurredAt: '2026-11-19T15:00:00.000Z',
    operator: 'ANNE',
    ...milkSale(),
    ...changes,
  });

  it("keeps the printed number and the day it was sold on, without an operator's token or an open shift", async () => {
    const item = finished();
    const { status, data } = await till.device.batch([item]);
    expect(status).toBe(200);
    expect(data.results).toEqual([{ id: item.id, status: 'accepted', receiptNumber: 'T1-20261119-000042' }]);
    const { data: sale } = await till.get(`/sales/${item.id}`);
    expect(sale).toMatchObject({
      source: 'away',
      receiptNumber: 'T1-20261119-000042',
      businessDate: '2026-11-19',
      shift: null,
      flags: ['no-open-shift'],
      operator: 'ANNE',
    });
    await till.openShift();
    expect((await till.sell(milkSale())).data.receiptNumber).toBe('B001-T1-1-000001');
  });

  it.each([
    [
      'an unknown product',
      { lines: [{ lineNo: 1, product: 'NOPE', quantity: 2, price: { minor: 2000, per: 1 } }] },
      ['no-price', 'unknown-product'],
    ],
    [
      'a changed price',
      { lines: [{ lineNo: 1, product: 'MILK', quantity: 2, price: { minor: 2000, per: 1 } }] },
      ['price-differs'],
    ],
    ['a departed cashier', { operator: 'BOB' }, ['unknown-operator']],
    ['a total that differs', { expectedTotalMinor: 4100 }, ['total-differs']],
    ['too little paid', { tenders: [{ tenderNo: 1, type: 'cash', amountMinor: 3000 }] }, ['tenders-unbalanced']],
    ['too much paid by card', { tenders: [{ tenderNo: 1, type: 'card', amountMinor: 5000 }] }, ['tenders-unbalanced']],
    [
      'a reduction of its own',
      { lines: [{ lineNo: 1, product: 'MILK', quantity: 2, modifiers: [{ kind: 'manager', amountMinor: -100 }] }] },
      ['unapproved-modifier'],
    ],
    ['a time still to come', { occurredAt: '2036-11-20T00:00:00.000Z' }, ['clock-skew']],
  ])('accepts %s and flags it', async (_what, changes, flags) => {
    await till.openShift();
    const item = finished(changes);
    const { data } = await till.device.batch([item]);
    expect(data.results[0]).toMatchObject({ status: 'accepted' });
    const { data: sale } = await till.get(`/sales/${item.id}`);
    expect(sale.flags).toEqual(flags);
    const paid = sale.tenders.reduce((sum: number, tender: { amountMinor: number }) => sum + tender.amountMinor, 0);
    expect(paid - sale.changeMinor).toBe(sale.totalMinor + sale.cashRoundingMinor);
  });

  it('refuses what is malformed, each item on its own, and the rest goes through', async () => {
    const good = [finished(), finished({ deviceReference: 'T1-20261119-000043' })];
    const { data } = await till.device.batch([
      good[0] as object,
      finished({ lines: [] }),
      finished({ surprise: 1 }),
      finished({ deviceReference: 'B001-T1-1-000001' }),
      { kind: 'payment', id: v7() },
      { kind: 'nothing' },
      good[1] as object,
    ]);
    expect(data.results.map(({ status, code }: { status: string; code?: string }) => [status, code])).toEqual([
      ['accepted', undefined],
      ['refused', 'invalid-field'],
      ['refused', 'unknown-field'],
      ['refused', 'invalid-field'],
      ['refused', 'kind-not-supported'],
      ['refused', expect.any(String)],
      ['accepted', undefined],
    ]);
    expect(count('sale')).toBe(2);
  });

  it('knows its own items again, and a live sale whose reply the till lost', async () => {
    await till.openShift();
    const item = finished();
    await till.device.batch([item]);
    const live = milkSale({ deviceReference: 'T1-20261120-000001' });
    const { data } = await till.sell(live);
    const again = await till.device.batch([
      { ...item, receiptNumber: 'T1-20261119-000042' },
      { kind: 'sale', operator: 'ANNE', ...live },
      { ...item, expectedTotalMinor: 1 },
    ]);
    expect(again.data.results).toMatchObject([
      { status: 'replayed', receiptNumber: 'T1-20261119-000042' },
      { status: 'replayed', receiptNumber: data.receiptNumber },
      { status: 'refused', code: 'same-id-other-content' },
    ]);
    expect(count('sale')).toBe(2);
  });

  it("is for the device's own till, and for no operator", async () => {
    expect(codeOf(await till.device.batch([finished()], { till: 'T2' }))).toEqual([403, 'not-yours']);
    expect(codeOf(await till.device.batch([finished()], { device: v7() }))).toEqual([403, 'not-yours']);
    const body = { device: till.device.deviceId, items: [finished()] };
    expect(codeOf(await till.post('/tills/T1/batch', body))).toEqual([401, 'unauthenticated']);
  });
});

describe('the journal line of a sale', () => {
  it('hashes the content as it was received, before any default', async () => {
    await till.openShift();
    const sale = milkSale();
    await till.sell(sale);
    const row = edge.store.reads.get<{ hash: Buffer }>('SELECT content_hash AS hash FROM sale');
    expect(row?.hash.toString('hex')).toBe(contentHash(sale));
  });
});
