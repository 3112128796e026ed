import { setTimeout as pause } from 'node:timers/promises';
import type { EdgeBox } from '../chain/edge-box.js';
import { NoAnswer, Refused } from '../chain/json-client.js';
import { TillClient, type TillOptions } from '../chain/till-client.js';
import { demoSale } from '../demo/basket.js';
import type { PreparedBranch } from '../demo/set-up-demo.js';
import type { Told } from './told.js';

export interface StoreParts {
  till: Pick<TillOptions, 'clock' | 'chance' | 'signal'>;
  newId: () => string;
}

const CASHIERS = ['mia', 'leo'] as const;
const DRAWERS = ['D1', 'D2'] as const;
const FLOAT_MINOR = 20_000;
const POLL_MS = 100;
const TRIES_MAX = 5;
const KNOWN_AGAIN_MS_MAX = 60_000;

interface Till {
  code: string;
  device: string;
  deviceToken: string;
  drawer: string;
  cashier: TillClient;
  /** Of the sales that this till was told are done, in their order. */
  told: Told[];
  /** So many of the first are known to be at head office: of these the till keeps nothing that it could offer. */
  forgotten: number;
}

/** One store under attack: its tills, what they were told, and the box they stand at. */
export class ChaosStore {
  private readonly tills: Till[] = [];

  private manager: TillClient | null = null;
  /** Tills say to their box which line they were told last. */
  remembers = true;

  private constructor(
    readonly branch: PreparedBranch,
    private readonly parts: StoreParts,
  ) {}

  /** Enrols the tills at the box and opens a shift at each. */
  static async open(branch: PreparedBranch, box: EdgeBox, parts: StoreParts): Promise<ChaosStore> {
    const store = new ChaosStore(branch, parts);
    for (const [at, { till, deviceCode }] of branch.tills.entries()) {
      const { deviceId, deviceToken } = await TillClient.enrol(box.url, deviceCode, `Till ${till}`, parts.till.signal);
      const operator = CASHIERS[at] ?? 'mia';
      const pin = branch.operators.find((each) => each.operator === operator)?.pin ?? '';
      const told: Told[] = [];
      const seen = (): string | null => (store.remembers ? lastSeen(told) : null);
      const cashier = new TillClient({ ...parts.till, url: box.url, deviceToken, operator, pin, seen });
      const manager = branch.operators.find((each) => each.role === 'store-manager');
      if (manager !== undefined) {
        store.manager ??= new TillClient({
          ...parts.till,
          url: box.url,
          deviceToken,
          operator: manager.operator,
          pin: manager.pin,
        });
      }
      store.tills.push({
        code: till,
        device: deviceId,
        deviceToken,
        drawer: DRAWERS[at] ?? 'D1',
        cashier,
        told,
        forgotten: 0,
      });
    }
    for (const { cashier, drawer } of store.tills) {
      await cashier.openShift({ id: parts.newId(), drawer, floatMinor: FLOAT_MINOR });
    }
    return store;
  }

  get code(): string {
    return this.branch.code;
  }

  /** By till: the order in which each was told. */
  get told(): readonly Told[] {
    return this.tills.flatMap((till) => till.told);
  }

  /** All tills, or the one at that place, go on at this box. */
  moveTo(box: EdgeBox, at?: number): void {
    for (const [index, { cashier }] of this.tills.entries())
      if (at === undefined || at === index) cashier.moveTo(box.url);
    if (at === undefined || at === 0) this.manager?.moveTo(box.url);
  }

  /** So many customers at each till, all tills at once; or at the one till at that place. */
  async sell(customers: number, at?: number): Promise<void> {
    await Promise.all(
      this.tills.map(async (till, index) => {
        if (at !== undefined && at !== index) return;
        for (let served = 0; served < customers; served += 1) await this.serve(till);
      }),
    );
  }

  /** All that was told is at head office: tills forget it. */
  forgetApplied(): void {
    for (const till of this.tills) till.forgotten = till.told.length;
  }

  /**
   * What a till does that finds its edge behind what it was told: it offers again every sale that it still keeps and that
   * the edge has not, with the receipt that the customer holds.
   */
  async offerAgain(): Promise<void> {
    for (const { cashier, code, device, told, forgotten } of this.tills) {
      const missing: Told[] = [];
      for (const each of told.slice(forgotten)) if (!(await cashier.hasSale(each.request.id))) missing.push(each);
      for (const { id, status, code: why } of await cashier.handOver({ till: code, device }, missing)) {
        if (status === 'refused') throw new Error(`${this.code}: sale ${id} was offered again and refused: ${why}`);
      }
    }
  }

  /** Until the box knows its tills again: one that was replaced learns of them from the branch's own history. */
  async untilKnown(): Promise<void> {
    const { signal } = this.parts.till;
    for (const { cashier, code } of this.tills) {
      for (let waitedMs = 0; ; waitedMs += POLL_MS) {
        try {
          await cashier.ready();
          break;
        } catch (error) {
          const mayPass = error instanceof NoAnswer || (error instanceof Refused && error.status === 401);
          if (!mayPass || waitedMs >= KNOWN_AGAIN_MS_MAX) throw error;
        }
        await pause(POLL_MS, undefined, { signal });
      }
      if (signal.aborted) throw new Error(`${code}: stopped`);
    }
  }

  /** At the box of the first till, in minor units; null: it is not sold. */
  async priceOf(product: string): Promise<number | null> {
    const shelf = await this.tillAt(0).cashier.shelf();
    return shelf.find((item) => item.product === product)?.price.minor ?? null;
  }

  /** As the manager does by hand. */
  async forceSync(): Promise<void> {
    await this.manager?.forceSync();
  }

  get deviceToken(): string {
    return this.tillAt(0).deviceToken;
  }

  close(): void {
    for (const { cashier } of this.tills) cashier.close();
    this.manager?.close();
  }

  /** The shelf is looked at anew for each customer: what is expected at the till has to be what the book says now. */
  private async serve({ cashier, code, told }: Till): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const request = demoSale(this.parts.newId(), await cashier.shelf(), this.parts.till.chance);
      try {
        const { sale } = await cashier.sell(request);
        told.push({ branch: this.code, till: code, request, answer: sale });
        return;
      } catch (error) {
        // A price that changed in between: a proposal may be refused, and nothing was told.
        if (!(error instanceof Refused && error.status === 422) || tries === TRIES_MAX) throw error;
      }
    }
  }

  private tillAt(at: number): Till {
    const till = this.tills[at];
    if (till === undefined) throw new Error(`${this.code} has no till ${at + 1}`);
    return till;
  }
}

/** Of the sale that was told last. */
function lastSeen(told: readonly Told[]): string | null {
  const journal = told.at(-1)?.answer.journal;
  if (journal === undefined) return null;
  const { incarnation, epoch, seq, hash } = journal;
  return `${incarnation};${epoch};${seq};${hash}`;
}
