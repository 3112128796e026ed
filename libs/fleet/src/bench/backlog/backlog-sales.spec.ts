import { describe, expect, it } from '@jest/globals';
import { lineAmountMinor } from '@branchline/domain/price.js';
import { quantityMilli } from '@branchline/domain/quantity.js';
import { parseDeviceReference } from '@branchline/domain/receipt-number.js';
import { backlogOfTill } from './backlog-sales.js';

const DAY_MS = 24 * 3_600_000;
const NOW_MS = Date.UTC(2026, 10, 21, 12);
const products = Array.from({ length: 8 }, (_, at) => ({
  product: `P${at}`,
  fractional: at % 3 === 0,
  priceMinor: 199 + 50 * at,
}));
const backlog = (seed: number) => [
  ...backlogOfTill('T1', { sales: 60, days: 30, seed }, { products, operator: 'mia' }, NOW_MS),
];

describe('a till’s backlog', () => {
  it('goes evenly through the days until now, two sales a day of sixty in thirty days', () => {
    const moments = backlog(1).map(({ occurredAt }) => Date.parse(occurredAt));
    expect(moments[0]).toBe(NOW_MS - 30 * DAY_MS);
    expect(moments.at(-1)).toBe(NOW_MS - DAY_MS / 2);
    expect(moments).toEqual([...moments].sort((a, b) => a - b));
  });

  it('bears device references that the edge takes, of the day of the sale, each once in all backlogs of a run', () => {
    const sales = [...backlog(1), ...backlog(2)];
    const references = sales.map(({ deviceReference }) => deviceReference);
    expect(new Set(references).size).toBe(120);
    for (const { deviceReference, occurredAt } of sales) {
      expect(parseDeviceReference(deviceReference)?.businessDate).toBe(occurredAt.slice(0, 10));
    }
  });

  it('sells at prices that come to the total which is expected', () => {
    for (const { lines, expectedTotalMinor } of backlog(3)) {
      const amounts = lines.map(({ quantity, price }) => lineAmountMinor(price, quantityMilli(quantity)));
      expect(amounts.reduce((sum, amount) => sum + amount, 0)).toBe(expectedTotalMinor);
    }
  });
});
