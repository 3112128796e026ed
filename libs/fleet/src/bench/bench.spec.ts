import { describe, expect, it } from '@jest/globals';
import { benchRow, median, quantile } from './bench.js';
import { tableOf } from './result.js';
import { inRounds } from './rounds.js';

const aborted = new AbortController();
const context = { rounds: 3, signal: aborted.signal, note: () => undefined };

describe('a row of a bench', () => {
  it('tells the median, how far the rounds lay apart, and the ratio of the medians', () => {
    const row = benchRow({
      what: 'sales',
      unit: 'sales/s',
      samples: [300, 100, 200],
      yardstick: { what: 'bare', samples: [50, 400, 100] },
    });
    expect(row).toMatchObject({ value: 200, min: 100, max: 300, yardstick: 100, ratio: 2, rounds: 3, met: null });
    expect(row).toMatchObject({ yardstickMin: 50, yardstickMax: 400, yardstickWhat: 'bare' });
  });

  it.each([
    [{ of: 'ratio', atLeast: 1.25 }, true],
    [{ of: 'ratio', atLeast: 1.26 }, false],
    [{ of: 'value', atMost: 125 }, true],
    [{ of: 'value', atMost: 124 }, false],
    [{ of: 'value', atLeast: 126 }, false],
  ] as const)('says whether %j is met: %s', (goal, met) => {
    const yardstick = { what: 'bare', samples: [100] };
    expect(benchRow({ what: 'x', unit: 'ms', samples: [125], yardstick, goal }).met).toBe(met);
  });

  it('takes the middle of an even number of rounds, and of latencies the one that so many are not above', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(quantile([5, 1, 4, 2, 3], 0.8)).toBe(4);
    expect(quantile([7], 0.99)).toBe(7);
    expect(() => median([])).toThrow('nothing was measured');
  });
});

describe('the rounds of a bench', () => {
  it('give every subject its turn in each round, and begin each with another', async () => {
    const order: string[] = [];
    const subject = (name: string) => async (round: number) => order.push(`${name}${round}`);
    const figures = await inRounds(context, { a: subject('a'), b: subject('b') });
    expect(order).toEqual(['a0', 'b0', 'b1', 'a1', 'a2', 'b2']);
    expect(figures).toEqual({ a: [1, 4, 5], b: [2, 3, 6] });
  });

  it('end when they are interrupted', async () => {
    const stop = new AbortController();
    const measured = inRounds(
      { ...context, signal: stop.signal },
      {
        a: async () => {
          stop.abort(new Error('interrupted'));
          return 1;
        },
      },
    );
    await expect(measured).rejects.toThrow('interrupted');
  });
});

describe('the table of a bench', () => {
  it('shows what was measured, on what, and which goals were missed', () => {
    const machine = { cpus: 2, model: 'A', memoryGb: 8, os: 'Linux 6', node: '20' };
    const row = benchRow({
      what: 'sales',
      unit: 'sales/s',
      samples: [200],
      yardstick: { what: 'bare', samples: [400] },
      goal: { of: 'ratio', atLeast: 1.25 },
    });
    const table = tableOf({ machine, fdatasyncMs: 0.2, fdatasyncMsP99: 0.4, rows: [row] });
    expect(table).toContain('2 × A, 8 GB, Linux 6, Node 20; fdatasync 0.2 ms, p99 0.4 ms');
    expect(table).toMatch(/sales +200 sales\/s +200 – 200 +400 sales\/s +0\.5 × +≥ 1\.25 × +MISSED/);
    expect(table).toContain('yardstick of "sales": bare');
  });
});
