import { describe, expect, it } from '@jest/globals';
import { differencesOf, hubTotals, type StoreFacts, sumsOfDays } from './compare.js';

const DAY = {
  businessDate: '2017-01-01',
  baskets: 2,
  lines: 3,
  units: 2.5,
  amountMinor: 1_000,
  discountMinor: -150,
  netMinor: 850,
  taxMinor: 0,
  totalMinor: 850,
};
const MODIFIERS = [
  { branch: 'S1', modifierKind: 'loyalty', informational: false, lines: 1, amountMinor: -120 },
  { branch: 'S1', modifierKind: 'coupon-match', informational: false, lines: 1, amountMinor: -30 },
  { branch: 'S1', modifierKind: 'manufacturer-coupon', informational: true, lines: 1, amountMinor: 55 },
];
const HASH = 'a'.repeat(64);

function facts(): StoreFacts {
  const { businessDate: _date, ...sums } = DAY;
  return {
    expected: { baskets: 2, lines: 3, net: 850, retail_disc: 120, coupon_match: 30, coupon: 55, units: 2.5 },
    done: {
      sums: sumsOfDays([DAY]),
      lastDay: DAY.businessDate,
      head: { incarnation: 'i', lastSeq: 9, headHash: HASH },
    },
    row: { branch: 'S1', ...sums },
    modifiers: MODIFIERS,
    box: {
      branch: 'S1',
      incarnation: 'i',
      epoch: 1,
      appliedSeq: 9,
      headHash: HASH,
      quarantined: 0,
      sealedTo: '2017-01-01',
    },
  };
}

describe('file, edge and hub', () => {
  it('agree when all say the same', () => {
    expect(differencesOf(facts())).toEqual([]);
  });

  it.each<[string, (all: StoreFacts) => StoreFacts]>([
    ['net of file and hub', (all) => ({ ...all, expected: { ...all.expected, net: 851 } })],
    ['coupon of file and hub', (all) => ({ ...all, modifiers: MODIFIERS.slice(0, 2) })],
    ['totalMinor of edge and hub', (all) => ({ ...all, row: all.row && { ...all.row, totalMinor: 849 } })],
    ['baskets of edge and hub', (all) => ({ ...all, done: { ...all.done, sums: sumsOfDays([DAY, DAY]) } })],
    ['units of edge and hub', (all) => ({ ...all, row: null })],
    ['head hash at edge and hub', (all) => ({ ...all, box: all.box && { ...all.box, headHash: 'b'.repeat(64) } })],
    ['seq at edge and hub', (all) => ({ ...all, box: all.box && { ...all.box, appliedSeq: 8 } })],
    ['incarnation at edge and hub', (all) => ({ ...all, box: null })],
    ['last day sealed at edge and hub', (all) => ({ ...all, box: all.box && { ...all.box, sealedTo: null } })],
    ['lines in quarantine', (all) => ({ ...all, box: all.box && { ...all.box, quarantined: 1 } })],
  ])('differ in %s', (what, change) => {
    expect(differencesOf(change(facts())).some((line) => line.startsWith(`${what}:`))).toBe(true);
  });
});

describe('the sums', () => {
  it('of thousandths stay exact', () => {
    const days = Array.from({ length: 10 }, () => ({ ...DAY, units: 0.1 }));
    expect(sumsOfDays(days).units).toBe(1);
  });

  it('of a store the hub knows nothing of are zeros', () => {
    const zeros = { baskets: 0, lines: 0, net: 0, retail_disc: 0, coupon_match: 0, coupon: 0, units: 0 };
    expect(hubTotals(null, [])).toEqual(zeros);
  });
});
