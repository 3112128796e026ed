import { problem } from '@branchline/http/problem.js';
import type { Clock } from '@branchline/domain/clock.js';

const WINDOW_MS = 60_000;

/**
 * How many failures a minute a route for everybody takes from all callers together. Only failures count: a till that
 * waits for its code to come by feed asks twice a second, and a right code is never turned away by another's wrong ones
 * before the limit. What is guessed at has at least 64 random bits, so the limit protects the machine, not the code.
 */
export class FailureLimit {
  private windowStartMs = 0;
  private failures = 0;

  constructor(
    private readonly clock: Clock,
    private readonly failuresMax: number,
  ) {}

  /** @throws Problem too-many-requests */
  assertBelow(): void {
    this.turnWindow();
    if (this.failures < this.failuresMax) return;
    throw problem('too-many-requests', undefined, { headers: { 'retry-after': String(WINDOW_MS / 1000) } });
  }

  count(): void {
    this.turnWindow();
    this.failures += 1;
  }

  private turnWindow(): void {
    const nowMs = this.clock.now();
    // A clock that went back begins a window too: a limit must not outlast its minute by years.
    if (nowMs - this.windowStartMs < WINDOW_MS && nowMs >= this.windowStartMs) return;
    this.windowStartMs = nowMs;
    this.failures = 0;
  }
}
