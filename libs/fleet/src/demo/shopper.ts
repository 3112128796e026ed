import { setTimeout as pause } from 'node:timers/promises';
import { lineAmountMinor } from '@branchline/domain/price.js';
import { quantityMilli } from '@branchline/domain/quantity.js';
import { z } from 'zod';
import { Refused } from '../chain/json-client.js';
import { readPrivateJson, writePrivateJson } from '../chain/private-file.js';
import type { TillClient } from '../chain/till-client.js';
import type { DemoProduct } from './demo-chain.js';

export interface ShopperParts {
  /** The cashier's; also opens the shift. */
  cashier: Pick<TillClient, 'openShift' | 'sell'>;
  /** Counts, closes and seals. */
  supervisor: Pick<TillClient, 'interim' | 'closeShift' | 'sealDay'>;
  products: readonly DemoProduct[];
  shiftFile: string;
  newId: () => string;
  chance: () => number;
  signal: AbortSignal;
  tell: (line: string) => void;
  onSale: () => void;
}

export interface DemoSale {
  id: string;
  lines: { lineNo: number; product: string; quantity: number }[];
  tenders: { tenderNo: number; type: string; amountMinor: number; card?: { scheme: string; maskedPan: string } }[];
  expectedTotalMinor: number;
}

const shiftSchema = z.object({ id: z.string(), businessDate: z.string().nullable() });
type Shift = z.output<typeof shiftSchema>;

const PAUSE_MS_MIN = 1_500;
const PAUSE_MS_MAX = 6_000;
const TROUBLE_PAUSE_MS = 5_000;
const LINES_MAX = 6;
const CARD_SHARE = 0.65;
const DRAWER = 'D1';
const FLOAT_MINOR = 30_000;
/** Notes that people pay with, in minor units. */
const NOTES_MINOR = [500, 1_000, 2_000, 5_000, 10_000];

/** One store's customers, one after the other at a calm rhythm, and the end of its days. */
export class Shopper {
  constructor(private readonly parts: ShopperParts) {}

  /** Until the signal. What a sale is refused for is told, and the next customer comes. */
  async run(): Promise<void> {
    const { signal, chance, tell } = this.parts;
    let shift = await this.openShift(readPrivateJson(this.parts.shiftFile, shiftSchema));
    while (!signal.aborted) {
      try {
        shift = await this.serve(shift);
        await pause(PAUSE_MS_MIN + chance() * (PAUSE_MS_MAX - PAUSE_MS_MIN), undefined, { signal });
      } catch (error) {
        if (signal.aborted) return;
        tell((error as Error).message);
        await pause(TROUBLE_PAUSE_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  private async serve(shift: Shift): Promise<Shift> {
    const { cashier, products, newId, chance, onSale } = this.parts;
    try {
      const { sale } = await cashier.sell(demoSale(newId(), products, chance));
      onSale();
      if (shift.businessDate === null) return this.remember({ ...shift, businessDate: sale.businessDate });
      return sale.businessDate === shift.businessDate ? shift : await this.changeDay(shift);
    } catch (error) {
      // Closed by hand, or just before a crash: a new one.
      if (error instanceof Refused && error.code === 'shift-not-found') return this.openShift(null);
      throw error;
    }
  }

  /** The first sale of a new day was still rung up in yesterday's shift, as it happens in shops. */
  private async changeDay(shift: Shift): Promise<Shift> {
    const { supervisor } = this.parts;
    const { tenders } = await supervisor.interim(shift.id);
    const declared = tenders.map(({ tenderType, expectedMinor }) => ({ tenderType, amountMinor: expectedMinor }));
    await supervisor.closeShift(shift.id, declared);
    if (shift.businessDate !== null) await supervisor.sealDay(shift.businessDate);
    return this.openShift(null);
  }

  /** Its id is written down before it is asked for: after a crash in between the same is asked for again. */
  private async openShift(known: Shift | null): Promise<Shift> {
    const shift = known ?? this.remember({ id: this.parts.newId(), businessDate: null });
    await this.parts.cashier.openShift({ id: shift.id, drawer: DRAWER, floatMinor: FLOAT_MINOR });
    return shift;
  }

  private remember(shift: Shift): Shift {
    writePrivateJson(this.parts.shiftFile, shift);
    return shift;
  }
}

/** A basket of a few things at book prices, paid by card, or in cash with what is in the purse. */
export function demoSale(id: string, products: readonly DemoProduct[], chance: () => number): DemoSale {
  const shelves = [...products];
  const count = 1 + Math.floor(chance() * Math.min(LINES_MAX, shelves.length));
  const lines: DemoSale['lines'] = [];
  let totalMinor = 0;
  for (let lineNo = 1; lineNo <= count; lineNo += 1) {
    const [taken] = shelves.splice(Math.floor(chance() * shelves.length), 1);
    if (!taken) break;
    const quantity = taken.fractional ? Math.round(200 + chance() * 1_300) / 1000 : 1 + Math.floor(chance() ** 3 * 4);
    lines.push({ lineNo, product: taken.product, quantity });
    totalMinor += lineAmountMinor({ minor: taken.priceMinor, per: 1 }, quantityMilli(quantity));
  }
  return { id, lines, tenders: [tenderFor(totalMinor, chance)], expectedTotalMinor: totalMinor };
}

function tenderFor(totalMinor: number, chance: () => number): DemoSale['tenders'][number] {
  if (chance() < CARD_SHARE) {
    const maskedPan = `****${String(Math.floor(chance() * 10_000)).padStart(4, '0')}`;
    return { tenderNo: 1, type: 'card', amountMinor: totalMinor, card: { scheme: 'VISA', maskedPan } };
  }
  const largest = NOTES_MINOR.at(-1) ?? 0;
  const note = NOTES_MINOR.find((minor) => minor >= totalMinor) ?? Math.ceil(totalMinor / largest) * largest;
  return { tenderNo: 1, type: 'cash', amountMinor: note };
}
