import { assertSafe } from '@branchline/domain/money.js';
import { expectedTenders, tenderEntriesOfSale } from '@branchline/domain/z-report.js';
import { signOfSale, type SaleBody } from '@branchline/replication/kinds/sale.js';
import { discountOfLine } from '@branchline/replication/sale-faults.js';

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
 * Deltas are literals that are added to in place: spreading and copying them took longer than all the adding.
 * Throws DomainError `number-not-safe` when a sum leaves the safe range.
 */
export function salesDeltas(sales: readonly SaleToCount[]): SalesDeltas {
  const days = new Map<string, DaySums>();
  const stock = new Map<string, StockDelta>();
  for (const { hour, body } of sales) {
    const day = dayOf(days, body);
    const sign = signOfSale(body);
    const sums = sumsOfSale(body, sign);
    addBasket(hourOf(day, hour), sign, sums);
    addBasket(operatorOf(day, body.operator), sign, sums);
    for (const line of body.lines) addLine(day, stock, line, sign);
    // What stayed with the store, by the ledger's own rule: change and cash back go out in cash.
    const entries = tenderEntriesOfSale(body.currency, body.tenders, body.changeMinor);
    for (const { tenderType: tender, expectedMinor: amountMinor } of expectedTenders(entries)) {
      const delta = tenderOf(day, tender);
      delta.baskets += sign;
      delta.amountMinor = assertSafe(delta.amountMinor + amountMinor);
    }
  }
  const inOrder = [...days].sort(([a], [b]) => compare(a, b)).map(([, day]) => day);
  return {
    byHour: inOrder.flatMap(({ hours }) => byKey(hours)),
    byOperator: inOrder.flatMap(({ operators }) => byKey(operators)),
    byProduct: inOrder.flatMap(({ products }) => byKey(products)),
    byTender: inOrder.flatMap(({ tenders }) => byKey(tenders)),
    byModifier: inOrder.flatMap(({ modifiers }) => byKey(modifiers)),
    stock: byKey(stock),
  };
}

/** Of one business date and currency. Nested maps: a key per line would be made of text anew. */
type DaySums = Day & {
  hours: Map<number, HourDelta>;
  operators: Map<string, OperatorDelta>;
  products: Map<string, ProductDelta>;
  tenders: Map<string, TenderDelta>;
  modifiers: Map<string, ModifierDelta>;
};

function dayOf(days: Map<string, DaySums>, { businessDate, currency }: SaleBody): DaySums {
  const empty = (): DaySums => ({
    businessDate,
    currency,
    hours: new Map(),
    operators: new Map(),
    products: new Map(),
    tenders: new Map(),
    modifiers: new Map(),
  });
  return deltaIn(days, `${businessDate} ${currency}`, empty);
}

function deltaIn<Key, Delta>(map: Map<Key, Delta>, key: Key, zero: () => Delta): Delta {
  let delta = map.get(key);
  if (delta === undefined) map.set(key, (delta = zero()));
  return delta;
}

function hourOf({ hours, businessDate, currency }: DaySums, hour: number): HourDelta {
  return deltaIn(hours, hour, () => ({
    businessDate,
    currency,
    hour,
    baskets: 0,
    lines: 0,
    unitsMilli: 0,
    amountMinor: 0,
    discountMinor: 0,
    netMinor: 0,
    taxMinor: 0,
    totalMinor: 0,
  }));
}

function operatorOf({ operators, businessDate, currency }: DaySums, operator: string): OperatorDelta {
  return deltaIn(operators, operator, () => ({
    businessDate,
    currency,
    operator,
    baskets: 0,
    lines: 0,
    unitsMilli: 0,
    amountMinor: 0,
    discountMinor: 0,
    netMinor: 0,
    taxMinor: 0,
    totalMinor: 0,
  }));
}

function productOf({ products, businessDate, currency }: DaySums, product: string): ProductDelta {
  return deltaIn(products, product, () => ({
    businessDate,
    currency,
    product,
    lines: 0,
    unitsMilli: 0,
    amountMinor: 0,
    discountMinor: 0,
    netMinor: 0,
    taxMinor: 0,
    totalMinor: 0,
  }));
}

function tenderOf({ tenders, businessDate, currency }: DaySums, tender: string): TenderDelta {
  return deltaIn(tenders, tender, () => ({ businessDate, currency, tender, baskets: 0, amountMinor: 0 }));
}

function addBasket(to: Sums & { baskets: number }, sign: 1 | -1, sums: Sums): void {
  to.baskets += sign;
  addSums(to, sums);
}

function addSums(to: Sums, sums: Sums): void {
  to.lines += sums.lines;
  to.unitsMilli = assertSafe(to.unitsMilli + sums.unitsMilli);
  to.amountMinor = assertSafe(to.amountMinor + sums.amountMinor);
  to.discountMinor = assertSafe(to.discountMinor + sums.discountMinor);
  to.netMinor = assertSafe(to.netMinor + sums.netMinor);
  to.taxMinor = assertSafe(to.taxMinor + sums.taxMinor);
  to.totalMinor = assertSafe(to.totalMinor + sums.totalMinor);
}

function addLine(day: DaySums, stock: Map<string, StockDelta>, line: SaleBody['lines'][number], sign: 1 | -1): void {
  const { product, quantityMilli: unitsMilli, amountMinor, netMinor, taxMinor, totalMinor } = line;
  const discountMinor = discountOfLine(line);
  addSums(productOf(day, product), {
    lines: sign,
    unitsMilli,
    amountMinor,
    discountMinor,
    netMinor,
    taxMinor,
    totalMinor,
  });
  const onHand = deltaIn(stock, product, () => ({ product, quantityMilli: 0 }));
  onHand.quantityMilli = assertSafe(onHand.quantityMilli - unitsMilli);
  for (const { kind, amountMinor: minor } of line.modifiers) addModifier(day, [kind, false], minor, sign);
  for (const { kind, amountMinor: minor } of line.information ?? []) addModifier(day, [kind, true], minor, sign);
}

function addModifier(
  { modifiers, businessDate, currency }: DaySums,
  [kind, informational]: [kind: string, informational: boolean],
  minor: number,
  sign: 1 | -1,
): void {
  // NUL is in no kind: such a line was set aside.
  const zero = (): ModifierDelta => ({ businessDate, currency, kind, informational, lines: 0, amountMinor: 0 });
  const delta = deltaIn(modifiers, `${kind}\0${informational}`, zero);
  delta.lines += sign;
  delta.amountMinor = assertSafe(delta.amountMinor + minor);
}

function byKey<Key extends string | number, Delta>(map: ReadonlyMap<Key, Delta>): Delta[] {
  return [...map].sort(([a], [b]) => compare(a, b)).map(([, delta]) => delta);
}

function compare<Key extends string | number>(a: Key, b: Key): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function sumsOfSale(sale: SaleBody, sign: 1 | -1): Sums {
  const { amountMinor, discountMinor, netMinor, taxMinor, totalMinor } = sale;
  return {
    lines: sign * sale.lines.length,
    unitsMilli: unitsOfSale(sale),
    amountMinor,
    discountMinor,
    netMinor,
    taxMinor,
    totalMinor,
  };
}

export function unitsOfSale(sale: SaleBody): number {
  return sale.lines.reduce((sum, line) => sum + line.quantityMilli, 0);
}
