import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { lineAmountMinor } from '@branchline/domain/price.js';
import { quantityMilli } from '@branchline/domain/quantity.js';
import { isUuid } from '@branchline/domain/uuid.js';
import { salesOf } from './basket-to-sale.js';
import type { Basket, BasketLine } from './journey.js';
import { JourneyIndex } from './journey-index.js';
import { readSales } from './read-sales.js';

const fixture = join(dirname(fileURLToPath(import.meta.url)), '../../fixtures/complete-journey/sales.csv');

function line(over: Partial<BasketLine> = {}): BasketLine {
  return {
    product: '1',
    quantityMilli: 1000,
    netMinor: 100,
    retailDiscMinor: 0,
    couponDiscMinor: 0,
    couponMatchMinor: 0,
    ...over,
  };
}

function basket(over: Partial<Basket> = {}): Basket {
  const occurredAtMs = Date.UTC(2017, 0, 1, 15, 0, 0);
  return { store: '319', household: '906', basket: '77', occurredAtMs, line: 2, lines: [line()], ...over };
}

function saleOf(one: Basket) {
  const [numbered] = salesOf([one]);
  if (!numbered) throw new Error('a basket is a sale');
  return numbered.sale;
}

describe('a basket as a sale', () => {
  it('prices the gross per the whole quantity, takes the discounts off and keeps what only informs apart', () => {
    const lines = [
      line({ quantityMilli: 2000, netMinor: 355, retailDiscMinor: 178, couponDiscMinor: 55, couponMatchMinor: 45 }),
    ];
    expect(saleOf(basket({ lines }))).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      deviceReference: 'T1-20170101-000001',
      occurredAt: '2017-01-01T15:00:00.000Z',
      customerId: expect.any(String),
      lines: [
        {
          lineNo: 1,
          product: '1',
          quantity: 2,
          price: { minor: 578, per: 2 },
          priceSource: 'external',
          modifiers: [
            { kind: 'loyalty', amountMinor: -178 },
            { kind: 'coupon-match', amountMinor: -45 },
          ],
          information: [{ kind: 'manufacturer-coupon', amountMinor: 55 }],
        },
      ],
      tenders: [{ tenderNo: 1, type: 'card', amountMinor: 355 }],
      expectedTotalMinor: 355,
    });
  });

  it('leaves out what is zero, and pays nothing for a sale of 0', () => {
    const sale = saleOf(basket({ lines: [line({ netMinor: 0 })] }));
    expect(sale.lines[0]).toEqual({
      lineNo: 1,
      product: '1',
      quantity: 1,
      price: { minor: 0, per: 1 },
      priceSource: 'external',
    });
    expect(sale.tenders).toEqual([]);
    expect(sale.expectedTotalMinor).toBe(0);
  });

  it('keeps two lines of one product apart', () => {
    expect(saleOf(basket({ lines: [line(), line()] })).lines.map(({ lineNo, product }) => [lineNo, product])).toEqual([
      [1, '1'],
      [2, '1'],
    ]);
  });

  it('numbers the baskets of a day from 1, by the date at the store', () => {
    const at = (iso: string, name: string) => basket({ occurredAtMs: Date.parse(iso), basket: name });
    const numbered = [
      ...salesOf([at('2017-01-02T03:00:00Z', 'a'), at('2017-01-02T04:59:59Z', 'b'), at('2017-01-02T05:00:00Z', 'c')]),
    ];
    expect(numbered.map(({ businessDate, sale }) => [businessDate, sale.deviceReference])).toEqual([
      ['2017-01-01', 'T1-20170101-000001'],
      ['2017-01-01', 'T1-20170101-000002'],
      ['2017-01-02', 'T1-20170102-000001'],
    ]);
  });

  it('has the same id each time, another one for another basket or store', () => {
    const ids = [basket(), basket({ basket: '78' }), basket({ store: '320' })].map((one) => saleOf(one).id);
    expect(new Set(ids).size).toBe(3);
    expect(saleOf(basket()).id).toBe(ids[0]);
    expect(ids.every(isUuid)).toBe(true);
  });

  it('amounts, line by line, to what the file says, for every real basket', async () => {
    const index = new JourneyIndex();
    await readSales(fixture, index);
    const stores = [...index.settle().keys()];
    expect(stores.length).toBeGreaterThan(1);
    for (const baskets of stores.map((store) => index.basketsOf(store))) {
      const sales = [...salesOf(baskets)];
      for (const [position, { sale }] of sales.entries()) {
        const expected = baskets[position]?.lines.map(({ netMinor }) => netMinor);
        const net = sale.lines.map(
          ({ price, quantity, modifiers = [] }) =>
            lineAmountMinor(price, quantityMilli(quantity)) +
            modifiers.reduce((sum, { amountMinor }) => sum + amountMinor, 0),
        );
        expect(net).toEqual(expected);
      }
    }
    index.close();
  });
});
