import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Problem } from '@branchline/http/problem.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import { saleSchema } from '@branchline/replication/kinds/sale.js';
import fc from 'fast-check';
import { FEED_ROWS } from '../feed-appliers.js';
import { openDatabase, type EdgeDatabase } from '../store/database.js';
import { visibleTake } from '../store/testing/store-fixture.js';
import { branchSettings } from '../tills/branch-settings.js';
import { composeSale } from './compose-sale.js';
import type { SaleInput } from './sale-input.js';
import type { SaleSource } from './sale-lines.js';

const NOON = Date.parse('2026-11-20T12:00:00Z');
const ID = '0193a5b0-0000-7000-8000-000000000000';

let folder: string;
let database: EdgeDatabase;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-compose-'));
  database = await openDatabase(join(folder, 'edge.db'));
  const tx = database.connection;
  const feed = (kind: keyof typeof FEED_ROWS, key: string, body: object): void =>
    FEED_ROWS[kind].apply(tx, { take: visibleTake(tx), key, version: 1, contract: 1, deleted: false, body });
  feed('tax-class', 'STD', {
    code: 'STD',
    components: [
      { code: 'VAT', ratePpm: 150_000 },
      { code: 'CITY', ratePpm: 12_500 },
    ],
  });
  feed('branch-settings', 'settings', {
    code: 'B001',
    name: 'Sea Point',
    timeZone: 'Africa/Johannesburg',
    cutOffMinutes: 0,
    currency: 'ZAR',
    taxRounding: 'receipt',
    defaultTaxClass: 'STD',
    priceZone: 'Z1',
    assortment: 'A1',
    region: 'CAPE',
    receiptName: 'Branchline',
  });
  const names = { category: null, department: null, brand: null, packSize: null, taxClass: null };
  for (const code of ['A', 'B']) {
    feed('product', code, { code, name: code, ...names, fractional: true, barcodes: [], active: true });
    const price = { minor: code === 'A' ? 333 : 2599, per: code === 'A' ? 1 : 10 };
    feed('price', `${code}/-`, { product: code, price, currency: 'ZAR', validFrom: 0, validTo: null });
  }
});
afterAll(async () => {
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});

const compose = (source: SaleSource, input: Omit<SaleInput, 'id'>): SaleBody =>
  composeSale(database.connection, {
    input: { id: ID, ...input },
    contentHash: '0'.repeat(64),
    source,
    till: 'T1',
    device: null,
    operator: 'ANNE',
    epoch: 1,
    place: { settings: branchSettings(database.connection), shift: null, sealedTo: null, lastReceiptNo: 0 },
    receiptNumber: 'B001-T1-1-000001',
    occurredAtMs: NOON,
    soldAtMs: NOON,
    flags: [],
  }).body;

const lineOf = (product: fc.Arbitrary<string>) =>
  fc
    .record({
      product,
      milli: fc.integer({ min: 1, max: 50_000 }),
      sent: fc.option(fc.integer({ min: 0, max: 5_000 })),
    })
    .map(({ product, milli, sent }) => ({
      product,
      quantity: milli / 1000,
      ...(sent !== null && { price: { minor: sent, per: 1 } }),
    }));

const lines = (product: fc.Arbitrary<string>): fc.Arbitrary<SaleInput['lines']> =>
  fc
    .array(lineOf(product), { minLength: 1, maxLength: 8 })
    .map((all) => all.map((line, at) => ({ lineNo: at + 1, ...line })));

const tenders: fc.Arbitrary<SaleInput['tenders']> = fc
  .array(
    fc.record({ type: fc.constantFrom('cash', 'card', 'voucher'), amountMinor: fc.integer({ min: 0, max: 60_000 }) }),
    {
      maxLength: 4,
    },
  )
  .map((all) => all.map((tender, at) => ({ tenderNo: at + 1, ...tender })));

const paidMinor = ({ tenders: all, changeMinor }: SaleBody): number =>
  all.reduce((sum, { amountMinor, cashBackMinor = 0 }) => sum + amountMinor - cashBackMinor, 0) - changeMinor;

function assertHoldsTogether(body: SaleBody): void {
  expect(saleSchema.safeParse(body).success).toBe(true);
  expect(paidMinor(body)).toBe(body.totalMinor + body.cashRoundingMinor);
  expect(body.totalMinor).toBe(body.netMinor + body.taxMinor);
  for (const column of ['amountMinor', 'netMinor', 'taxMinor', 'totalMinor'] as const) {
    expect(body.lines.reduce((sum, line) => sum + line[column], 0)).toBe(body[column]);
  }
}

describe('composeSale', () => {
  it('lets no live sale through whose tenders do not meet its total, and refuses only with a problem', () => {
    let taken = 0;
    const book = lines(fc.constantFrom('A', 'B')).map((all) => all.map(({ price: _own, ...line }) => line));
    fc.assert(
      fc.property(book, tenders, (saleLines, paid) => {
        try {
          const body = compose('live', { lines: saleLines, tenders: paid });
          assertHoldsTogether(body);
          expect(body.cashRoundingMinor).toBe(0);
          taken += 1;
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          expect(error.code).toBe('tenders-unbalanced');
        }
      }),
      { numRuns: 300 },
    );
    expect(taken).toBeGreaterThan(20);
  });

  it('takes every well-formed finished sale, known or not, paid or not, and it still adds up', () => {
    fc.assert(
      fc.property(
        lines(fc.constantFrom('A', 'B', 'NOPE')),
        tenders,
        fc.option(fc.integer()),
        (saleLines, paid, expected) => {
          const body = compose('away', {
            lines: saleLines,
            tenders: paid,
            ...(expected !== null && { expectedTotalMinor: expected }),
          });
          assertHoldsTogether(body);
          expect(body.flags.includes('tenders-unbalanced')).toBe(body.cashRoundingMinor !== 0);
          expect(body.flags.includes('total-differs')).toBe(expected !== null && expected !== body.totalMinor);
        },
      ),
      { numRuns: 300 },
    );
  });
});
