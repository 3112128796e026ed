import type { DayFigures, TillClient, ZReport } from '../chain/till-client.js';
import { type NumberedSale, salesOf, stableUuid } from '../complete-journey/basket-to-sale.js';
import type { Basket } from '../complete-journey/journey.js';
import type { Outage } from './outage.js';

export interface TradingParts {
  store: string;
  /** In time order. */
  baskets: readonly Basket[];
  till: TillClient;
  outage: Outage | null;
  /** How many of the first baskets the edge is known to have. */
  soldBefore: number;
  onSale: () => void;
}

const DRAWER = 'D1';

/**
 * One store's baskets through its till, day by day, one shift per business date: opened with its first basket and closed before that of
 * the next. What an earlier run has done is asked for again, and answered with what is stored; the sales it has sold are not posted.
 */
export class StoreTrading {
  private readonly zs: ZReport[] = [];
  private shift: { id: string; businessDate: string; cardMinor: number } | null = null;

  constructor(private readonly parts: TradingParts) {}

  /** @returns the Zs, an entry a business date of each */
  async run(): Promise<DayFigures[]> {
    const { baskets, outage, soldBefore, onSale } = this.parts;
    let position = 0;
    for (const numbered of salesOf(baskets)) {
      const isSold = position < soldBefore;
      if (!isSold) await outage?.reach(position);
      await this.changeDay(numbered);
      if (!isSold) {
        await this.sell(numbered, position);
        onSale();
      }
      if (this.shift) for (const { amountMinor } of numbered.sale.tenders) this.shift.cardMinor += amountMinor;
      position += 1;
    }
    await outage?.reach(position);
    await this.endDay();
    return this.zs.flatMap((z) => z.byBusinessDate);
  }

  private async sell({ sale }: NumberedSale, position: number): Promise<void> {
    const { till, outage } = this.parts;
    const sold = await (outage ? outage.sell(position, sale) : till.sell(sale));
    if (sold.sale.id !== sale.id) throw new Error(`the answer to sale ${sale.id} is that of ${sold.sale.id}`);
  }

  private async changeDay({ businessDate, sale }: NumberedSale): Promise<void> {
    if (this.shift?.businessDate === businessDate) return;
    await this.endDay();
    const id = stableUuid('shift', this.parts.store, businessDate);
    await this.parts.till.openShift({ id, drawer: DRAWER, floatMinor: 0, occurredAt: sale.occurredAt });
    this.shift = { id, businessDate, cardMinor: 0 };
  }

  private async endDay(): Promise<void> {
    if (!this.shift) return;
    const { id, businessDate, cardMinor } = this.shift;
    const declared = [
      { tenderType: 'cash', amountMinor: 0 },
      { tenderType: 'card', amountMinor: cardMinor },
    ];
    this.zs.push(await this.parts.till.closeShift(id, declared));
    await this.parts.till.sealDay(businessDate);
    this.shift = null;
  }
}

/** How many of the first baskets the edge has: they were posted one after the other, so what it has is without a gap. */
export async function countSold(till: TillClient, baskets: readonly Basket[]): Promise<number> {
  const ids = [...salesOf(baskets)].map(({ sale }) => sale.id);
  let [from, to] = [0, ids.length];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if (await till.hasSale(ids[middle] ?? '')) from = middle + 1;
    else to = middle;
  }
  return from;
}
