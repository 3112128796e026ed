import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Basket } from './journey.js';
import { JourneyIndex } from './journey-index.js';
import { readProducts } from './read-products.js';
import { readSales, SALES_COLUMNS, type SalesFile } from './read-sales.js';
import { busiestStores, type StoreTotals, sumTotals, totalsOf } from './totals.js';

const fixtures = join(dirname(fileURLToPath(import.meta.url)), '../../fixtures/complete-journey');
const header = SALES_COLUMNS.join(',');
const good = '906,319,31198705046,1075313,1,1.5,0.29,0,0,1,2017-01-01 07:30:27';
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'branchline-journey-'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Sales extends SalesFile {
  /** Each store's baskets in time order. */
  stores: Map<string, Basket[]>;
}

async function readFrom(file: string): Promise<Sales> {
  const index = new JourneyIndex();
  try {
    const sales = await readSales(file, index);
    const ids = sales.unreadable ? [] : [...index.settle().keys()];
    return { ...sales, stores: new Map(ids.map((id) => [id, index.basketsOf(id)])) };
  } finally {
    index.close();
  }
}

async function read(content: string | Buffer): Promise<Sales> {
  const file = join(folder, 'sales.csv');
  await writeFile(file, content);
  return readFrom(file);
}

const baskets = (sales: Sales): string[] => [...sales.stores.values()].flat().map((basket) => basket.basket);
const badLines = (sales: Sales): string[] => sales.bad.map(({ line, reason }) => `line ${line}: ${reason}`);

describe('a file of real sales', () => {
  it('adds up to what an independent script says, per store and in total', async () => {
    interface Expected {
      total: StoreTotals;
      per_store: Record<string, StoreTotals>;
    }
    const expected = JSON.parse(await readFile(join(fixtures, 'expected.json'), 'utf8')) as Expected;
    const sales = await readFrom(join(fixtures, 'sales.csv'));
    expect(sales.bad).toEqual([]);
    const totals = Object.fromEntries([...sales.stores].map(([store, list]) => [store, totalsOf(list)]));
    expect(totals).toEqual(expected.per_store);
    expect(sumTotals(Object.values(totals))).toEqual(expected.total);
  });

  it('keeps each store in time order', async () => {
    const sales = await readFrom(join(fixtures, 'sales.csv'));
    for (const list of sales.stores.values()) {
      const times = list.map((basket) => basket.occurredAtMs);
      expect(times).toEqual([...times].sort((a, b) => a - b));
    }
  });

  it('names the products, also one whose id R wrote with an exponent', async () => {
    const index = new JourneyIndex();
    const { bad } = await readProducts(join(fixtures, 'products.csv.gz'), index);
    expect(bad).toEqual([]);
    expect(index.product('900000')).toMatchObject({
      name: 'DESIGNER FRAGRANCES .8 OZ',
      category: 'FRAGRANCES',
      brand: 'National',
    });
    const sales = await readFrom(join(fixtures, 'sales.csv'));
    const used = new Set(
      [...sales.stores.values()].flat().flatMap((basket) => basket.lines.map((line) => line.product)),
    );
    expect([...used].filter((product) => !index.product(product))).toEqual(['1093587']);
    index.close();
  });

  it('finds the busiest stores, ties by number', () => {
    const stores = new Map([
      ['100', 1],
      ['99', 1],
      ['7', 2],
    ]);
    expect(busiestStores(stores, 2)).toEqual(['7', '99']);
  });
});

describe('what a row may look like', () => {
  it.each([
    ['packed', gzipSync(`${header}\n${good}\n`)],
    ['with a byte order mark and CRLF', `\uFEFF${header}\r\n${good}\r\n`],
    [
      'quoted, with blank lines',
      `${header}\n\n"906","319","31198705046","1075313","1","1.5","0.29","0","0","1","2017-01-01 07:30:27"\n\n`,
    ],
    [
      'with its columns in another order',
      `${[...SALES_COLUMNS].reverse().join(',')}\n${good.split(',').reverse().join(',')}\n`,
    ],
    ['without a last newline', `${header}\n${good}`],
    ['with an exponent', `${header}\n${good.replace('1.5', '15e-1')}`],
    ['with a negative zero', `${header}\n${good.replace('0,0,1', '-0,0.00,1')}`],
  ])('%s', async (_, content) => {
    const sales = await read(content);
    expect(badLines(sales)).toEqual([]);
    expect(sales.stores.get('319')).toEqual([
      {
        store: '319',
        household: '906',
        basket: '31198705046',
        occurredAtMs: Date.UTC(2017, 0, 1, 12, 30, 27),
        line: expect.any(Number),
        lines: [
          {
            product: '1075313',
            quantityMilli: 1000,
            netMinor: 150,
            retailDiscMinor: 29,
            couponDiscMinor: 0,
            couponMatchMinor: 0,
          },
        ],
      },
    ]);
  });

  it('drops a quantity of 0 that is worth nothing, whatever its discounts, and the basket it leaves empty', async () => {
    const rows = [
      '1,1,50,7,0,4.440892e-16,0.86,0,0,1,2017-01-01 09:00:00',
      '1,1,51,7,0,0,0,0,0,1,2017-01-01 09:00:00',
      good,
    ];
    const sales = await read([header, ...rows].join('\n'));
    expect(badLines(sales)).toEqual([]);
    expect(baskets(sales)).toEqual(['31198705046']);
  });

  it('keeps a fractional quantity and a sale of 0', async () => {
    const sales = await read([header, '1,1,50,7,0.456,0,2.99,0,0,1,2017-01-01 09:00:00'].join('\n'));
    expect(sales.stores.get('1')?.[0]?.lines[0]).toMatchObject({
      quantityMilli: 456,
      netMinor: 0,
      retailDiscMinor: 299,
    });
  });
});

