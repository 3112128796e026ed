import { assertSafe } from '@branchline/domain/money.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import { discountOfLine } from './sale-faults.js';

/** A sale that has just been inserted, with the hour of its branch's wall clock. */
export type SaleToCount = { hour: number; body: SaleBody };

type Sums = {
  lines: number;
  unitsMilli: number;
  amountMinor: number;
  discountMinor: number;
  netMinor: number;
  taxMinor: number;
  totalMinor: number;
};
type Day = { businessDate: string; currency: string };

export type HourDelta = Day & { hour: number; baskets: number } & Sums;
export type OperatorDelta = Day & { operator: string; baskets: number } & Sums;
export type ProductDelta = Day & { product: string } & Sums;
/** `amountMinor`: tendered, less change and cash back: over all tenders Σ totals + cash rounding. */
export type TenderDelta = Day & { tender: string; baskets: number; amountMinor: number };
export type ModifierDelta = Day & { kind: string; informational: boolean; lines: number; amountMinor: number };
export type StockDelta = { product: string; quantityMilli: number };

export type SalesDeltas = {
  byHour: HourDelta[];
  byOperator: OperatorDelta[];
  byProduct: ProductDelta[];
  byTender: TenderDelta[];
  byModifier: ModifierDelta[];
  stock: StockDelta[];
};

/**
 * What these sales add to the rollups, each list sorted by its key, so that two transactions lock rows in one order.
 * Summed here and not by SQL over the rows just written: the facts are at hand, and only sums go over the wire.
 * Throws DomainError `number-not-safe` when a sum leaves the safe range.
 */
export function salesDeltas(sales: readonly SaleToCount[]): SalesDeltas {
  const deltas = {
    byHour: new Keyed<HourDelta>(),
    byOperator: new Keyed<OperatorDelta>(),
    byProduct: new Keyed<ProductDelta>(),
    byTender: new Keyed<TenderDelta>(),
    byModifier: new Keyed<ModifierDelta>(),
    stock: new Keyed<StockDelta>(),
  };
  for (const { hour, body } of sales) {
    const day: Day = { businessDate: body.businessDate, currency: body.currency };
    const { operator } = body;
    const sums = { baskets: 1, ...sumsOfSale(body) };
    deltas.byHour.add(key(day, String(hour).padStart(2, '0')), () => ({ ...day, hour, ...NO_SUMS, baskets: 0 }), sums);
    deltas.byOperator.add(key(day, operator), () => ({ ...day, operator, ...NO_SUMS, baskets: 0 }), sums);
    for (const line of body.lines) addLine(deltas, day, line);
    for (const [tender, amountMinor] of netTenders(body)) {
      deltas.byTender.add(key(day, tender), () => ({ ...day, tender, baskets: 0, amountMinor: 0 }), {
        baskets: 1,
        amountMinor,
      });
    }
  }
  return {
    byHour: deltas.byHour.sorted(),
    byOperator: deltas.byOperator.sorted(),
    byProduct: deltas.byProduct.sorted(),
    byTender: deltas.byTender.sorted(),
    byModifier: deltas.byModifier.sorted(),
    stock: deltas.stock.sorted(),
  };
}

const NO_SUMS: Sums = {
  lines: 0,
  unitsMilli: 0,
  amountMinor: 0,
  discountMinor: 0,
  netMinor: 0,
  taxMinor: 0,
  totalMinor: 0,
};

function addLine(
  deltas: { byProduct: Keyed<ProductDelta>; byModifier: Keyed<ModifierDelta>; stock: Keyed<StockDelta> },
  day: Day,
  line: SaleBody['lines'][number],
): void {
  const { product, quantityMilli: unitsMilli, amountMinor, netMinor, taxMinor, totalMinor } = line;
  const sums: Sums = {
    lines: 1,
    unitsMilli,
    amountMinor,
    discountMinor: discountOfLine(line),
    netMinor,
    taxMinor,
    totalMinor,
  };
  deltas.byProduct.add(key(day, product), () => ({ ...day, product, ...NO_SUMS }), sums);
  deltas.stock.add(product, () => ({ product, quantityMilli: 0 }), { quantityMilli: 0 - unitsMilli });
  for (const [informational, modifiers] of [
    [false, line.modifiers],
    [true, line.information ?? []],
  ] as const) {
    for (const { kind, amountMinor: modifierMinor } of modifiers) {
      const zero = (): ModifierDelta => ({ ...day, kind, informational, lines: 0, amountMinor: 0 });
      deltas.byModifier.add(key(day, kind, String(informational)), zero, { lines: 1, amountMinor: modifierMinor });
    }
  }
}

export function sumsOfSale(sale: SaleBody): Sums {
  const { amountMinor, discountMinor, netMinor, taxMinor, totalMinor } = sale;
  const unitsMilli = sale.lines.reduce((sum, line) => sum + line.quantityMilli, 0);
  return { lines: sale.lines.length, unitsMilli, amountMinor, discountMinor, netMinor, taxMinor, totalMinor };
}

/** Per type of tender what stayed with the store: change goes out in cash, and so does cash back. */
export function netTenders(sale: SaleBody): Map<string, number> {
  const net = new Map<string, number>();
  const add = (type: string, minor: number): void => void net.set(type, (net.get(type) ?? 0) + minor);
  for (const { type, amountMinor, cashBackMinor = 0 } of sale.tenders) {
    add(type, amountMinor);
    if (cashBackMinor !== 0) add('cash', 0 - cashBackMinor);
  }
  if (sale.changeMinor !== 0) add('cash', 0 - sale.changeMinor);
  return net;
}

/** Not a character of any key: NUL is set aside before. */
const SEPARATOR = '\0';

function key(day: Day, ...members: string[]): string {
  return [day.businessDate, ...members, day.currency].join(SEPARATOR);
}

class Keyed<Delta extends object> {
  private readonly deltas = new Map<string, Delta>();

  /** Adds `amounts` to the delta of `key`, member by member. */
  add(key: string, zero: () => Delta, amounts: { [Member in keyof Delta]?: number }): void {
    let delta = this.deltas.get(key);
    if (delta === undefined) this.deltas.set(key, (delta = zero()));
    const sums = delta as Record<string, number>;
    for (const [member, amount] of Object.entries(amounts))
      sums[member] = assertSafe((sums[member] as number) + (amount as number));
  }

  sorted(): Delta[] {
    return [...this.deltas.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, delta]) => delta);
  }
}
