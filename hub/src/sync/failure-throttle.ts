import type { Clock } from '@branchline/domain/clock.js';
import { problem } from '@branchline/http/problem.js';

const KEYS_MAX = 10_000;

export type ThrottleLimits = {
  failuresMax: number;
  /** One failure is forgiven each; 0: every one at once. */
  refillMs: number;
};

/** Of who guesses at codes and tokens. */
export const GUESSING_LIMITS: ThrottleLimits = { failuresMax: 20, refillMs: 3_000 };

/**
 * Slows guessing down without slowing a chain that enrols its boxes from one address: only failures count. In memory, by
 * process.
 */
export class FailureThrottle {
  private readonly failures = new Map<string, { count: number; atMs: number }>();

  constructor(
    private readonly clock: Clock,
    private readonly limits: ThrottleLimits,
  ) {}

  /** @throws Problem `too-many-requests` with Retry-After */
  check(key: string): void {
    // There must be room for one more whole failure: forgiven by the millisecond, the count is below its top at once.
    const { failuresMax, refillMs } = this.limits;
    const excess = this.countOf(key) - (failuresMax - 1);
    if (excess <= 0) return;
    const waitS = Math.ceil((excess * refillMs) / 1000);
    throw problem('too-many-requests', undefined, { headers: { 'retry-after': String(waitS) } });
  }

  fail(key: string): void {
    const count = Math.min(this.countOf(key) + 1, this.limits.failuresMax);
    // Deleted first, so that the order of the map is that of use and the oldest is what a full map forgets.
    this.failures.delete(key);
    for (const oldest of this.failures.keys()) {
      if (this.failures.size < KEYS_MAX) break;
      this.failures.delete(oldest);
    }
    this.failures.set(key, { count, atMs: this.clock.now() });
  }

  /** One failure was none. */
  protected forgive(key: string): void {
    const known = this.failures.get(key);
    if (known !== undefined) this.failures.set(key, { ...known, count: known.count - 1 });
  }

  private countOf(key: string): number {
    const known = this.failures.get(key);
    const { refillMs } = this.limits;
    if (!known || refillMs === 0) return 0;
    return Math.max(0, known.count - Math.max(0, this.clock.now() - known.atMs) / refillMs);
  }
}
