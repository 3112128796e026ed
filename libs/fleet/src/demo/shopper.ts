import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { Refused } from '../chain/json-client.js';
import { readPrivateJson, writePrivateJson } from '../chain/private-file.js';
import type { SaleAnswer, TillClient } from '../chain/till-client.js';
import { type DemoSale, demoSale, demoSaleSchema, type ShelfItem } from './basket.js';

export interface ShopperParts {
  /** The cashier's; also opens the shift. */
  cashier: Pick<TillClient, 'openShift' | 'sell' | 'shelf'>;
  /** Counts, closes and seals. */
  supervisor: Pick<TillClient, 'interim' | 'closeShift' | 'sealDay'>;
  drawer: string;
  memoryFile: string;
  newId: () => string;
  chance: () => number;
  /** Until the next customer. */
  pauseMs: () => number;
  /** Until it is tried again. */
  troubleMs: number;
  signal: AbortSignal;
  tell: (line: string) => void;
  /** The till was told that it is done; perhaps again. */
  onSale: (sale: SaleAnswer) => void;
}

const memorySchema = z.object({
  shift: z.object({ id: z.string(), businessDate: z.string().nullable() }).nullable(),
  /** Posted, and perhaps recorded: it is posted again until there is an answer. */
  posting: demoSaleSchema.nullable(),
  /** A day whose shift is being closed here, until it is sealed; a file of before does not know it. */
  toSeal: z.string().nullable().default(null),
});
type Memory = z.output<typeof memorySchema>;

const FLOAT_MINOR = 30_000;
/** Refusals that say nothing of the sale: who asks is not known, or comes too often. */
const SAYS_NOTHING = [401, 403, 429];

/** Asked again, it may be taken. */
function mayPass({ status }: Refused): boolean {
  return status >= 500 || SAYS_NOTHING.includes(status);
}

/** One till's customers, one after the other, and the end of its days. What it has to know after a crash stands in its file. */
export class Shopper {
  private memory: Memory;
  private shiftIsOpen = false;
  private shelf: ShelfItem[] | null = null;

  constructor(private readonly parts: ShopperParts) {
    this.memory = readPrivateJson(parts.memoryFile, memorySchema) ?? { shift: null, posting: null, toSeal: null };
  }

  /** Until the signal. What goes wrong is told, and tried again. */
  async run(): Promise<void> {
    const { signal, tell, troubleMs } = this.parts;
    while (!signal.aborted) {
      try {
        await this.serve();
        await pause(this.parts.pauseMs(), undefined, { signal });
      } catch (error) {
        if (signal.aborted) return;
        tell((error as Error).message);
        await pause(troubleMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  private async serve(): Promise<void> {
    await this.sealClosedDay();
    if (!this.shiftIsOpen) await this.openShift();
    const posting = this.memory.posting ?? (await this.nextSale());
    try {
      const { sale } = await this.parts.cashier.sell(posting);
      this.parts.onSale(sale);
      this.memory.posting = null;
      await this.keepDate(sale.businessDate);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      // Closed by hand, or just before a crash: the same customer in a new one.
      if (error.code === 'shift-not-found') return this.forgetShift();
      this.considerRefusal(error);
      throw error;
    }
  }

  /** Its id is written down before it is posted: after a crash in between the same sale is posted again, and counted once. */
  private async nextSale(): Promise<DemoSale> {
    const { cashier, newId, chance } = this.parts;
    this.shelf ??= await cashier.shelf();
    const sale = demoSale(newId(), this.shelf, chance);
    this.remember({ ...this.memory, posting: sale });
    return sale;
  }

  /** The first sale of a new day was still rung up in yesterday's shift, as it happens in shops. */
  private async keepDate(businessDate: string): Promise<void> {
    const { shift } = this.memory;
    if (!shift || shift.businessDate === businessDate) return;
    // Written with the next sale: until then a replay of this one tells it again.
    if (shift.businessDate === null) this.memory.shift = { ...shift, businessDate };
    else await this.changeDay(shift.id, shift.businessDate);
  }

  private async changeDay(shiftId: string, businessDate: string): Promise<void> {
    const { supervisor } = this.parts;
    const { tenders } = await supervisor.interim(shiftId);
    const declared = tenders.map(({ tenderType, expectedMinor }) => ({ tenderType, amountMinor: expectedMinor }));
    // Before it is closed: whoever is killed between the two is the one who seals.
    this.remember({ ...this.memory, toSeal: businessDate });
    await supervisor.closeShift(shiftId, declared);
    this.forgetShift();
    await this.sealClosedDay();
  }

  private async sealClosedDay(): Promise<void> {
    const { toSeal, shift } = this.memory;
    if (toSeal === null || shift !== null) return;
    try {
      await this.parts.supervisor.sealDay(toSeal);
    } catch (error) {
      if (!(error instanceof Refused) || mayPass(error)) throw error;
      // Another till still has the old day: whoever closes last seals. Any other refusal is told, and selling goes on.
      this.remember({ ...this.memory, toSeal: null });
      if (error.code !== 'shift-open') throw error;
      return;
    }
    this.remember({ ...this.memory, toSeal: null });
  }

  /** Its id too is written down before it is asked for. */
  private async openShift(): Promise<void> {
    const { newId, cashier, drawer } = this.parts;
    const shift = this.memory.shift ?? { id: newId(), businessDate: null };
    this.remember({ ...this.memory, shift });
    await cashier.openShift({ id: shift.id, drawer, floatMinor: FLOAT_MINOR });
    this.shiftIsOpen = true;
  }

  private forgetShift(): void {
    this.shiftIsOpen = false;
    this.remember({ ...this.memory, shift: null });
  }

  /** A sale that is refused was never done: the customer leaves, and prices are looked up anew. */
  private considerRefusal(refusal: Refused): void {
    if (mayPass(refusal)) return;
    this.shelf = null;
    this.remember({ ...this.memory, posting: null });
  }

  private remember(memory: Memory): void {
    this.memory = memory;
    writePrivateJson(this.parts.memoryFile, memory);
  }
}
