import type { EdgeBox } from '../chain/edge-box.js';
import type { Sold, TillClient } from '../chain/till-client.js';
import { killAtNextSale } from './kill-at-sale.js';
import type { OutagePlan } from './outage-plan.js';
import type { OutageRecord } from './replay-folder.js';

export interface OutageParts {
  plan: OutagePlan;
  box: EdgeBox;
  till: TillClient;
  now: () => string;
  /** On disk when it returns. */
  keep: (record: OutageRecord) => void;
}

export const NO_OUTAGE_YET: OutageRecord = {
  awayFrom: '',
  awayTo: '',
  peakQueue: 0,
  killedPid: 0,
  restartedPid: 0,
  retriedIds: [],
  replayedReplies: 0,
};

const QUEUE_EVERY_SALES = 20;

/** Begun and not over: whoever resumes a store starts its edge with the line down. */
export function isAway(record: OutageRecord | null): boolean {
  return record !== null && record.awayFrom !== '' && record.awayTo === '';
}

/**
 * One store's outage, by the positions of its baskets. Each step is on disk before the next one is taken, so that a replay that is
 * resumed neither skips the kill nor kills twice.
 */
export class Outage {
  constructor(
    private readonly parts: OutageParts,
    readonly record: OutageRecord,
  ) {}

  /** Before the basket at this position is sold, and once after the last. */
  async reach(position: number): Promise<void> {
    const { plan, box } = this.parts;
    if (position === plan.from && this.record.awayFrom === '') {
      this.note({ awayFrom: this.parts.now() });
      box.hubLine.cut();
    }
    if (!isAway(this.record)) return;
    if (position >= plan.to || position % QUEUE_EVERY_SALES === 0) await this.noteQueue();
    if (position < plan.to) return;
    box.hubLine.restore();
    this.note({ awayTo: this.parts.now() });
  }

  /** Where a store is to go on: not beyond the kill, as long as nothing says that it was done and lived through. */
  resumeAt(position: number): number {
    return this.record.restartedPid === 0 ? Math.min(position, this.parts.plan.killAt) : position;
  }

  async sell(position: number, sale: { id: string }): Promise<Sold> {
    const { plan, till, box } = this.parts;
    if (position !== plan.killAt || this.record.restartedPid !== 0) return this.count(await till.sell(sale), sale);
    if (this.record.killedPid !== 0) {
      // The run before ended between the kill and the answer: this is that sale, tried again.
      const sold = await till.sell(sale);
      return this.count({ ...sold, tries: sold.tries + 1 }, sale, { restartedPid: box.pid });
    }
    // A sign-in that falls due at this very request would be what meets the kill.
    await till.ready();
    // Through the line for this sale only: each byte through it is handled twice more.
    if (box.tillLine) till.moveTo(box.tillLine.url);
    const killed = killAtNextSale(box, plan.moment, (killedPid) => this.note({ killedPid }));
    const [sold, restartedPid] = await Promise.all([till.sell(sale), killed]);
    till.moveTo(box.url);
    return this.count(sold, sale, { restartedPid });
  }

  private count(sold: Sold, sale: { id: string }, more: Partial<OutageRecord> = {}): Sold {
    const { retriedIds, replayedReplies } = this.record;
    if (sold.tries > 1) retriedIds.push(sale.id);
    if (sold.tries > 1 || sold.replayed || Object.keys(more).length > 0) {
      this.note({ ...more, replayedReplies: replayedReplies + (sold.replayed ? 1 : 0) });
    }
    return sold;
  }

  private async noteQueue(): Promise<void> {
    const { queue } = await this.parts.till.syncStatus();
    this.record.peakQueue = Math.max(this.record.peakQueue, queue);
  }

  private note(more: Partial<OutageRecord>): void {
    Object.assign(this.record, more);
    this.parts.keep(this.record);
  }
}
