import type { Basket } from './journey.js';

/** The columns of `expected-h1.json`: money in cents, units as in the CSV. */
export interface StoreTotals {
  baskets: number;
  lines: number;
  net: number;
  retail_disc: number;
  coupon_match: number;
  coupon: number;
  units: number;
}

export function totalsOf(baskets: readonly Basket[]): StoreTotals {
  const totals = { baskets: baskets.length, lines: 0, net: 0, retail_disc: 0, coupon_match: 0, coupon: 0 };
  let unitsMilli = 0;
  for (const line of baskets.flatMap((basket) => basket.lines)) {
    totals.lines += 1;
    totals.net += line.netMinor;
    totals.retail_disc += line.retailDiscMinor;
    totals.coupon_match += line.couponMatchMinor;
    totals.coupon += line.couponDiscMinor;
    unitsMilli += line.quantityMilli;
  }
  return { ...totals, units: unitsMilli / 1000 };
}

export function sumTotals(all: Iterable<StoreTotals>): StoreTotals {
  const sum = { baskets: 0, lines: 0, net: 0, retail_disc: 0, coupon_match: 0, coupon: 0, units: 0 };
  let unitsMilli = 0;
  for (const totals of all) {
    for (const column of Object.keys(sum) as (keyof StoreTotals)[]) sum[column] += totals[column];
    unitsMilli += Math.round(totals.units * 1000);
  }
  return { ...sum, units: unitsMilli / 1000 };
}

/** The stores with most baskets, ties by id (a number: 99 before 100). */
export function busiestStores(baskets: ReadonlyMap<string, number>, count: number): string[] {
  const byId = (a: string, b: string) => a.length - b.length || (a < b ? -1 : 1);
  const sizeOf = (store: string) => baskets.get(store) ?? 0;
  return [...baskets.keys()].sort((a, b) => sizeOf(b) - sizeOf(a) || byId(a, b)).slice(0, count);
}
