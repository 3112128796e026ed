import { describe, expect, it } from '@jest/globals';
import { judgeSeals, type BranchHistory } from './judge-seals.js';

type History = BranchHistory['histories'][number];
const history = (incarnation: string, previous: string | null = null, previousSeq: number | null = null): History => {
  return { incarnation, appliedSeq: 10, previous, previousSeq };
};
const seal = { incarnation: 'a', seq: 5, tillsHolding: 0 };

describe('a seal', () => {
  const cases: [string, Partial<BranchHistory>, boolean, boolean][] = [
    ['there is none', { seals: [] }, false, false],
    ['it lists tills that still hold sales', { seals: [{ ...seal, tillsHolding: 2 }] }, true, false],
    ['a later one lists none any more', { seals: [{ ...seal, tillsHolding: 2 }, seal] }, true, true],
    ['nothing waits', {}, true, true],
    ['a line before it waits', { waiting: [{ incarnation: 'a', seq: 4 }] }, true, false],
    ['a line behind it waits', { waiting: [{ incarnation: 'a', seq: 6 }] }, true, true],
    [
      'a line waits in a history of a history behind it',
      {
        histories: [history('a'), history('b', 'a', 5), history('c', 'b', 1)],
        waiting: [{ incarnation: 'c', seq: 2 }],
      },
      true,
      true,
    ],
    [
      'a line waits in a history that branched off before it',
      { histories: [history('a'), history('b', 'a', 4)], waiting: [{ incarnation: 'b', seq: 9 }] },
      true,
      false,
    ],
    ['what it branched off from is not here', { histories: [history('a', 'z', 1)] }, false, false],
    [
      'what it branched off from is not here so far',
      { histories: [history('a', 'z', 11), history('z')] },
      false,
      false,
    ],
    [
      'histories claim to descend from each other',
      { histories: [history('a', 'b', 1), history('b', 'a', 9)] },
      true,
      true,
    ],
  ];
  it.each(cases)('when %s', (_when, given, complete, final) => {
    expect(judgeSeals({ seals: [seal], histories: [history('a')], waiting: [], ...given })).toEqual({
      complete,
      final,
    });
  });

  it('is judged at once, however many histories a box opens', () => {
    const histories = Array.from({ length: 50_000 }, (_, at) => history(`${at}`, at === 0 ? null : `${at - 1}`, 6));
    const waiting = histories.slice(1).map(({ incarnation }) => ({ incarnation, seq: 2 }));
    expect(judgeSeals({ seals: [{ incarnation: '0', seq: 5, tillsHolding: 0 }], histories, waiting })).toEqual({
      complete: true,
      final: true,
    });
  });
});
