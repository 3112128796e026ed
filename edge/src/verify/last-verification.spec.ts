import { expect, it } from '@jest/globals';
import { ageMs } from './last-verification.js';

it.each([
  ['an hour after it', '2026-11-20T13:00:00Z', 3_600_000],
  ['by a clock that was ten years ahead when it was made', '2016-11-22T12:00:00Z', 315_360_000_000],
])('a check is as old as the clock says, %s', (_when, now, expected) => {
  expect(ageMs({ at: '2026-11-20T12:00:00Z' }, Date.parse(now))).toBe(expected);
});
