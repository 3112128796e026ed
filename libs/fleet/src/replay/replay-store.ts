import { setTimeout as pause } from 'node:timers/promises';
import type { Chain } from '../chain/chain.js';
import type { EdgeBox } from '../chain/edge-box.js';
import type { HubClient } from '../chain/hub-client.js';
import { type DayFigures, type SyncStatus, TillClient, type TillOptions, type ZReport } from '../chain/till-client.js';
import { type NumberedSale, REPLAY_TILL, salesOf, stableUuid } from '../complete-journey/basket-to-sale.js';
import { killAtNextSale } from './kill-at-sale.js';
import { type OutagePlan, planOutage } from './outage-plan.js';
import type { ReplayStore } from './replay-input.js';

export interface OutageRecord {
  awayFrom: string;
  awayTo: string;
  peakQueue: number;
  killedPid: number;
  restartedPid: number;
  /** Sales that were posted more than once. */
  retriedIds: string[];
  /** How many of them got the stored answer. */
  replayedReplies: number;
}

export interface StoreResult {
  store: string;
  branch: string;
  /** One entry a business date of each Z. */
  days: DayFigures[];
  head: SyncStatus;
  outage: OutageRecord | null;
}

export interface StoreJob {
  chain: Chain;
  headOffice: HubClient;
  store: ReplayStore;
  branch: string;
  /** Among the stores of the replay, from 0. */
  position: number;
  withOutage: boolean;
  till: Pick<TillOptions, 'clock' | 'chance' | 'signal'>;
  newPin: () => string;
  onSale: () => void;
}

/** Quicker than in a shop: a replay waits for each store's last acknowledgement. */
const EDGE_RHYTHM = {
  EDGE_POLL_MS: '1000',
  EDGE_RETRY_MS_MIN: '100',
  EDGE_RETRY_MS_MAX: '1000',
  EDGE_REQUEST_TIMEOUT_MS: '10000',
};
const IMPORTER = 'IMPORT';
const DRAWER = 'D1';
const STATUS_EVERY_SALES = 20;
const ACKNOWLEDGED_MS_MAX = 120_000;
const ACKNOWLEDGED_POLL_MS = 50;

/** A store from its enrolment to its last acknowledged line. The box is stopped at the end, unless it is to be kept. */
export async function replayStore(job: StoreJob, isKept: () => boolean): Promise<StoreResult> {
  const { chain, headOffice, branch, withOutage, till: tillParts } = job;
  const pin = job.newPin();
  const staff = { operator: IMPORTER, name: 'Import of past sales', role: 'importer', pin };
  await headOffice.addStaff(branch, staff);
  const enrolmentCode = await headOffice.enrolmentCode(branch, { for: 'box' });
  const deviceCode = await headOffice.enrolmentCode(branch, { for: 'device', till: REPLAY_TILL });
  const box = await chain.startEdge({ branch, enrolmentCode, env: EDGE_RHYTHM, withTillLine: withOutage });
  const { deviceToken } = await TillClient.enrol(box.url, deviceCode, `Till ${REPLAY_TILL}`, tillParts.signal);
  const till = new TillClient({ ...tillParts, url: box.url, deviceToken, operator: IMPORTER, pin });
  try {
    const { days, outage } = await new StoreTrading(job, box, till).run();
    const head = await untilAcknowledged(till, branch, tillParts.signal);
    return { store: job.store.id, branch, days, head, outage };
  } finally {
    till.close();
    if (!isKept()) await chain.stopEdge(box);
  }
}

/** One store's baskets through its till, day by day, with the outage in their middle. */
class StoreTrading {
  private readonly plan: OutagePlan | null;
  private readonly record = {
    awayFrom: '',
    awayTo: '',
    peakQueue: 0,
    killedPid: 0,
    restartedPid: 0,
    retriedIds: [] as string[],
    replayedReplies: 0,
  };
  private readonly zs: ZReport[] = [];
  private shift: { id: string; businessDate: string; cardMinor: number } | null = null;

