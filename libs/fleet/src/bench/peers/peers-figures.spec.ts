import { describe, expect, it } from '@jest/globals';
import { rowsOf } from './peers-figures.js';
import type { Compared } from './subject.js';

const compared = (name: string, seconds: number, bytes: number, arrived = 1_000): Compared => ({
  name,
  durability: 'kept',
  transfer: { sales: 1_000, arrived, seconds, idleS: 0, upBytes: bytes - 100, downBytes: 100, resets: 2 },
  trialSales: 100,
  afterKills: { lost: 0, doubled: 0 },
  afterRestore: { lost: 3, doubled: 1 },
});

describe('the figures of the peers', () => {
  it('set ours against the fastest, and against the one with the fewest bytes', () => {
    const [speed, wire] = rowsOf([compared('ours', 1, 80_000), compared('a', 10, 90_000), compared('b', 4, 160_000)]);
    expect(speed).toMatchObject({ value: 1_000, yardstick: 250, ratio: 4, met: false });
    expect(speed?.yardstickWhat).toContain('b: ');
    expect(wire).toMatchObject({ value: 80, yardstick: 90, met: true });
  });

  it('hold the goal against the fastest of those that lost nothing when they were killed, and tell the others beside', () => {
    const loser = { ...compared('loser', 2, 160_000), afterKills: { lost: 7, doubled: 0 } };
    const [speed, other] = rowsOf([compared('ours', 1, 80_000), compared('a', 10, 90_000), loser]);
    expect(speed).toMatchObject({ yardstick: 100, ratio: 10, met: true });
    expect(other).toMatchObject({ yardstick: 500, ratio: 2, goal: null });
    expect(other?.what).toContain('lost 7 of 100');
    // Where all have lost some there is nothing better to be measured by.
    const [only] = rowsOf([compared('ours', 1, 80_000), loser]);
    expect(only).toMatchObject({ yardstick: 500, ratio: 2, met: false });
  });

  it('say of one that was stopped how far it came, and count its rate by what arrived', () => {
    const rows = rowsOf([compared('ours', 1, 80_000), compared('slow', 100, 90_000, 500)]);
    const slow = rows.find(({ what }) => what.startsWith('slow: sales'));
    expect(slow?.value).toBe(5);
    expect(slow?.what).toContain('500 of 1000 in 100 s, then stopped');
  });

  it('tell of one that waits before anything moves both rates, and hold the goal against the one without the wait', () => {
    const waits = compared('waits', 10, 90_000);
    const rows = rowsOf([compared('ours', 1, 80_000), { ...waits, transfer: { ...waits.transfer, idleS: 90 } }]);
    const rates = rows.filter(({ what, unit }) => what.startsWith('waits: sales') && unit === 'sales/s');
    expect(rates.map(({ value }) => value)).toEqual([100, 10]);
    expect(rows[0]).toMatchObject({ yardstick: 100, ratio: 10 });
  });

  it('want of ours that nothing is lost or doubled, and tell it of the others', () => {
    const judged = rowsOf([compared('ours', 1, 80_000), compared('a', 10, 90_000)]).filter(
      ({ unit }) => unit === 'sales',
    );
    expect(judged.map(({ value, met }) => [value, met])).toEqual([
      [0, true],
      [0, true],
      [3, false],
      [1, false],
      [0, null],
      [0, null],
      [3, null],
      [1, null],
    ]);
  });
});
