import { describe, expect, it } from '@jest/globals';
import { Turn } from './turn.js';

describe('a turn at lines', () => {
  it('is over after 64 short ones, and then begins anew', () => {
    const turn = new Turn();
    const ends = Array.from({ length: 150 }, (_none, at) => (turn.isOver(2_600) ? [at + 1] : [])).flat();
    expect(ends).toEqual([64, 128]);
  });

  it('is over after a mebibyte of long ones', () => {
    const turn = new Turn();
    const ends = Array.from({ length: 10 }, (_none, at) => (turn.isOver(256 * 1024) ? [at + 1] : [])).flat();
    expect(ends).toEqual([4, 8]);
  });
});