  constructor(
    private readonly job: StoreJob,
    private readonly box: EdgeBox,
    private readonly till: TillClient,
  ) {
    this.plan = job.withOutage ? planOutage(job.store.baskets.length, job.position) : null;
  }

  async run(): Promise<{ days: DayFigures[]; outage: OutageRecord | null }> {
    let position = 0;
    for (const numbered of salesOf(this.job.store.baskets)) {
      if (position === this.plan?.from) this.goAway();
      await this.changeDay(numbered);
      await this.sell(numbered, position);
      position += 1;
      const isAway = this.plan !== null && position > this.plan.from && position <= this.plan.to;
      const isLast = position === this.plan?.to;
      if (isAway && (isLast || position % STATUS_EVERY_SALES === 0)) await this.noteQueue();
      if (isLast) this.comeBack();
      this.job.onSale();
    }
    await this.endDay();
    return { days: this.zs.flatMap((z) => z.byBusinessDate), outage: this.plan && this.record };
  }

  private goAway(): void {
    this.box.hubLine.cut();
    this.record.awayFrom = this.now();
  }

  private comeBack(): void {
    this.box.hubLine.restore();
    this.record.awayTo = this.now();
  }

  private async noteQueue(): Promise<void> {
    const { queue } = await this.till.syncStatus();
    this.record.peakQueue = Math.max(this.record.peakQueue, queue);
  }

  private async sell({ sale }: NumberedSale, position: number): Promise<void> {
    const isKilled = position === this.plan?.killAt;
    // A sign-in that falls due at this very request would be what meets the kill.
    if (isKilled) await this.till.ready();
    const killed = isKilled && this.plan ? killAtNextSale(this.box, this.plan.moment) : null;
    const [sold, pids] = await Promise.all([this.till.sell(sale), killed]);
    if (pids) Object.assign(this.record, pids);
    if (sold.sale.id !== sale.id) throw new Error(`the answer to sale ${sale.id} is that of ${sold.sale.id}`);
    if (sold.tries > 1) this.record.retriedIds.push(sale.id);
    if (sold.replayed) this.record.replayedReplies += 1;
    if (this.shift) for (const { amountMinor } of sale.tenders) this.shift.cardMinor += amountMinor;
  }

  /** One shift per business date, opened with its first basket and closed before that of the next. */
  private async changeDay({ businessDate, sale }: NumberedSale): Promise<void> {
    if (this.shift?.businessDate === businessDate) return;
    await this.endDay();
    const id = stableUuid('shift', this.job.store.id, businessDate);
    await this.till.openShift({ id, drawer: DRAWER, floatMinor: 0, occurredAt: sale.occurredAt });
    this.shift = { id, businessDate, cardMinor: 0 };
  }

  private async endDay(): Promise<void> {
    if (!this.shift) return;
    const { id, businessDate, cardMinor } = this.shift;
    const declared = [
      { tenderType: 'cash', amountMinor: 0 },
      { tenderType: 'card', amountMinor: cardMinor },
    ];
    this.zs.push(await this.till.closeShift(id, declared));
    await this.till.sealDay(businessDate);
    this.shift = null;
  }

  private now(): string {
    return new Date(this.job.till.clock.now()).toISOString();
  }
}

/** Until the hub has everything the edge has. The edge pushes by itself, after an outage within its backoff. */
async function untilAcknowledged(till: TillClient, branch: string, signal: AbortSignal): Promise<SyncStatus> {
  for (let polls = 1; ; polls += 1) {
    const status = await till.syncStatus();
    if (status.queue === 0 && status.appliedSeq === status.lastSeq) return status;
    if (polls * ACKNOWLEDGED_POLL_MS > ACKNOWLEDGED_MS_MAX) {
      throw new Error(
        `${branch}: ${status.queue} lines are still not acknowledged after ${ACKNOWLEDGED_MS_MAX / 1000} s`,
      );
    }
    await pause(ACKNOWLEDGED_POLL_MS, undefined, { signal });
  }
}
