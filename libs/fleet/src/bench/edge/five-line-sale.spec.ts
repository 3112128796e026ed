import { describe, expect, it } from '@jest/globals';
import { demoCatalogueCsv, demoProducts } from '../../demo/demo-chain.js';
import { chanceFrom } from './chance.js';
import { fiveLineSale } from './five-line-sale.js';

const products = demoProducts(demoCatalogueCsv(), 'EAST');
const saleOf = (seed: number) =>
  fiveLineSale({
    id: 'id',
    deviceReference: 'T1-20261120-000001',
    occurredAtMs: 0,
    products,
    chance: chanceFrom(seed),
  });

describe('a sale of the bench', () => {
  it('is five different products and paid to the cent, or with notes', () => {
    for (let seed = 0; seed < 200; seed += 1) {
      const { lines, tenders, expectedTotalMinor } = saleOf(seed);
      expect(new Set(lines.map(({ product }) => product)).size).toBe(5);
      const paid = tenders.reduce((sum, { amountMinor }) => sum + amountMinor, 0);
      const onlyCash = tenders.every(({ type }) => type === 'cash');
      expect(paid - expectedTotalMinor).toBeGreaterThanOrEqual(0);
      expect(paid === expectedTotalMinor || onlyCash).toBe(true);
    }
  });

  it('differs from the one before, and is the same for the same seed', () => {
    const baskets = Array.from({ length: 100 }, (_, seed) => JSON.stringify(saleOf(seed).lines));
    expect(new Set(baskets).size).toBe(100);
    expect(saleOf(7)).toEqual(saleOf(7));
  });
});
