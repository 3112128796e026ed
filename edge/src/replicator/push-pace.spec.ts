import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  firstPace,
  GROWS_WITHIN_MS,
  mayGoAhead,
  paceAfterSuccess,
  paceAfterTrouble,
  paceAfterVainAhead,
  PUSH_SIZE_MAX,
  sizeAhead,
  type PushPace,
  type PushSize,
} from './push-pace.js';

const SLOW_MS = GROWS_WITHIN_MS + 1;
const MEBIBYTE = 1024 * 1024;
const first = (): PushPace => firstPace(PUSH_SIZE_MAX);
/** Of a backlog without end: as much as may be. */
const taken = (pace: PushPace): PushPace => paceAfterSuccess(pace, pace.size, PUSH_SIZE_MAX, 100);
const broken = (pace: PushPace): PushPace => paceAfterTrouble(pace.size);
const linesOver = (pace: PushPace, next: (pace: PushPace) => PushPace, times: number): number[] => {
  const lines = [pace.size.lines];
  for (let at = 1, last = pace; at < times; at += 1) lines.push((last = next(last)).size.lines);
  return lines;
};

const size = fc.record({ lines: fc.integer({ min: 1, max: 5_000 }), bytes: fc.integer({ min: 1, max: 8 * MEBIBYTE }) });
const event = fc.oneof(
  fc.record({ what: fc.constantFrom('taken', 'slow', 'broken'), sent: size }),
  fc.record({ what: fc.constant('vain-ahead'), sent: size }),
);
type Event = { what: string; sent: PushSize };
const within = (sent: PushSize, { size: most }: PushPace): PushSize => ({
  lines: Math.min(sent.lines, most.lines),
  bytes: Math.min(sent.bytes, most.bytes),
});

function after(pace: PushPace, { what, sent }: Event, max = PUSH_SIZE_MAX): PushPace {
  const real = within(sent, pace);
  if (what === 'taken') return paceAfterSuccess(pace, real, max, 100);
  if (what === 'slow') return paceAfterSuccess(pace, real, max, SLOW_MS);
  return what === 'broken' ? paceAfterTrouble(real) : paceAfterVainAhead(pace);
}

describe('the pace of pushes', () => {
  it('begins with 500 lines or 1 MiB and doubles to 5,000 lines or 8 MiB while all goes well', () => {
    expect(first().size).toEqual({ lines: 500, bytes: MEBIBYTE });
    expect(linesOver(first(), taken, 6)).toEqual([500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    expect(taken(taken(taken(taken(first())))).size.bytes).toBe(8 * MEBIBYTE);
  });

  it('is halved on trouble, down to one line, and grows again by doubling to 500 and then by 500', () => {
    const halved = linesOver(first(), broken, 10);
    expect(halved).toEqual([500, 250, 125, 62, 31, 15, 7, 3, 1, 1]);
    const low = { ...first(), size: { lines: 1, bytes: 2_000 }, hadTrouble: true };
    expect(linesOver(low, taken, 12)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_012, 1_512]);
  });

  it('never grows beyond what was carried: single sales prove nothing of a backlog', () => {
    const traded = Array.from({ length: 1_000 }).reduce<PushPace>(
      (pace) => paceAfterSuccess(pace, { lines: 1, bytes: 2_000 }, PUSH_SIZE_MAX, 100),
      first(),
    );
    expect(traded.size).toEqual(first().size);
  });

  it('stays between one line and its bounds, whatever comes', () => {
    fc.assert(
      fc.property(size, fc.array(event, { maxLength: 60 }), (max, events) => {
        let pace = firstPace(max);
        for (const each of events) {
          pace = after(pace, each, max);
          expect(pace.size.lines).toBeGreaterThanOrEqual(1);
          expect(pace.size.bytes).toBeGreaterThanOrEqual(1);
          expect(pace.size.lines).toBeLessThanOrEqual(Math.max(max.lines, 1));
          expect(pace.size.bytes).toBeLessThanOrEqual(Math.max(max.bytes, 1));
          expect(Number.isInteger(pace.size.lines) && Number.isInteger(pace.size.bytes)).toBe(true);
        }
      }),
    );
  });

  it('at most doubles with what is taken, never shrinks by it, and at least halves with what breaks', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), size, (events, sent) => {
        const pace = events.reduce<PushPace>((before, each) => after(before, each), first());
        const real = within(sent, pace);
        const grown = paceAfterSuccess(pace, real, PUSH_SIZE_MAX, 100).size;
        expect(grown.lines).toBeLessThanOrEqual(2 * pace.size.lines);
        expect(grown.lines).toBeGreaterThanOrEqual(pace.size.lines);
        expect(grown.bytes).toBeGreaterThanOrEqual(pace.size.bytes);
        const smaller = paceAfterTrouble(real).size;
        expect(smaller.lines).toBeLessThanOrEqual(Math.max(1, pace.size.lines / 2));
        expect(smaller.bytes).toBeLessThanOrEqual(Math.max(1, pace.size.bytes / 2));
      }),
    );
  });

  it('comes through any line on which some size passes: from anywhere, in thirteen tries at most', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), fc.integer({ min: 1, max: 5_000 }), (events, passes) => {
        let pace = events.reduce<PushPace>((before, each) => after(before, each), first());
        let tries = 0;
        while (pace.size.lines > passes) {
          pace = broken(pace);
          tries += 1;
        }
        expect(tries).toBeLessThanOrEqual(13);
      }),
    );
  });

  it('sends the next one ahead only after one came through, and after trouble only after four', () => {
    expect([first(), taken(first())].map(mayGoAhead)).toEqual([false, true]);
    for (const trouble of [broken, paceAfterVainAhead]) {
      const paces = [trouble(taken(taken(first())))];
      for (let at = 0; at < 4; at += 1) paces.push(taken(paces[at] as PushPace));
      expect(paces.map(mayGoAhead)).toEqual([false, false, false, false, true]);
    }
    expect(paceAfterVainAhead(taken(first())).size).toEqual(taken(first()).size);
  });

  it('is as large again after a push that took long, also of what was made ready ahead, and grows again after a quick one', () => {
    const slow = paceAfterSuccess(first(), first().size, PUSH_SIZE_MAX, SLOW_MS);
    expect([slow.size, sizeAhead(slow, slow.size, PUSH_SIZE_MAX)]).toEqual([first().size, first().size]);
    // Made ready before it was known to be too much.
    const larger = sizeAhead(first(), first().size, PUSH_SIZE_MAX);
    expect(paceAfterSuccess(slow, larger, PUSH_SIZE_MAX, SLOW_MS).size).toEqual(first().size);
    expect(taken(slow).size.lines).toBe(1_000);
  });
});
