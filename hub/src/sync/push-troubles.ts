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
  /** By box the last push that came before its predecessor. */
  private readonly gaps = new Map<string, string>();

  /** @param restMs for each beyond the first; 0: no rest */
  constructor(clock: Clock, restMs: number) {
    super(clock, { failuresMax: TROUBLES_MAX, refillMs: restMs });
  }

  /** What waits for its parent, or for a later version, is no trouble of the box's. */
  noteSetAside(box: string, setAside: readonly SetAside[]): void {
    if (setAside.some(({ held, code }) => !held && !PATIENT.includes(code))) this.fail(box);
  }

  /** Two pushes are under way, and the second was here first. It is a failure until the first has come. */
  noteGap(box: string, place: PushPlace): void {
    this.fail(box);
    this.gaps.delete(box);
    for (const oldest of this.gaps.keys()) {
      if (this.gaps.size < GAPS_MAX) break;
      this.gaps.delete(oldest);
    }
    this.gaps.set(box, nameOf(place));
  }

  /** @param next of the line after the last that was taken in */
  noteTaken(box: string, next: PushPlace): void {
    if (this.gaps.get(box) !== nameOf(next)) return;
    this.gaps.delete(box);
    this.forgive(box);
  }
}

type PushPlace = { incarnation: string; fromSeq: number };
const nameOf = ({ incarnation, fromSeq }: PushPlace): string => `${incarnation} ${fromSeq}`;
const GAPS_MAX = 10_000;

const PATIENT: readonly SetAside['code'][] = ['waits-for-parent', 'not-tried'];
