import { createHash } from 'node:crypto';
import { businessDate } from '@branchline/domain/business-date.js';
import type { Basket, BasketLine } from './journey.js';
import { STORE_TIME_ZONE } from './read-sales.js';

interface Adjustment {
  kind: string;
  amountMinor: number;
}

export interface JourneySaleLine {
  lineNo: number;
  product: string;
  quantity: number;
  price: { minor: number; per: number };
  priceSource: 'external';
  modifiers?: Adjustment[];
  information?: Adjustment[];
}

/** The body of `POST /v1/sales`. */
export interface JourneySale {
  id: string;
  deviceReference: string;
  occurredAt: string;
  customerId: string;
  lines: JourneySaleLine[];
  tenders: { tenderNo: number; type: 'card'; amountMinor: number }[];
  expectedTotalMinor: number;
}

export interface NumberedSale {
  businessDate: string;
  sale: JourneySale;
}

/** The till of each store in a replay. */
export const REPLAY_TILL = 'T1';
/** The days of this data set begin at midnight. */
const CUT_OFF_MINUTES = 0;

/** A store's baskets, in time order, as the sales its till posts. The same file always gives the same ids and references. */
export function* salesOf(baskets: readonly Basket[]): Generator<NumberedSale> {
  let day = '';
  let position = 0;
  for (const basket of baskets) {
    const date = businessDate(basket.occurredAtMs, STORE_TIME_ZONE, CUT_OFF_MINUTES);
    position = date === day ? position + 1 : 1;
    day = date;
    yield { businessDate: date, sale: basketToSale(basket, date, position) };
  }
}

/** @param position of the basket in its store's day, from 1. */
export function basketToSale(basket: Basket, date: string, position: number): JourneySale {
  const totalMinor = basket.lines.reduce((sum, line) => sum + line.netMinor, 0);
  return {
    id: stableUuid('sale', basket.store, basket.basket),
    deviceReference: `${REPLAY_TILL}-${date.replaceAll('-', '')}-${String(position).padStart(6, '0')}`,
    occurredAt: new Date(basket.occurredAtMs).toISOString(),
    customerId: stableUuid('household', basket.household),
    lines: basket.lines.map(saleLine),
    // A sale of 0 is a sale, and nothing is paid for it.
    tenders: totalMinor === 0 ? [] : [{ tenderNo: 1, type: 'card', amountMinor: totalMinor }],
    expectedTotalMinor: totalMinor,
  };
}

function saleLine(line: BasketLine, index: number): JourneySaleLine {
  const quantity = line.quantityMilli / 1000;
  const grossMinor = line.netMinor + line.retailDiscMinor + line.couponMatchMinor;
  const modifiers = [
    ...adjustment('loyalty', -line.retailDiscMinor),
    ...adjustment('coupon-match', -line.couponMatchMinor),
  ];
  const information = adjustment('manufacturer-coupon', line.couponDiscMinor);
  return {
    lineNo: index + 1,
    product: line.product,
    quantity,
    // Per the whole quantity, so that the line amounts to exactly the gross whatever the quantity is.
    price: { minor: grossMinor, per: quantity },
    priceSource: 'external',
    ...(modifiers.length > 0 ? { modifiers } : {}),
    ...(information.length > 0 ? { information } : {}),
  };
}

function adjustment(kind: string, amountMinor: number): Adjustment[] {
  return amountMinor === 0 ? [] : [{ kind, amountMinor }];
}

/** A UUID (version 8) that says the same of the same: a retry and a replay that is resumed bear the ids of the first time. */
export function stableUuid(...parts: string[]): string {
  const bytes = createHash('sha256')
    .update(['complete-journey', ...parts].join('/'))
    .digest()
    .subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
