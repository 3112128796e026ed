import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { pollDelayMs, pollPhaseMs, retryDelayMs } from './backoff.js';

const BOUNDS = { retryMsMin: 2_000, retryMsMax: 300_000 };

describe('the wait before a retry', () => {
  it.each([
    [1, 0, null, 0],
    [1, 0.999, null, 1_998],
    [2, 0.5, null, 2_000],
    [5, 0.5, null, 16_000],
    [9, 0.5, null, 150_000],
    [10_000, 0.999, null, 299_700],
    [1, 0, 30_000, 30_000],
    [9, 0.999, 30_000, 32_000],
  ])('after %i failures, chance %d, Retry-After %s ms: %i ms', (attempts, chance, retryAfterMs, expected) => {
    expect(retryDelayMs(attempts, BOUNDS, () => chance, retryAfterMs)).toBe(expected);
  });

  it('reaches every part of its range: boxes that lost the same hub do not come back in step', () => {
    const delays = Array.from({ length: 100 }, (_, at) => retryDelayMs(20, BOUNDS, () => at / 100, null));
    expect(new Set(delays).size).toBe(100);
    expect(Math.min(...delays)).toBe(0);
  });
});

describe('the poll', () => {
  it('has its turn once in each period, at the same place in it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2e12 }),
        fc.integer({ min: 100, max: 1e6 }),
        fc.uuid(),
        (nowMs, pollMs, branch) => {
          const phaseMs = pollPhaseMs(branch, pollMs);
          const delayMs = pollDelayMs(nowMs, phaseMs, pollMs, () => 0);
          expect(delayMs).toBeGreaterThan(0);
          expect(delayMs).toBeLessThanOrEqual(pollMs);
          expect((nowMs + delayMs) % pollMs).toBe(phaseMs);
          expect(pollDelayMs(nowMs, phaseMs, pollMs, () => 0.999) - delayMs).toBeLessThanOrEqual(pollMs / 10);
        },
      ),
    );
  });

  it('is spread over the period by the branch', () => {
    const tenths = new Set(
      Array.from({ length: 200 }, (_, at) => Math.floor(pollPhaseMs(`branch-${at}`, 30_000) / 3_000)),
    );
    expect(tenths.size).toBe(10);
  });
});
