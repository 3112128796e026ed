import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FEED_ROWS } from '../src/feed-appliers.js';
import { EdgeHarness, milkSale, NOON, type TestTill } from './edge-harness.js';
import { visibleTake, writeRows } from '../src/store/testing/store-fixture.js';

let edge: EdgeHarness;
let till: TestTill;
beforeEach(async () => {
  edge = await EdgeHarness.start();
  await edge.settings();
  await edge.operator('ANNE', 'cashier');
  till = await edge.till('T1', 'ANNE');
});
afterEach(() => edge.close());

const found = async (params: object): Promise<string[]> => {
  const { status, data } = await till.get('/products', params);
  expect(status).toBe(200);
  return data.items.map(({ product }: { product: string }) => product);
};

describe('products', () => {
  beforeEach(async () => {
    await edge.product('MILK-1L', { name: 'Full cream milk 100%', minor: 1999, barcodes: ['600'], category: 'DAIRY' });
    await edge.product('MILK-2L', {
      name: 'Full cream milk',
      minor: 3500,
      barcodes: ['601', '602'],
      category: 'DAIRY',
    });
    await edge.product('BREAD', { name: 'Brown bread' });
  });

  it('are found by part of the name, the beginning of the code, a barcode and a category', async () => {
    expect(await found({})).toEqual(['BREAD', 'MILK-1L', 'MILK-2L']);
    expect(await found({ search: 'CREAM' })).toEqual(['MILK-1L', 'MILK-2L']);
    expect(await found({ search: 'milk-2' })).toEqual(['MILK-2L']);
    expect(await found({ search: '100%' })).toEqual(['MILK-1L']);
    expect(await found({ search: '_ull' })).toEqual([]);
    expect(await found({ barcode: '602' })).toEqual(['MILK-2L']);
    expect(await found({ barcode: '60' })).toEqual([]);
    expect(await found({ category: 'DAIRY', limit: 1 })).toEqual(['MILK-1L']);
  });

  it('come page by page, with what they cost now', async () => {
    await edge.price('MILK-1L', { minor: 2100, per: 1 }, NOON + 1);
    const first = await till.get('/products', { limit: 2 });
    expect(first.data.items[0]).toMatchObject({ product: 'BREAD', price: null, active: true, fractional: false });
    expect(first.data.items[1]).toMatchObject({ price: { minor: 1999, per: 1, currency: 'ZAR' }, barcodes: ['600'] });
    expect(await found({ limit: 2, after: first.data.next })).toEqual(['MILK-2L']);
    edge.clock.advance(1);
    expect((await till.get('/products', { barcode: '600' })).data.items[0].price.minor).toBe(2100);
  });
});

describe('feed records', () => {
  const apply = (version: number, name: string, changes: object = {}): Promise<void> =>
    writeRows(edge.store, (tx) =>
      FEED_ROWS.product.apply(tx, {
        take: visibleTake(tx),
        key: 'P1',
        version,
        contract: 1,
        deleted: false,
        body: {
          code: 'P1',
          name,
          category: null,
          department: null,
          brand: null,
          packSize: null,
          taxClass: null,
          fractional: false,
          barcodes: [`bar-${version}`],
          active: true,
          ...changes,
        },
      }),
    );
  const names = async (): Promise<string[]> =>
    (await till.get('/products')).data.items.map((item: { name: string }) => item.name);

  it('replace what is older, with all that belongs to it, and never what is newer', async () => {
    await apply(2, 'two');
    await apply(1, 'one');
    await apply(2, 'two again');
    expect(await names()).toEqual(['two']);
    await apply(3, 'three');
    expect(await names()).toEqual(['three']);
    expect(await found({ barcode: 'bar-2' })).toEqual([]);
    expect(await found({ barcode: 'bar-3' })).toEqual(['P1']);
  });

  it('take a product away only when the deletion is newer', async () => {
    await apply(2, 'two');
    const remove = (version: number): Promise<void> =>
      writeRows(edge.store, (tx) =>
        FEED_ROWS.product.apply(tx, {
          take: visibleTake(tx),
          key: 'P1',
          version,
          contract: 1,
          deleted: true,
          body: {},
        }),
      );
    await remove(2);
    expect(await names()).toEqual(['two']);
    await remove(3);
    expect(await names()).toEqual([]);
    expect(edge.store.reads.all('SELECT * FROM barcode')).toEqual([]);
  });

  it('that are none of their kind change nothing', async () => {
    await apply(1, 'one');
    await expect(apply(2, 'two', { barcodes: 'none' })).rejects.toThrow();
    expect(await names()).toEqual(['one']);
  });
});

describe('stock', () => {
  it('is what was sold, below zero, by product and page', async () => {
    await edge.product('A', { minor: 100, fractional: true });
    await edge.product('B', { minor: 100 });
    await till.openShift();
    const lines = [
      { lineNo: 1, product: 'A', quantity: 0.25 },
      { lineNo: 2, product: 'B', quantity: 3 },
      { lineNo: 3, product: 'A', quantity: 1 },
    ];
    await till.sell(milkSale({ lines }));
    expect((await till.get('/stock')).data).toEqual({
      items: [
        { product: 'A', onHand: -1.25 },
        { product: 'B', onHand: -3 },
      ],
      next: null,
    });
    expect((await till.get('/stock', { product: 'B' })).data.items).toEqual([{ product: 'B', onHand: -3 }]);
    expect((await till.get('/stock', { product: 'C' })).data.items).toEqual([]);
    const first = await till.get('/stock', { limit: 1 });
    expect((await till.get('/stock', { limit: 1, after: first.data.next })).data.items[0].product).toBe('B');
  });
});

describe('a box whose settings have not come', () => {
  it('says so, and sells nothing', async () => {
    const bare = await EdgeHarness.start();
    try {
      await bare.operator('ANNE', 'cashier');
      const anne = await bare.till('T1', 'ANNE');
      const { status, data } = await anne.openShift();
      expect([status, data.code]).toEqual([503, 'busy']);
      expect(data.detail).toContain('settings');
    } finally {
      await bare.close();
    }
  });
});
