import { describe, expect, it } from '@jest/globals';
import { planOutage } from './outage-plan.js';

describe('when the hub is away', () => {
  it.each([
    [3, { from: 1, to: 2, killAt: 1 }],
    [4, { from: 1, to: 2, killAt: 1 }],
    [5, { from: 1, to: 3, killAt: 2 }],
    [6, { from: 2, to: 4, killAt: 3 }],
    [630, { from: 210, to: 420, killAt: 315 }],
  ])('is the middle third of %i baskets, the kill in its middle', (count, plan) => {
    expect(planOutage(count, 0)).toMatchObject(plan);
  });

  it.each([1, 2])('is all the time with %i baskets, the kill at the first', (count) => {
    expect(planOutage(count, 0)).toMatchObject({ from: 0, to: count, killAt: 0 });
  });

  it('kills by turns before the request and after the reply', () => {
    expect([0, 1, 2, 3].map((position) => planOutage(9, position).moment)).toEqual([
      'before',
      'after',
      'before',
      'after',
    ]);
  });

  it('always has its kill inside itself', () => {
    for (let count = 1; count < 100; count += 1) {
      const { from, to, killAt } = planOutage(count, 0);
      expect(killAt >= from && killAt < to && to <= count).toBe(true);
    }
  });
});
