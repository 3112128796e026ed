import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { countAttempt, FAILURES_MAX, LOCK_MS, type LockState } from './sign-in-lock.js';

const NOON = 1_700_000_000_000;

describe('countAttempt', () => {
  it('lets five attempts through and none after them', () => {
    let state: LockState | undefined;
    const allowed: boolean[] = [];
    for (let n = 0; n < 7; n += 1) {
      const attempt = countAttempt(state, NOON + n);
      allowed.push(attempt.allowed);
      state = attempt.state;
    }
    expect(allowed).toEqual([true, true, true, true, true, false, false]);
  });

  it('lets one attempt through after each lock, and locks again with it', () => {
    const locked: LockState = { failures: FAILURES_MAX, lockedUntilMs: NOON };
    const attempt = countAttempt(locked, NOON);
    expect(attempt).toEqual({ allowed: true, state: { failures: 6, lockedUntilMs: NOON + LOCK_MS } });
    expect(countAttempt(attempt.state, NOON + LOCK_MS - 1).allowed).toBe(false);
  });

  it('whatever the clock does, allows no more than five in any stretch shorter than a lock, and never locks for longer', () => {
    const steps = fc.array(fc.integer({ min: -10 * LOCK_MS, max: LOCK_MS / 50 }), { maxLength: 40 });
    fc.assert(
      fc.property(steps, (stepsMs) => {
        let nowMs = NOON;
        let forwardMs = 0;
        let state: LockState | undefined;
        let allowed = 0;
        for (const stepMs of stepsMs) {
          nowMs += stepMs;
          forwardMs += Math.max(0, stepMs);
          const attempt = countAttempt(state, nowMs);
          if (attempt.allowed) allowed += 1;
          else expect(attempt.retryAfterMs).toBeLessThanOrEqual(LOCK_MS);
          state = attempt.state;
        }
        expect(forwardMs).toBeLessThan(LOCK_MS);
        expect(allowed).toBeLessThanOrEqual(FAILURES_MAX);
      }),
    );
  });
});
