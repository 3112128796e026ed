import { describe, expect, it } from '@jest/globals';
import { isGtin } from '@branchline/domain/gtin.js';
import { parse } from 'csv-parse/sync';
import { APPETITE_FOR, APPETITE_IN } from './basket.js';
import { DEMO_STAFF, DEMO_TAX_CLASSES, DEMO_TILLS, DEMO_ZONES } from './demo-chain.js';
import { demoBranches, demoCatalogueCsv, demoRegions } from './demo-chain.js';

describe('the demo catalogue', () => {
  const rows = parse<Record<string, string>>(demoCatalogueCsv(), { columns: true });
  const products = new Map(rows.map((row) => [row['product'], row]));

  it('has a few hundred products in many categories, some of them weighed, under both taxes', () => {
    const all = [...products.values()];
    const different = (column: string): number => new Set(all.map((row) => row[column])).size;
    expect(products.size).toBeGreaterThanOrEqual(300);
    expect(different('category')).toBeGreaterThanOrEqual(12);
    expect(different('name')).toBe(products.size);
    expect(all.filter(({ fractional }) => fractional === 'yes').length).toBeGreaterThan(30);
    expect(new Set(all.map(({ taxClass }) => taxClass))).toEqual(new Set(DEMO_TAX_CLASSES.map(({ code }) => code)));
  });

  it('gives each product an EAN-13 of its own with the right check digit, and a price in every zone', () => {
    expect(new Set([...products.values()].map(({ barcodes }) => barcodes)).size).toBe(products.size);
    for (const { barcodes = '' } of rows)
      expect([barcodes, barcodes.length, isGtin(barcodes)]).toEqual([barcodes, 13, true]);
    const priced = rows.map(({ product, priceZone, priceMinor }) =>
      [product, priceZone, Number(priceMinor) > 0].join(),
    );
    const wanted = [...products.keys()].flatMap((product) =>
      DEMO_ZONES.map(({ code }) => [product, code, true].join()),
    );
    expect(priced.sort()).toEqual(wanted.sort());
  });

  it('has what people buy most often', () => {
    for (const product of Object.keys(APPETITE_FOR)) expect([...products.keys()]).toContain(product);
    const departments = [...products.values()].map(({ department }) => department);
    for (const department of Object.keys(APPETITE_IN)) expect(departments).toContain(department);
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

  it('have a cashier and a drawer at each till, and somebody who may close the day', () => {
    const cashiers = DEMO_TILLS.map(({ cashier }) => cashier);
    expect(new Set(cashiers).size).toBe(DEMO_TILLS.length);
    expect(new Set(DEMO_TILLS.map(({ drawer }) => drawer)).size).toBe(DEMO_TILLS.length);
    expect(DEMO_STAFF.filter(({ role }) => role === 'cashier').map(({ operator }) => operator)).toEqual(cashiers);
    expect(DEMO_STAFF.find(({ operator }) => operator === 'tom')).toMatchObject({ role: 'supervisor' });
  });
});