describe('a bad row', () => {
  const bad = (column: (typeof SALES_COLUMNS)[number], text: string): string => {
    const cells = good.split(',');
    cells[SALES_COLUMNS.indexOf(column)] = text;
    return cells.join(',');
  };

  it.each([
    ['too few columns', '906,319,31198705046', 'wrong columns: 3 instead of 11'],
    ['too many columns', `${good},9`, 'wrong columns: 12 instead of 11'],
    ['text for a number', bad('sales_value', 'abc'), 'sales_value is not a number: "abc"'],
    ['a missing number', bad('quantity', ''), 'quantity is not a number: ""'],
    ['NA', bad('coupon_disc', 'NA'), 'coupon_disc is not a number: "NA"'],
    ['a week that is none', bad('week', 'one'), 'week is not a number: "one"'],
    ['a negative amount', bad('retail_disc', '-0.01'), 'retail_disc is negative: "-0.01"'],
    ['a negative quantity', bad('quantity', '-1'), 'quantity is negative: "-1"'],
    ['a fourth decimal', bad('quantity', '0.4561'), 'quantity has more than 3 decimals: "0.4561"'],
    ['an amount beyond reason', bad('sales_value', '1e300'), 'sales_value is too large: "1e300"'],
    ['an id that is no number', bad('store_id', 'x'), 'store_id is not a whole number: "x"'],
    ['a product without an id', bad('product_id', ''), 'product_id is not a whole number: ""'],
    [
      'a day that is not',
      bad('transaction_timestamp', '2017-02-30 10:00:00'),
      'transaction_timestamp is not a time: "2017-02-30 10:00:00"',
    ],
    ['no time', bad('transaction_timestamp', ''), 'transaction_timestamp is not a time: ""'],
    [
      'a quantity of 0 worth half a cent',
      bad('quantity', '0').replace('1.5', '0.005'),
      'quantity 0 with sales_value 0.005',
    ],
  ])('is named by its line: %s', async (_, row, reason) => {
    const sales = await read([header, '1,1,50,7,1,1,0,0,0,1,2017-01-01 09:00:00', row].join('\n'));
    expect(badLines(sales)).toEqual([`line 3: ${reason}`]);
    expect(baskets(sales)).toEqual(['50']);
    expect(sales.unreadable).toBe(false);
  });

  it.each([
    ['stores', bad('store_id', '320'), 'basket 31198705046 has two stores: 319 and 320'],
    ['households', bad('household_id', '907'), 'basket 31198705046 has two households: 906 and 907'],
    ['times', bad('transaction_timestamp', '2017-01-01 07:30:28'), 'basket 31198705046 has two times'],
  ])('makes its whole basket bad: two %s', async (_, row, reason) => {
    const sales = await read([header, good, '1,1,50,7,1,1,0,0,0,1,2017-01-01 09:00:00', row].join('\n'));
    expect(badLines(sales)).toEqual([`line 4: ${reason}`]);
    expect(baskets(sales)).toEqual(['50']);
  });

  it('takes its basket with it even when the basket goes on later', async () => {
    const sales = await read([header, bad('quantity', 'x'), good, good].join('\n'));
    expect(badLines(sales)).toEqual(['line 2: quantity is not a number: "x"']);
    expect(baskets(sales)).toEqual([]);
  });

  it('is counted as an editor counts lines, blank ones and quoted breaks too', async () => {
    const sales = await read([header, '', bad('quantity', '"a\nb"'), '', bad('quantity', 'x')].join('\n'));
    expect(sales.bad.map(({ line }) => line)).toEqual([3, 6]);
  });
});

describe('a file that is none of ours', () => {
  it.each([
    ['an empty one', '', 'line 1: the file is empty'],
    ['one with other columns', 'a,b\n1,2\n', /^line 1: wrong columns: expected household_id,/],
    ['one with a column twice', `${header},week\n`, /^line 1: wrong columns/],
    [
      'one whose quotation marks do not match',
      `${header}\n${good}\n1,"x\n`,
      /^line \d: the quotation marks do not match/,
    ],
  ])('%s is unreadable from the line it names', async (_, content, message) => {
    const sales = await read(content);
    expect(sales.unreadable).toBe(true);
    expect(sales.stores.size).toBe(0);
    expect(badLines(sales)).toHaveLength(1);
    expect(badLines(sales)[0]).toMatch(message);
  });

  it('is bad input when it is not there or broken', async () => {
    await expect(readFrom(join(folder, 'nowhere.csv'))).rejects.toMatchObject({ name: 'BadInput' });
    await expect(readFrom(folder)).rejects.toMatchObject({ name: 'BadInput' });
    await expect(read(gzipSync(header).subarray(0, 12))).rejects.toMatchObject({ name: 'BadInput' });
  });
});
