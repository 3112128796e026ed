import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { SignInThrottle } from './sign-in-throttle.js';

const clock = new ManualClock(1_000_000);

function triesUntilRefused(take: (attempt: number) => void, triesMax = 1_000): number {
  for (let attempt = 0; attempt < triesMax; attempt += 1) {
    try {
      take(attempt);
    } catch {
      return attempt;
    }
  }
  return triesMax;
}

describe('the throttle of sign-ins', () => {
  it('bounds guesses at one person from many addresses, and at many people from one address', () => {
    const throttle = new SignInThrottle(clock);
    expect(triesUntilRefused((attempt) => throttle.take('a@x', `address ${attempt}`))).toBe(10);
    expect(triesUntilRefused((attempt) => throttle.take(`${attempt}@x`, 'one address'))).toBe(60);
  });

  it('holds nothing against who knew the password', () => {
    const throttle = new SignInThrottle(clock);
    const signIn = (): void => {
      throttle.take('a@x', 'office');
      throttle.giveBack('a@x', 'office');
    };
    expect(triesUntilRefused(signIn)).toBe(1_000);
  });

  it('says how long to wait, and that is true', () => {
    const own = new ManualClock(0);
    const throttle = new SignInThrottle(own);
    triesUntilRefused(() => throttle.take('a@x', 'home'));
    expect(() => throttle.take('a@x', 'home')).toThrow(
      expect.objectContaining({ code: 'too-many-requests', headers: { 'retry-after': '30' } }),
    );
    own.advance(29_000);
    expect(() => throttle.take('a@x', 'home')).toThrow();
    own.advance(1_000);
    throttle.take('a@x', 'home');
  });

  it('is neither opened nor shut for long by a clock that is set back', () => {
    const own = new ManualClock(1_000_000);
    const throttle = new SignInThrottle(own);
    triesUntilRefused(() => throttle.take('a@x', 'home'));
    own.set(0);
    expect(() => throttle.take('a@x', 'home')).toThrow();
    own.advance(30_000);
    throttle.take('a@x', 'home');
  });

  it('remembers a bounded number, and the latest of them', () => {
    const throttle = new SignInThrottle(clock);
    triesUntilRefused((attempt) => throttle.take(`${attempt}@x`, `address ${attempt}`), 30_000);
    triesUntilRefused(() => throttle.take('late@x', 'late'));
    expect(throttle.size).toBeLessThanOrEqual(10_000);
    expect(() => throttle.take('late@x', 'elsewhere')).toThrow();
  });
});
