import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { movementsOfSale } from '@branchline/domain/stock.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import { v7 } from 'uuid';
import { DerivedRows } from '../src/database/migrations/000008-derived-rows.js';
import { migrate } from '../src/database/migrate.js';
import { Database } from '../src/database/unit-of-work.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness, type Signed } from './hub-harness.js';
import { withOlderDatabase } from './older-database.js';
import { TestBox } from './test-box.js';

const VAT = { code: 'VAT15', ratePpm: 150_000 };
const SALE_TAX = 'SELECT line_no, tax_no, code, rate_ppm, amount_minor FROM sale_tax ORDER BY sale_id, line_no, tax_no';

/** Of 2.61: all of it in one tax, in two, less than it in one, and none where none is due. */
const TAXES = [
  [{ ...VAT, amountMinor: 261 }],
  [
    { code: 'STATE', ratePpm: 100_000, amountMinor: 174 },
    { code: 'CITY', ratePpm: 50_000, amountMinor: 87 },
  ],
  [{ ...VAT, amountMinor: 260 }],
  [],
];

const rowsOf = (lineNo: number, taxes: (typeof TAXES)[number]) =>
  taxes.map(({ code, ratePpm: rate_ppm, amountMinor: amount_minor }, at) => {
    return { line_no: lineNo, tax_no: at + 1, code, rate_ppm, amount_minor };
  });

describe('what is read from the lines of a sale', () => {
  let harness: HubHarness;
  let other: Signed;
  let box: TestBox;
  let sale: SaleBody;

  beforeAll(async () => {
    harness = await startHubHarness();
    other = await harness.newTenant('OTHER');
    await createPlaces(harness.admin.api);
    await createBranch(harness.admin.api, 'B001');
    box = await TestBox.enrol(harness.url, harness.admin.api, 'B001');
    const journal = box.newJournal();
    sale = journal.sale({ lines: TAXES.map((taxes, at) => ({ product: `P${at}`, milli: 1000 + at, taxes })) });
    expect((await box.push(journal.push())).data).toMatchObject({ appliedSeq: 2, quarantined: [] });
  });
  afterAll(() => harness.close());

  const read = <T>(sql: string, tenant = box.tenant): Promise<T[]> =>
    harness.database.transaction(tenant, (tx) => tx.query<T>(sql));

  it('is each tax as the sale tells it: one, several, one that is not all, none', async () => {
    expect(await read(SALE_TAX)).toEqual(TAXES.flatMap((taxes, at) => rowsOf(at + 1, taxes)));
    const [ownRows] = await read<{ rows: number }>('SELECT count(*) AS rows FROM sale_line_tax');
    expect(ownRows?.rows).toBe(3);
  });

  it('is each movement of stock, by the rule of the ledger', async () => {
    const rows = await read(
      'SELECT product, quantity_milli AS "quantityMilli", reason, business_date AS date, source_id AS source FROM stock_movement ORDER BY movement_no',
    );
    const { businessDate: date, id: source } = sale;
    expect(rows).toEqual(movementsOfSale(sale.lines).map((movement) => ({ ...movement, date, source })));
  });

  it.each(['stock_movement', 'sale_tax'])(
    'shows nothing of %s to another tenant, and changes nothing',
    async (view) => {
      expect(await read(`SELECT 1 FROM ${view}`, other.tenantId)).toEqual([]);
      await expect(read(`DELETE FROM ${view}`)).rejects.toThrow();
    },
  );
});

describe('rows of before', () => {
  const [tenant, branch, id] = [v7(), v7(), v7()];
  const LINE = `INSERT INTO sale_line VALUES ('${tenant}', '${branch}', '${id}', $1, $2, '', $3, 100, 1, 'book', 0, 0, 0, $4, 0)`;
  const TAX = `INSERT INTO sale_tax VALUES ('${tenant}', '${branch}', '${id}', $1, $2, $3, $4, $5)`;
  const SALE = `INSERT INTO sale SELECT '${tenant}', '${branch}', '${id}', 'R', NULL, 1, 'T1', 'anna', NULL, '2026-11-20', 9, now(), now(), 'live', NULL, 'ZAR',
    1, 1000, 0, 0, 0, 0, 0, 0, 0, '[]', '${id}', 2, ''`;

  it('tell the same after the migration', async () => {
    await withOlderDatabase(DerivedRows, async (dataSource) => {
      await dataSource.query(SALE);
      for (const [at, taxes] of TAXES.entries()) {
        await dataSource.query(LINE, [at + 1, `P${at}`, 1000 + at, at === 3 ? 0 : 261]);
        for (const { line_no, tax_no, code, rate_ppm, amount_minor } of rowsOf(at + 1, taxes))
          await dataSource.query(TAX, [line_no, tax_no, code, rate_ppm, amount_minor]);
      }
      const before: unknown[] = await dataSource.query(SALE_TAX);
      await migrate(dataSource);
      const database = new Database(dataSource, Math.random);
      const read = (sql: string): Promise<unknown[]> => database.transaction(tenant, (tx) => tx.query(sql));
      expect(await read(SALE_TAX)).toEqual(before);
      expect(before).toHaveLength(4);
      expect(await read('SELECT count(*) AS rows FROM sale_line_tax')).toEqual([{ rows: 3 }]);
      expect(await read('SELECT sum(quantity_milli)::bigint AS sum FROM stock_movement')).toEqual([{ sum: -4006 }]);
    });
  });
});
