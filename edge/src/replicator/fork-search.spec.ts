import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { narrow, PROBES_MAX, probesOf, type ForkSpan } from './fork-search.js';

function search(common: number, last: number): { found: number; rounds: number } {
  let span: ForkSpan = { common: 0, differs: last + 1 };
  let rounds = 0;
  for (let probes = probesOf(span); probes.length > 0; probes = probesOf(span), rounds++) {
    expect(probes.length).toBeLessThanOrEqual(PROBES_MAX);
    span = narrow(
      span,
      probes.map((seq) => ({ seq, equal: seq <= common })),
    );
  }
  return { found: span.common, rounds };
}

describe('the search for the last common line', () => {
  it('finds it, wherever it is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5_000_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (last, part) => {
        const common = Math.floor(part * last);
        const { found, rounds } = search(common, last);
        expect(found).toBe(common);
        expect(rounds).toBeLessThanOrEqual(Math.ceil(Math.log(last + 2) / Math.log(PROBES_MAX)) + 1);
      }),
    );
  });

  it('takes a month of a busy store in three questions', () => {
    expect(search(41_234, 60_000)).toEqual({ found: 41_234, rounds: 3 });
  });

  it('does not believe a line that is equal after one that differs', () => {
    const verdicts = [
      { seq: 3, equal: false },
      { seq: 7, equal: true },
    ];
    expect(() => narrow({ common: 0, differs: 10 }, verdicts)).toThrow('equal at 7 after different at 3');
  });
});
