import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { contentHash } from '@branchline/replication/content-hash.js';
import { v7 } from 'uuid';
import { EdgeHarness, milkSale, NOON, type TestTill } from './edge-harness.js';

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

describe('the journal line of a sale', () => {
  it('hashes the content as it was received, before any default', async () => {
    await till.openShift();
    const sale = milkSale();
    await till.sell(sale);
    const row = edge.store.reads.get<{ hash: Buffer }>('SELECT content_hash AS hash FROM sale');
    expect(row?.hash.toString('hex')).toBe(contentHash(sale));
  });
});
