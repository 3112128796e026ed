import { problem } from '@branchline/http/problem.js';

/** `working`: at once, of all; `waiting`: behind them. Of a box and of a branch both together are counted. */
export type ReadLaneLimits = {
  workingMax: number;
  waitingMax: number;
  perBoxMax: number;
  perBranchMax: number;
  retryAfterS: number;
};

/** A box asks for one at a time, and once more when its connection died without a word; a branch may have a second box. */
const OF_ONE = { perBoxMax: 2, perBranchMax: 4 };

/** Pages up to a push in memory each. Boxes that get their lines again leave the others their push. */
export const LINES_LANE: ReadLaneLimits = { ...OF_ONE, workingMax: 2, waitingMax: 64, retryAfterS: 5 };
/** All boxes ask when they are nudged: they wait here, and half the connections to the database are left to pushes. */
export const FEED_LANE: ReadLaneLimits = { ...OF_ONE, workingMax: 8, waitingMax: 20_000, retryAfterS: 2 };
/** Sums of a scope of 100,000 take the database a good part of a second. */
export const VERIFY_LANE: ReadLaneLimits = { ...OF_ONE, workingMax: 2, waitingMax: 1_000, retryAfterS: 5 };
/** Files on their way: they take no turn and hold no connection, and a slow line may take long over one. */
export const SNAPSHOT_LANE: ReadLaneLimits = { ...OF_ONE, workingMax: 64, waitingMax: 0, retryAfterS: 10 };

type Reader = { boxId: string; branchId: string };

/**
 * A lane of its own for one kind of reading: who reads waits for others who do, no push waits for him, and one box, or who
 * has its token, holds a small share of it.
 */
export class ReadLane {
  private working = 0;
  private readonly waiting: (() => void)[] = [];
  private readonly inHand = new Map<string, number>();

  constructor(private readonly limits: ReadLaneLimits) {}

  /** @throws Problem `busy` */
  async read<T>(reader: Reader, page: () => Promise<T>): Promise<T> {
    const leave = await this.enter(reader);
    try {
      return await page();
    } finally {
      leave();
    }
  }

  /** @returns how to leave (once; more often does nothing) @throws Problem `busy` */
  async enter({ boxId, branchId }: Reader): Promise<() => void> {
    const { perBoxMax, perBranchMax, workingMax, waitingMax } = this.limits;
    if (this.of(boxId) >= perBoxMax || this.of(branchId) >= perBranchMax)
      throw this.busy('This store asks for too much at once.');
    if (this.working >= workingMax && this.waiting.length >= waitingMax)
      throw this.busy('Too many stores ask for this at once.');
    this.count(boxId, 1);
    this.count(branchId, 1);
    if (this.working < workingMax) this.working += 1;
    else await new Promise<void>((begin) => this.waiting.push(begin));
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.count(boxId, -1);
      this.count(branchId, -1);
      // The place goes on to the next in line, and is not free in between.
      const next = this.waiting.shift();
      if (next) next();
      else this.working -= 1;
    };
  }

  private of(whom: string): number {
    return this.inHand.get(whom) ?? 0;
  }

  private count(whom: string, change: number): void {
    const left = this.of(whom) + change;
    if (left === 0) this.inHand.delete(whom);
    else this.inHand.set(whom, left);
  }

  private busy(detail: string): Error {
    return problem('busy', detail, { headers: { 'retry-after': String(this.limits.retryAfterS) } });
  }
}
