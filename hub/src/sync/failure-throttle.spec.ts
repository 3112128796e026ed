import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { GUESSING_LIMITS, FailureThrottle } from './failure-throttle.js';

describe('failures of one address', () => {
  it('shut it out after twenty, though time passes between them, and one is forgiven every three seconds', () => {
    const clock = new ManualClock(0);
    const throttle = new FailureThrottle(clock, GUESSING_LIMITS);
    const tries = (): boolean => {
      try {
        throttle.check('a');
      } catch {
        return false;
      }
      throttle.fail('a');
      return true;
    };
    const began = Array.from({ length: 40 }, () => {
      clock.advance(10);
      return tries();
    });
    expect(began.filter(Boolean)).toHaveLength(20);
    clock.advance(3_000);
    expect([tries(), tries()]).toEqual([true, false]);
    expect(() => throttle.check('b')).not.toThrow();
  });
});
