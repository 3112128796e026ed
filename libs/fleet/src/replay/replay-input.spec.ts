import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { importCsv, journeyRows } from './import-csv.js';
import { BadRows, type InputRequest, readReplayInput, type ReplayInput } from './replay-input.js';

const PRODUCTS = `product_id,manufacturer_id,department,brand,product_category,product_type,package_size
10,1,GROCERY,National,"CHEESE, ""HARD""",CHEDDAR,8 OZ
20,1,FUEL,National,NA,NA,NA
`;
const SALES = `household_id,store_id,basket_id,product_id,quantity,sales_value,retail_disc,coupon_disc,coupon_match_disc,week,transaction_timestamp
1,300,901,10,2,4.98,0.5,0,0,1,2017-01-02 10:00:00
1,300,902,20,1.5,3,0,0,0,1,2017-01-02 11:00:00
2,300,903,77,1,0,0,0,0,1,2017-01-02 12:00:00
2,31,904,10,1,2.49,0,0,0,1,2017-01-02 12:00:00
3,31,905,10,1,2.49,0,0,0,1,2017-01-02 13:00:00
3,4,906,88,1,2,0,0,0,1,2017-01-02 13:00:00
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-input-'));
});
afterEach(() => {
  for (const input of open.splice(0)) input.close();
  rmSync(folder, { recursive: true });
});

const told: string[] = [];
const open: ReplayInput[] = [];
async function read(sales: string, request: Partial<InputRequest> = {}): Promise<ReplayInput> {
  const files = { productsFile: join(folder, 'products.csv'), salesFile: join(folder, 'sales.csv') };
  writeFileSync(files.productsFile, PRODUCTS);
  writeFileSync(files.salesFile, sales);
  told.length = 0;
  const input = await readReplayInput({ ...files, stores: 'all', skipBad: false, ...request }, ({ rows }) =>
    told.push(...rows.map(({ line, reason }) => `line ${line}: ${reason}`)),
  );
  open.push(input);
  return input;
}

describe('the input of a replay', () => {
  it('names the products that are missing, for the stores that are replayed only', async () => {
    const all = await read(SALES);
    expect(all.stores.map(({ id, basketCount }) => [id, basketCount])).toEqual([
      ['300', 3],
      ['31', 2],
      ['4', 1],
    ]);
    expect(all.unknownProducts).toEqual(['UNKNOWN-77', 'UNKNOWN-88']);
    expect(all.basketsOf('300')[2]?.lines[0]?.product).toBe('UNKNOWN-77');
    expect((await read(SALES, { stores: { ids: ['31', '300'] } })).unknownProducts).toEqual(['UNKNOWN-77']);
    expect((await read(SALES, { stores: 1 })).stores.map(({ id }) => id)).toEqual(['300']);
  });

  it('is refused when a store asked for is not there', async () => {
    await expect(read(SALES, { stores: { ids: ['300', '5'] } })).rejects.toThrow('no baskets of store 5');
  });

  it('is refused for one bad row, and without that basket when bad rows are skipped', async () => {
    const bad = SALES.replace('2,4.98', '2,-4.98');
    await expect(read(bad)).rejects.toBeInstanceOf(BadRows);
    const skipped = await read(bad, { skipBad: true });
    expect(skipped.basketsOf('300')).toHaveLength(2);
    expect(told).toEqual([expect.stringMatching(/^line 2: sales_value/)]);
  });

  it('with another header is refused, whatever is skipped', async () => {
    await expect(read(SALES.replace('week', 'weak'), { skipBad: true })).rejects.toBeInstanceOf(BadRows);
  });

  it('bears the hashes of its files, which change with a single byte', async () => {
    const { hashes } = await read(SALES);
    expect((await read(SALES)).hashes).toEqual(hashes);
    const other = (await read(`${SALES}\n`)).hashes;
    expect(other.products).toBe(hashes.products);
    expect(other.sales).not.toBe(hashes.sales);
  });

  it('becomes an import in which each store carries what it sells', async () => {
    const input = await read(SALES);
    const csv = [...importCsv(journeyRows(input.products(), (store) => `S${store}`))].join('');
    const rows = parse<Record<string, string>>(csv, { columns: true });
    expect(rows).toHaveLength(4);
    expect(rows[0]).toMatchObject({
      product: '10',
      category: 'CHEESE, "HARD"',
      assortments: 'S300|S31',
      fractional: 'no',
    });
    expect(rows[1]).toMatchObject({ product: '20', assortments: 'S300', fractional: 'yes' });
    expect(rows[2]).toMatchObject({ product: 'UNKNOWN-77', assortments: 'S300' });
  });
});
