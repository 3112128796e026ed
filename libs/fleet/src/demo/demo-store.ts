import { setTimeout as pause } from 'node:timers/promises';
import type { EdgeBox } from '../chain/edge-box.js';
import { type SyncStatus, TillClient, type TillOptions } from '../chain/till-client.js';
import { type ProxyControl, startProxyControl } from '../proxy-control.js';
import { type DemoOperator, type DemoProduct } from './demo-chain.js';
import type { DemoBranchState, DemoFolder } from './demo-state.js';
import { Shopper } from './shopper.js';

export interface StoreParts {
  folder: DemoFolder;
  till: Pick<TillOptions, 'clock' | 'chance' | 'signal'>;
  newId: () => string;
  tell: (line: string) => void;
}

const STATUS_MS = 2_000;

/** One store that trades: its box, its customers, and what is known of it. */
export class DemoStore {
  sales = 0;
  private status: SyncStatus | null = null;
  private readonly cashier: TillClient;
  private readonly supervisor: TillClient;

  private constructor(
    readonly branch: DemoBranchState,
    readonly box: EdgeBox,
    readonly control: ProxyControl,
    private readonly parts: StoreParts,
  ) {
    this.cashier = this.signIn('mia');
    this.supervisor = this.signIn('tom');
  }

  static async open(branch: DemoBranchState, box: EdgeBox, parts: StoreParts): Promise<DemoStore> {
    return new DemoStore(branch, box, await startProxyControl(box.hubLine), parts);
  }

  /** Until the signal. */
  async trade(products: readonly DemoProduct[], onSale: () => void): Promise<void> {
    const { folder, till, newId, tell } = this.parts;
    const shopper = new Shopper({
      cashier: this.cashier,
      supervisor: this.supervisor,
      products,
      shiftFile: folder.shiftFile(this.branch.code),
      newId,
      chance: till.chance,
      signal: till.signal,
      tell: (line) => tell(`${this.branch.code}: ${line}`),
      onSale: () => {
        this.sales += 1;
        onSale();
      },
    });
    await Promise.all([shopper.run(), this.watch()]);
  }

  /** `B001 14 sales, queue 0, line up`. */
  describe(): string {
    const { code } = this.branch;
    if (!this.box.isRunning) return `${code} down`;
    return `${code} ${this.sales} sales, queue ${this.status?.queue ?? '-'}, line ${this.status?.line ?? '-'}`;
  }

  async close(): Promise<void> {
    this.cashier.close();
    this.supervisor.close();
    await this.control.close();
  }

  private async watch(): Promise<void> {
    const { signal } = this.parts.till;
    while (!signal.aborted) {
      // An edge that is just being started again has no status; its absence is shown by `describe`.
      this.status = await this.supervisor.syncStatus().catch(() => null);
      await pause(STATUS_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private signIn(who: DemoOperator): TillClient {
    const known = this.branch.operators.find(({ operator }) => operator === who);
    if (!known) throw new Error(`${this.branch.code} has no ${who}`);
    const { deviceToken } = this.branch;
    return new TillClient({ ...this.parts.till, url: this.box.url, deviceToken, operator: who, pin: known.pin });
  }
}
