import { describe, expect, it } from '@jest/globals';
import { isGtin } from '@branchline/domain/gtin.js';
import { lineAmountMinor } from '@branchline/domain/price.js';
import { quantityMilli } from '@branchline/domain/quantity.js';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import {
  DEMO_TAX_CLASSES,
  DEMO_ZONES,
  demoBranches,
  demoCatalogueCsv,
  demoProducts,
  demoRegions,
} from './demo-chain.js';
import { demoSale } from './shopper.js';

const csv = demoCatalogueCsv();

describe('the demo catalogue', () => {
  const rows = parse<Record<string, string>>(csv, { columns: true });

  it('has some fifty products, each with a valid GTIN of its own, a known tax class and a price in every zone', () => {
    const products = new Map(rows.map((row) => [row['product'], row]));
    expect(products.size).toBeGreaterThanOrEqual(40);
    expect(rows).toHaveLength(products.size * DEMO_ZONES.length);
    expect(new Set(rows.map(({ barcodes }) => barcodes)).size).toBe(products.size);
    for (const { barcodes = '', taxClass } of rows) {
      expect(isGtin(barcodes)).toBe(true);
      expect(DEMO_TAX_CLASSES.map(({ code }) => code)).toContain(taxClass);
    }
    for (const { code } of DEMO_ZONES) expect(demoProducts(csv, code)).toHaveLength(products.size);
  });
});

describe('the demo stores', () => {
  it('stand in different regions and time zones, as long as there are some', () => {
    const three = demoBranches(3);
    expect(new Set(three.map(({ region }) => region)).size).toBe(3);
    expect(new Set(three.map(({ timeZone }) => timeZone)).size).toBe(3);
  });

  it('have codes and names of their own and regions that exist', () => {
    const many = demoBranches(32);
    expect(new Set(many.map(({ code }) => code)).size).toBe(32);
    expect(new Set(many.map(({ name }) => name)).size).toBe(32);
    const regions = demoRegions(32).map(({ code }) => code);
    for (const { region } of many) expect(regions).toContain(region);
  });
});

describe('a shopper', () => {
  const products = demoProducts(csv, 'EAST');

  it('takes each thing once, and always pays enough: by card exactly, in cash with notes', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })), (stream) => {
        const sale = demoSale('id', products, () => stream.next().value as number);
        const total = sale.lines.reduce((sum, { product, quantity }) => {
          const minor = products.find((known) => known.product === product)?.priceMinor ?? Number.NaN;
          return sum + lineAmountMinor({ minor, per: 1 }, quantityMilli(quantity));
        }, 0);
        const [tender] = sale.tenders;
        expect(sale.expectedTotalMinor).toBe(total);
        expect(new Set(sale.lines.map(({ product }) => product)).size).toBe(sale.lines.length);
        expect(sale.lines.length).toBeGreaterThan(0);
        expect(tender?.type === 'card' ? tender.amountMinor === total : (tender?.amountMinor ?? 0) >= total).toBe(true);
      }),
    );
  });
});
