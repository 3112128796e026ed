import { describe, expect, it } from '@jest/globals';
import { spentUs } from './cpu-time.js';

describe('CPU time spent', () => {
  it('is of those that are still there and of those that came, never less than nothing for one that has gone', () => {
    const before = new Map([
      [1, 1_000],
      [2, 90_000],
    ]);
    const after = new Map([
      [1, 1_500],
      [3, 20],
    ]);
    expect(spentUs(before, after)).toBe(520);
    expect(spentUs(null, after)).toBeNull();
  });
});
