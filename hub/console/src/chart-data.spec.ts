import { describe, expect, it } from '@jest/globals';
import type { BranchToday } from './answers.js';
import { chartData, scaleOf } from './chart-data.js';

const branch = (at: number, other: Partial<BranchToday> = {}) =>
  ({
    branch: `B${at}`,
    name: `Store ${at}`,
    currency: 'AUD',
    firstHour: 4,
    hours: [{ hour: 9, baskets: 2, totalMinor: 500 }],
    ...other,
  }) as BranchToday;

describe('the chart', () => {
  it('has the takings of each branch by hour, of the hours in which anything was sold', () => {
    const { series, hours, currency } = chartData([branch(1, { firstHour: 5 }), branch(2)]);
    expect([hours[0], hours.length, currency]).toEqual([9, 12, 'AUD']);
    expect(series.map(({ name, byHour }) => [name, ...byHour])).toEqual([
      ['B1 Store 1', [9, 500]],
      ['B2 Store 2', [9, 500]],
    ]);
  });

  it.each([
    [[], [16, 3]],
    [[9], [9, 20]],
    [
      [9, 23],
      [9, 23],
    ],
    [[23], [16, 3]],
    [
      [4, 3],
      [4, 3],
    ],
    [[3], [16, 3]],
  ])('of a day that begins at 4 and sold at %j goes from and to %j', (sold, [from, to]) => {
    const hours = sold.map((hour) => ({ hour, baskets: 1, totalMinor: 1 }));
    const shown = chartData([branch(1, { hours })]).hours;
    expect([shown.at(0), shown.at(-1)]).toEqual([from, to]);
    expect(shown.length).toBeGreaterThanOrEqual(12);
  });

  it('counts sales where an amount is unknown: a bar of what is left would be a wrong one', () => {
    const unknown = branch(2, { hours: [{ hour: 9, baskets: 3, totalMinor: null }] });
    const { series, currency } = chartData([branch(1), unknown]);
    expect(currency).toBeNull();
    expect(series.map(({ byHour }) => byHour.get(9))).toEqual([2, 3]);
  });

  it('counts sales where currencies are mixed: amounts of two are never added', () => {
    const { series, currency } = chartData([branch(1), branch(2, { currency: 'NZD' })]);
    expect(currency).toBeNull();
    expect(series.map(({ byHour }) => byHour.get(9))).toEqual([2, 2]);
  });

  it('puts branches beyond the seventh together, and loses none', () => {
    const { series } = chartData(Array.from({ length: 10 }, (_, at) => branch(at)));
    expect(series).toHaveLength(8);
    expect([series[7]?.name, series[7]?.byHour.get(9)]).toEqual(['3 other stores', 1_500]);
  });

  it.each([
    [0, 4, 1],
    [3, 4, 1],
    [13, 15, 5],
    [131_500, 150_000, 50_000],
    [97, 100, 25],
    [100, 100, 25],
    [1_000_001, 1_500_000, 500_000],
  ])('reaches over %d with %d in round steps of %d', (highest, top, step) => {
    expect(scaleOf(highest)).toEqual({ top, step });
  });
});
