import { describe, expect, it } from '@jest/globals';
import { inTurns, Turn } from './turn.js';

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

describe('parts made in turns', () => {
  it('come in their order, each after work that was waiting when the one before was made', async () => {
    const done: string[] = [];
    function* parts(): Generator<number> {
      for (let no = 1; no <= 3; no += 1) {
        done.push(`part ${no}`);
        setImmediate(() => done.push(`other work ${no}`));
        yield no;
      }
    }
    expect(await inTurns(parts())).toEqual([1, 2, 3]);
    expect(done).toEqual(['part 1', 'other work 1', 'part 2', 'other work 2', 'part 3', 'other work 3']);
  });
});
