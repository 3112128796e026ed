import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sumMinor } from './money.js';
import { priceSale, type SaleLineToPrice, type SaleTender, type SaleToPrice } from './sale.js';

const VAT15 = { code: 'VAT15', ratePpm: 150_000 };

function line(over: Partial<SaleLineToPrice> = {}): SaleLineToPrice {
  return {
    lineNo: 1,
    product: 'MILK-1L',
    quantityMilli: 2000,
    price: { minor: 1999, per: 1 },
    modifiers: [],
    information: [],
    taxes: [VAT15],
    ...over,
  };
}

function sale(over: Partial<SaleToPrice> = {}): SaleToPrice {
  return { currency: 'ZAR', taxRounding: 'line', lines: [line()], tenders: [card(3998)], ...over };
}

const cash = (amountMinor: number, tenderNo = 1): SaleTender => ({ tenderNo, type: 'cash', amountMinor });
const card = (amountMinor: number, tenderNo = 1, cashBackMinor?: number): SaleTender => ({
  tenderNo,
  type: 'card',
  amountMinor,
  ...(cashBackMinor === undefined ? {} : { cashBackMinor }),
});

describe('priceSale', () => {
  it('prices lines, takes the tax out, sums up and gives change in cash', () => {
    const priced = priceSale(
      sale({
        lines: [
          line(),
          line({ lineNo: 2, product: 'CHEESE', quantityMilli: 456, price: { minor: 8999, per: 1 } }),
          line({
            lineNo: 3,
            product: '1093587',
            quantityMilli: 3000,
            price: { minor: 1000, per: 3 },
            modifiers: [{ kind: 'loyalty', amountMinor: -150 }],
            information: [{ kind: 'manufacturer-coupon', amountMinor: 100 }],
            taxes: [],
          }),
        ],
        tenders: [cash(7000), card(2052, 2)],
        expectedTotalMinor: 8952,
      }),
    );
    expect(priced).toMatchObject({
      currency: 'ZAR',
      amountMinor: 9102,
      discountMinor: 150,
      netMinor: 7896,
      taxMinor: 1056,
      totalMinor: 8952,
      cashRoundingMinor: 0,
      changeMinor: 100,
    });
    expect(priced.lines.map((each) => [each.amountMinor, each.discountedMinor, each.netMinor, each.taxMinor])).toEqual([
      [3998, 3998, 3477, 521],
      [4104, 4104, 3569, 535],
      [1000, 850, 850, 0],
    ]);
    expect(priced.lines[0]?.taxes).toEqual([{ ...VAT15, amountMinor: 521 }]);
    expect(priced.lines[2]?.information).toEqual([{ kind: 'manufacturer-coupon', amountMinor: 100 }]);
  });

  it('rounds the tax of the whole receipt where the branch says so', () => {
    const lines = [1, 2, 3].map((lineNo) => line({ lineNo, quantityMilli: 1000, price: { minor: 3, per: 1 } }));
    expect(priceSale(sale({ lines, tenders: [cash(9)], taxRounding: 'line' })).taxMinor).toBe(0);
    expect(priceSale(sale({ lines, tenders: [cash(9)], taxRounding: 'receipt' })).taxMinor).toBe(1);
  });

  it.each<[string, SaleTender[]]>([
    ['without a tender', []],
    ['with a tender of 0', [card(0)]],
  ])('takes a sale of 0 %s for a sale', (_what, tenders) => {
    const lines = [line({ modifiers: [{ kind: 'loyalty', amountMinor: -3998 }] })];
    expect(priceSale(sale({ lines, tenders, expectedTotalMinor: 0 }))).toMatchObject({
      amountMinor: 3998,
      discountMinor: 3998,
      totalMinor: 0,
      changeMinor: 0,
    });
  });

  it('counts a surcharge as a negative discount', () => {
    const lines = [line({ modifiers: [{ kind: 'bag', amountMinor: 2 }] })];
    expect(priceSale(sale({ lines, tenders: [card(4000)] }))).toMatchObject({ discountMinor: -2, totalMinor: 4000 });
  });

  it.each<[string, Partial<SaleToPrice>, string]>([
    ['no line', { lines: [] }, 'sale-without-lines'],
    ['a line number twice', { lines: [line(), line()] }, 'line-no-doubled'],
    ['a tender number twice', { tenders: [card(3000), card(998)] }, 'tender-no-doubled'],
    ['a quantity of 0', { lines: [line({ quantityMilli: 0 })] }, 'quantity-not-positive'],
    ['a negative quantity', { lines: [line({ quantityMilli: -1000 })] }, 'quantity-not-positive'],
    [
      'a reduction larger than its line',
      { lines: [line({ modifiers: [{ kind: 'manual', amountMinor: -3999 }] })] },
      'line-below-zero',
    ],
    ['a negative price', { lines: [line({ price: { minor: -1, per: 1 } })] }, 'line-below-zero'],
    ['another total than the till showed', { expectedTotalMinor: 3997 }, 'total-differs'],
    ['another total before unbalanced tenders', { expectedTotalMinor: 1, tenders: [card(1)] }, 'total-differs'],
    ['too little money', { tenders: [card(3997)] }, 'tenders-unbalanced'],
    ['too little cash', { tenders: [card(3900), cash(97, 2)] }, 'tenders-unbalanced'],
    ['no money', { tenders: [] }, 'tenders-unbalanced'],
    ['a card rounded like cash', { tenders: [card(4000)], cashRoundingMinor: 5 }, 'tenders-unbalanced'],
    ['a card short by less than a coin', { tenders: [card(3996)], cashRoundingMinor: 5 }, 'tenders-unbalanced'],
    ['change from a card', { tenders: [card(4000)] }, 'tenders-unbalanced'],
    ['change from a card beside cash', { tenders: [card(4000), cash(50, 2)] }, 'tenders-unbalanced'],
    ['a negative tender', { tenders: [card(4000), cash(-2, 2)] }, 'tender-negative'],
    ['cash back on cash', { tenders: [{ ...cash(4098), cashBackMinor: 100 }] }, 'cash-back'],
    ['negative cash back', { tenders: [card(3898, 1, -100)] }, 'cash-back'],
    ['more cash back than was charged', { tenders: [card(100, 1, 101)] }, 'cash-back'],
    ['a coin of 0', { tenders: [cash(3998)], cashRoundingMinor: 0 }, 'cash-rounding'],
    ['a price per nothing', { lines: [line({ price: { minor: 1, per: 0 } })] }, 'price-per'],
  ])('refuses %s', (_what, over, code) => {
    expect(() => priceSale(sale(over))).toThrow(expect.objectContaining({ code }));
  });

  it('gives cash back on a card without making it change', () => {
    const priced = priceSale(sale({ tenders: [card(13_998, 1, 10_000)] }));
    expect(priced).toMatchObject({ totalMinor: 3998, changeMinor: 0, cashRoundingMinor: 0 });
  });

  it.each<[string, SaleTender[], number, number]>([
    ['all in cash, up', [cash(5000)], 2, 1000],
    ['exactly the rounded total', [cash(4000)], 2, 0],
    ['by card alone: nothing', [card(3998)], 0, 0],
    ['only the part in cash, down', [card(3497), cash(500, 2)], -1, 0],
    ['nothing when the cash is not needed', [card(3998), cash(500, 2)], 0, 500],
    ['down to nothing', [card(3996), cash(0, 2)], -2, 0],
  ])('rounds what is paid in cash to the smallest coin: %s', (_what, tenders, cashRoundingMinor, changeMinor) => {
    const priced = priceSale(sale({ tenders, cashRoundingMinor: 5 }));
    expect(priced).toMatchObject({ totalMinor: 3998, cashRoundingMinor, changeMinor });
  });

  it('leaves its input as it was and shares no arrays with it', () => {
    const input = sale({
      lines: [line({ modifiers: [{ kind: 'loyalty', amountMinor: -100 }] })],
      tenders: [card(3898)],
    });
    const before = structuredClone(input);
    const priced = priceSale(input);
    priced.lines[0]?.modifiers.pop();
    priced.tenders.pop();
    expect(input).toEqual(before);
  });

  it('conserves money: every identity of domain.md holds for any sale, and information moves none of it', () => {
    fc.assert(
      fc.property(anySale, fc.nat({ max: 100_000 }), fc.nat({ max: 5000 }), (input, tooMuch, cashBackMinor) => {
        const free = { ...input, lines: input.lines.map((each) => ({ ...each, information: [] })) };
        const total = priceSale({ ...free, tenders: [cash(Number.MAX_SAFE_INTEGER)] }).totalMinor;
        const byCard = Math.floor(total / 3);
        const tenders = [card(byCard + cashBackMinor, 1, cashBackMinor), cash(total - byCard + tooMuch + 3, 2)];
        const priced = priceSale({ ...input, tenders });

        const column = (key: 'amountMinor' | 'discountedMinor' | 'netMinor' | 'taxMinor' | 'totalMinor'): number =>
          sumMinor(priced.lines.map((each) => each[key]));
        expect(priced.totalMinor).toBe(total);
        expect(priced.amountMinor - priced.discountMinor).toBe(column('discountedMinor'));
        expect([priced.amountMinor, priced.netMinor, priced.taxMinor, priced.totalMinor]).toEqual([
          column('amountMinor'),
          column('netMinor'),
          column('taxMinor'),
          column('totalMinor'),
        ]);
        expect(priced.netMinor + priced.taxMinor).toBe(priced.totalMinor);
        expect(column('discountedMinor')).toBe(priced.totalMinor);
        const paid = sumMinor(tenders.map((tender) => tender.amountMinor));
        expect(paid - priced.changeMinor - cashBackMinor).toBe(priced.totalMinor + priced.cashRoundingMinor);
        expect(priced.changeMinor).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

const anyLine = fc
  .record({
    quantityMilli: fc.integer({ min: 1, max: 9_000_000 }),
    price: fc.record({ minor: fc.nat({ max: 1_000_000 }), per: fc.constantFrom(1, 3, 10, 0.5) }),
    offPpm: fc.nat({ max: 1_000_000 }),
    information: fc.array(fc.record({ kind: fc.constant('coupon'), amountMinor: fc.nat({ max: 500 }) }), {
      maxLength: 2,
    }),
    taxes: fc.constantFrom([], [VAT15], [VAT15, { code: 'LEVY', ratePpm: 20_000 }]),
  })
  .map(({ offPpm, ...rest }) => {
    const amountMinor = (rest.price.minor * rest.quantityMilli) / (rest.price.per * 1000);
    return {
      ...rest,
      modifiers: [{ kind: 'loyalty', amountMinor: 0 - Math.floor((amountMinor * offPpm) / 1_000_001) }],
    };
  });

const anySale = fc.record({
  currency: fc.constant('ZAR'),
  taxRounding: fc.constantFrom('line' as const, 'receipt' as const),
  cashRoundingMinor: fc.option(fc.constantFrom(1, 5), { nil: undefined }),
  lines: fc
    .array(anyLine, { minLength: 1, maxLength: 10 })
    .map((lines) => lines.map((each, place) => ({ ...each, lineNo: place + 1, product: `P${place}` }))),
});
