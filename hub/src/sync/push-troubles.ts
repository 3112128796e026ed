import type { Clock } from '@branchline/domain/clock.js';
import { FailureThrottle } from './failure-throttle.js';
import type { SetAside } from './read-line.js';

/** What an edge of ours may run into in an hour, at once: a restore, a fork, a version that is not understood. */
const TROUBLES_MAX = 20;

/**
 * Pushes that are refused, or of which lines are set aside, cost the hub more than good ones and bring nothing. A box that
 * sends one after the other rests in between, before its body is read; the others do not notice it.
 */
export class PushTroubles extends FailureThrottle {
  /** @param restMs for each beyond the first; 0: no rest */
  constructor(clock: Clock, restMs: number) {
    super(clock, { failuresMax: TROUBLES_MAX, refillMs: restMs });
  }

  /** What waits for its parent, or for a later version, is no trouble of the box's. */
  noteSetAside(box: string, setAside: readonly SetAside[]): void {
    if (setAside.some(({ held, code }) => !held && !PATIENT.includes(code))) this.fail(box);
  }
}

const PATIENT: readonly SetAside['code'][] = ['waits-for-parent', 'not-tried'];
