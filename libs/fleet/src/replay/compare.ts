import type { FleetItem, ModifierRow, SalesRow } from '../chain/hub-client.js';
import type { DayFigures } from '../chain/till-client.js';
import type { StoreTotals } from '../complete-journey/totals.js';
import type { EdgeSums, StoreDone } from './replay-folder.js';

export interface StoreFacts {
  expected: StoreTotals;
  /** What the edge says. */
  done: StoreDone;
  /** What the hub says; null: nothing. */
  row: SalesRow | null;
  modifiers: readonly ModifierRow[];
  box: FleetItem | null;
}

const SUMS = [
  'baskets',
  'lines',
  'units',
  'amountMinor',
  'discountMinor',
  'netMinor',
  'taxMinor',
  'totalMinor',
] as const satisfies (keyof EdgeSums)[];

/** The hub's report in the columns of the data set. */
export function hubTotals(row: SalesRow | null, modifiers: readonly ModifierRow[]): StoreTotals {
  const amountOf = (kind: string) =>
    modifiers.reduce((sum, { modifierKind, amountMinor }) => (modifierKind === kind ? sum + amountMinor : sum), 0);
  return {
    baskets: row?.baskets ?? 0,
    lines: row?.lines ?? 0,
    net: row?.totalMinor ?? 0,
    // A modifier is what it adds to the price; the data set says what it takes away.
    retail_disc: 0 - amountOf('loyalty'),
    coupon_match: 0 - amountOf('coupon-match'),
    coupon: amountOf('manufacturer-coupon'),
    units: row?.units ?? 0,
  };
}

export function sumsOfDays(days: readonly DayFigures[]): EdgeSums {
  const sums: EdgeSums = {
    baskets: 0,
    lines: 0,
    units: 0,
    amountMinor: 0,
    discountMinor: 0,
    netMinor: 0,
    taxMinor: 0,
    totalMinor: 0,
  };
  let unitsMilli = 0;
  for (const day of days) {
    for (const column of SUMS) sums[column] += day[column];
    unitsMilli += Math.round(day.units * 1000);
  }
  return { ...sums, units: unitsMilli / 1000 };
}

/** Every way in which file, edge and hub disagree about a store, a line each; none: they agree. */
export function differencesOf({ expected, done, row, modifiers, box }: StoreFacts): string[] {
  const found: string[] = [];
  const compare = (what: string, left: unknown, right: unknown) => {
    if (left !== right) found.push(`${what}: ${String(left)} and ${String(right)}`);
  };
  const { sums: edge, head, lastDay } = done;
  for (const column of SUMS) compare(`${column} of edge and hub`, edge[column], row?.[column] ?? null);
  const hub = hubTotals(row, modifiers);
  for (const [column, value] of Object.entries(expected) as [keyof StoreTotals, number][]) {
    compare(`${column} of file and hub`, value, hub[column]);
  }
  compare('baskets of file and edge', expected.baskets, edge.baskets);
  compare('net of file and edge', expected.net, edge.totalMinor);
  compare('discounts of file and edge', expected.retail_disc + expected.coupon_match, Math.abs(edge.discountMinor));
  compare('incarnation at edge and hub', head.incarnation, box?.incarnation ?? null);
  compare('seq at edge and hub', head.lastSeq, box?.appliedSeq ?? null);
  compare('head hash at edge and hub', head.headHash, box?.headHash ?? null);
  compare('last day sealed at edge and hub', lastDay, box?.sealedTo ?? null);
  compare('lines in quarantine', 0, box?.quarantined ?? null);
  return found;
}
