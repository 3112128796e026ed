import { describe, expect, it } from '@jest/globals';
import { judgeGoals } from './bench-goals.js';

const row = { what: 'sales', value: 200, unit: 'sales/s', ratio: 2, goal: {}, met: true };

describe('the goals of a bench', () => {
  it('are told with their figures, and counted when missed', () => {
    const judged = judgeGoals({
      fdatasyncMs: 1,
      rows: [row, { ...row, what: 'start', ratio: null, unit: 'ms', met: false }, { ...row, what: 'info', met: null }],
    });
    expect(judged).toEqual({ said: ['sales 200 sales/s = 2 ×', 'start 200 ms MISSED'], missed: 1 });
  });

  it('are not met by a bench that has none', () => {
    expect(judgeGoals({ fdatasyncMs: 1, rows: [{ ...row, met: null }] }).missed).toBe(1);
  });
});
