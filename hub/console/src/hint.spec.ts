import { expect, it } from '@jest/globals';
import type { BranchToday, TrialBranch } from './answers.js';
import { Guide } from './hint.js';

const HASHES = ['a', 'b'].map((letter) => letter.repeat(64));
const at = (seq: number, baskets: number) =>
  ({
    branch: 'B001',
    name: 'Newtown',
    currency: 'AUD',
    businessDate: '2026-11-20',
    baskets,
    totalMinor: baskets * 100,
    knownTo: { seq, at: '' },
    headHash: HASHES[seq % 2],
    line: 'heard',
  }) as BranchToday;
const store = (seq: number, baskets: number, other: Partial<TrialBranch> = {}) =>
  ({
    branch: 'B001',
    line: 'up',
    box: 'up',
    tillBaskets: baskets,
    tillTotalMinor: baskets * 100,
    currency: 'AUD',
    businessDate: '2026-11-20',
    queue: 0,
    headSeq: seq,
    headHash: HASHES[seq % 2],
    ...other,
  }) as TrialBranch;

it('leads from the cut over what is missing to the meeting of both sides', () => {
  const guide = new Guide();
  const hint = (branch: BranchToday, trial: TrialBranch, nowMs = 0) => guide.hint([{ branch, trial }], nowMs);
  expect(hint(at(11, 10), store(11, 10)).text).toMatch(/^Try it: cut a store’s line/);
  expect(hint(at(11, 10), store(11, 10, { line: 'down' }))).toMatchObject({
    tone: 'bad',
    text: expect.stringContaining('has yet to miss something'),
  });
  expect(hint(at(11, 10), store(13, 12, { line: 'down', queue: 2 })).text).toContain('head office lacks 2 sales');
  expect(hint(at(11, 10), store(13, 12, { queue: 2 }))).toMatchObject({
    tone: 'busy',
    text: 'Newtown is back and catches up: 2 sales to come.',
  });
  // The figures meet, and the heads not yet: a line that is no sale is still on its way.
  expect(hint(at(12, 12), store(13, 12)).tone).toBe('busy');
  expect(hint(at(13, 12), store(13, 12))).toEqual({
    tone: 'good',
    text: 'Newtown is whole again: 12 sales, A$12.00 on both sides, one head hash bbbbbbbb at #13. Nothing lost, nothing doubled.',
  });
  // Told for a while, also while it sells on, and no longer.
  expect(hint(at(13, 12), store(14, 13, { queue: 1 }), 29_000).tone).toBe('good');
  expect(hint(at(14, 13), store(14, 13), 31_000).tone).toBe('idle');
});

it('says what becomes of a box that was killed', () => {
  const trial = store(11, 10, { box: 'down', queue: null, headSeq: null, headHash: null });
  expect(new Guide().hint([{ branch: at(11, 10), trial }], 0).text).toMatch(/^Newtown’s box is down\. It starts again/);
});
