import { setTimeout as pause } from 'node:timers/promises';
import { businessDate } from '@branchline/domain/business-date.js';
import type { EdgeBox } from '../chain/edge-box.js';
import { accepted, JsonClient, NoAnswer, Refused } from '../chain/json-client.js';
import { type SyncStatus, syncStatusSchema, TillClient, type TillOptions } from '../chain/till-client.js';
import { type LocalControl, newControlToken } from '../local-control.js';
import { startProxyControl } from '../proxy-control.js';
import { DEMO_TENANT, DEMO_TILLS, type DemoOperator, type DemoTill } from './demo-chain.js';
import type { DemoBranchState, DemoFolder } from './demo-state.js';
import { localTime, pauseMs } from './rhythm.js';
import { Shopper } from './shopper.js';
import { ToldSales } from './told-sales.js';
import type { TrialBranch, TrialStore } from './trial-control.js';

export interface StoreParts {
  folder: DemoFolder;
  till: Pick<TillOptions, 'clock' | 'chance' | 'signal'>;
  newId: () => string;
  pace: number;
  tell: (line: string) => void;
}

const TROUBLE_MS = 5_000;
const STATUS_MS = 1_000;
const STATUS_MS_MAX = 2_000;

/** One store that trades: its box, its tills and their customers, and what is known of it. */
export class DemoStore implements TrialStore {
  /** Since this start. */
  hasSold = false;
  /** The last that the box has said; null: it is down, or has not said yet. */
  status: SyncStatus | null = null;
  private readonly told: ToldSales;
  private readonly http: JsonClient;
  private readonly tills: TillClient[] = [];

  private constructor(
    readonly branch: DemoBranchState,
    readonly box: EdgeBox,
    readonly control: LocalControl,
    private readonly parts: StoreParts,
  ) {
    this.told = ToldSales.open(parts.folder.toldFolder(branch.code));
    this.http = new JsonClient(box.url, parts.till.signal, STATUS_MS_MAX);
  }

  static async open(branch: DemoBranchState, box: EdgeBox, parts: StoreParts): Promise<DemoStore> {
    return new DemoStore(branch, box, await startProxyControl(box.hubLine, newControlToken()), parts);
  }

  get code(): string {
    return this.branch.code;
  }

  get businessDate(): string {
    return businessDate(this.parts.till.clock.now(), this.branch.timeZone, 0);
  }

  /** On the current business date. */
  get toldToday(): { baskets: number; totalMinor: number } {
    return this.told.on(this.businessDate);
  }

  /** Until the signal. */
  async trade(onSale: () => void): Promise<void> {
    const shoppers = this.branch.tills.map(({ till, deviceToken }) => this.shopperAt(till, deviceToken, onSale));
    await Promise.all([...shoppers.map((shopper) => shopper.run()), this.watch()]);
  }

  async look(): Promise<TrialBranch> {
    const status = await this.ask();
    const { baskets, totalMinor } = this.toldToday;
    return {
      branch: this.code,
      line: this.box.hubLine.isCut ? 'down' : 'up',
      box: this.box.isRunning ? 'up' : 'down',
      tillBaskets: baskets,
      tillTotalMinor: totalMinor,
      currency: DEMO_TENANT.currency,
      businessDate: this.businessDate,
      queue: status?.queue ?? null,
      headSeq: status?.lastSeq ?? null,
      headHash: status?.headHash ?? null,
      url: this.box.url,
    };
  }

  cut(): void {
    this.box.hubLine.cut();
  }

  restore(): void {
    this.box.hubLine.restore();
  }

  /** Whoever keeps it running starts it again. */
  async kill(): Promise<void> {
    if (this.box.isRunning) await this.box.kill();
  }

  /** `B001 14 sales, queue 0, line up`. */
  describe(): string {
    if (!this.box.isRunning) return `${this.code} down`;
    const { baskets } = this.toldToday;
    return `${this.code} ${baskets} sales, queue ${this.status?.queue ?? '-'}, line ${this.status?.line ?? '-'}`;
  }

  async close(): Promise<void> {
    for (const till of this.tills) till.close();
    this.http.close();
    await this.control.close();
  }

  private shopperAt(till: string, deviceToken: string, onSale: () => void): Shopper {
    const { folder, newId, pace, tell } = this.parts;
    const { clock, chance, signal } = this.parts.till;
    const { cashier, drawer, pauseMsMax } = knownTill(till);
    return new Shopper({
      cashier: this.signIn(cashier, deviceToken),
      supervisor: this.signIn('tom', deviceToken),
      drawer,
      memoryFile: folder.tillFile(this.code, till),
      newId,
      chance,
      pauseMs: () => pauseMs(localTime(clock.now(), this.branch.timeZone), chance(), pauseMsMax) / pace,
      troubleMs: TROUBLE_MS,
      signal,
      tell: (line) => tell(`${this.code} ${till}: ${line}`),
      onSale: (sale) => {
        this.told.record(sale);
        this.hasSold = true;
        onSale();
      },
    });
  }

  private async watch(): Promise<void> {
    const { signal } = this.parts.till;
    while (!signal.aborted) {
      this.status = await this.ask();
      await pause(STATUS_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Null: it is down, stopping or being started again. */
  private async ask(): Promise<SyncStatus | null> {
    if (!this.box.isRunning) return null;
    const token = this.branch.tills[0]?.deviceToken ?? '';
    try {
      return accepted(
        'edge: status',
        await this.http.ask({ method: 'GET', path: '/v1/sync/status', token }),
        syncStatusSchema,
      );
    } catch (error) {
      if (error instanceof NoAnswer || error instanceof Refused || this.parts.till.signal.aborted) return null;
      throw error;
    }
  }

  private signIn(who: DemoOperator, deviceToken: string): TillClient {
    const known = this.branch.operators.find(({ operator }) => operator === who);
    if (!known) throw new Error(`${this.code} has no ${who}`);
    const { pin } = known;
    const till = new TillClient({ ...this.parts.till, url: this.box.url, deviceToken, operator: who, pin });
    this.tills.push(till);
    return till;
  }
}

function knownTill(code: string): DemoTill {
  const known = DEMO_TILLS.find(({ till }) => till === code);
  if (!known) throw new Error(`there is no till ${code}`);
  return known;
}
