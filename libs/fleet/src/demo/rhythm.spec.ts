import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { busyness, clockFace, type LocalTime, localTime, pauseMs } from './rhythm.js';

const [FRIDAY, SATURDAY, SUNDAY] = [5, 6, 7];
const at = (weekday: number, hour: number, minute = 0): LocalTime => ({ weekday, minuteOfDay: hour * 60 + minute });
const anyTime = fc.record({ weekday: fc.integer({ min: 1, max: 7 }), minuteOfDay: fc.integer({ min: 0, max: 1439 }) });

describe('the wall clock of a store', () => {
  // One moment: summer time in the east and in the south, none in the west.
  it.each([
    ['Australia/Sydney', at(SATURDAY, 0, 30), '00:30'],
    ['Australia/Perth', at(FRIDAY, 21, 30), '21:30'],
    ['Australia/Adelaide', at(SATURDAY, 0, 0), '00:00'],
  ])('in %s', (timeZone, expected, face) => {
    const local = localTime(Date.parse('2026-11-20T13:30:00Z'), timeZone);
    expect(local).toEqual(expected);
    expect(clockFace(local)).toBe(face);
  });
});

describe('the rhythm of a day', () => {
  it.each([
    ['lunch is busier than mid-morning', at(FRIDAY, 12), at(FRIDAY, 10)],
    ['after work is busier than mid-afternoon', at(FRIDAY, 17), at(FRIDAY, 14)],
    ['mid-afternoon is busier than the evening', at(FRIDAY, 14), at(FRIDAY, 21)],
    ['the evening is busier than the night', at(FRIDAY, 21), at(FRIDAY, 3)],
    ['Saturday is busier than Friday', at(SATURDAY, 12), at(FRIDAY, 12)],
    ['Sunday is calmer than Friday', at(FRIDAY, 12), at(SUNDAY, 12)],
  ])('%s', (_what, busier, calmer) => {
    expect(busyness(busier)).toBeGreaterThan(busyness(calmer));
  });

  it.each([
    [at(4, 12), 1],
    [at(4, 12, 30), 0.925],
    [at(4, 23, 30), 0.055],
    [at(SATURDAY, 17), 1.3],
  ])('at %j is %d', (local, expected) => {
    expect(busyness(local)).toBeCloseTo(expected, 10);
  });

  it('never leaps from one minute to the next', () => {
    fc.assert(
      fc.property(anyTime, ({ weekday, minuteOfDay }) => {
        const next = { weekday, minuteOfDay: (minuteOfDay + 1) % 1440 };
        expect(Math.abs(busyness({ weekday, minuteOfDay }) - busyness(next))).toBeLessThan(0.01);
      }),
    );
  });
});

describe('the wait for the next customer', () => {
  it.each([
    ['on average at the busiest, 2.5 s', at(4, 12), 1 - 1 / Math.E, 2_500],
    ['at half that, 5 s', at(4, 9), 1 - 1 / Math.E, 5_000],
    ['somebody stands behind', at(4, 12), 0, 400],
    ['at night, the bound', at(4, 3), 0.5, 10_000],
  ])('%s', (_what, local, chance, expected) => {
    expect(pauseMs(local, chance, 10_000)).toBe(expected);
  });

  it('is never longer than its bound, whatever the time', () => {
    const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(anyTime, chance, (local, drawn) => {
        const waitMs = pauseMs(local, drawn, 10_000);
        expect(waitMs).toBeGreaterThanOrEqual(400);
        expect(waitMs).toBeLessThanOrEqual(10_000);
      }),
    );
  });
});
