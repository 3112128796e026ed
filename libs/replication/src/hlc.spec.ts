import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HLC_MS_MAX, lastHlcOf, nextHlc } from './hlc.js';

const SHAPE = /^[0-9a-f]{12}-[0-9a-f]{4}$/;
const END = 'ffffffffffff-ffff';
const NOW = Date.UTC(2026, 10, 21);

/** As clocks lie: near the truth, at every end, and no time at all. */
const anyClock = fc.oneof(
  fc.integer({ min: NOW - 60_000, max: NOW + 60_000 }),
  fc.integer({ min: -(2 ** 52), max: 2 ** 52 }),
  fc.constantFrom(0, -1, 0.5, HLC_MS_MAX - 1, HLC_MS_MAX, HLC_MS_MAX + 1, Infinity, -Infinity, Number.MAX_VALUE),
);
const hex = (max: number, digits: number) =>
  fc
    .oneof(fc.integer({ min: 0, max }), fc.constantFrom(max - 1, max))
    .map((value) => value.toString(16).padStart(digits, '0'));
const anyHlc = fc.tuple(hex(HLC_MS_MAX, 12), hex(0xffff, 4)).map((parts) => parts.join('-'));

describe('a hybrid logical clock', () => {
  it('is always in its notation, and later than the one before unless that was the last there is', () => {
    fc.assert(
      fc.property(fc.option(anyHlc), anyClock, (previous, nowMs) => {
        const next = nextHlc(previous, nowMs);
        expect(next).toMatch(SHAPE);
        if (previous === END) expect(next).toBe(END);
        else if (previous !== null) expect(next > previous).toBe(true);
      }),
      { numRuns: 5_000, seed: 20261121 },
    );
  });

  it('goes up in steps through any row of clocks, and is no later than the latest of them and its own count', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 41 }), { minLength: 1, maxLength: 50 }), (clocks) => {
        const told: string[] = [];
        for (const nowMs of clocks) told.push(nextHlc(told.at(-1) ?? null, nowMs));
        expect([...told].sort()).toEqual(told);
        expect(new Set(told).size).toBe(told.length);
        expect(told.at(-1)! <= lastHlcOf(Math.max(...clocks))).toBe(true);
      }),
      { numRuns: 500, seed: 20261121 },
    );
  });

  it.each([
    ['borrows from the next millisecond when its count is full', '000000000005-ffff', 5, '000000000006-0000'],
    ['stays at the last there is', END, NOW, END],
    ['counts a clock beyond its notation as the end of it', null, 2 ** 48, 'ffffffffffff-0000'],
    ['counts a clock before 1970 as its beginning', null, -1, '000000000000-0000'],
  ])('%s', (_what, previous, nowMs, next) => {
    expect(nextHlc(previous, nowMs)).toBe(next);
  });

  it('has a last one of each moment, also of those beyond its notation', () => {
    expect(lastHlcOf(2 ** 48)).toBe(END);
    expect(lastHlcOf(-5)).toBe('000000000000-ffff');
  });
});
