import { QUANTITY_MILLI_MAX } from '@branchline/domain/quantity.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';

/**
 * Largest amount that is projected, in minor units: 100,000 million rupiah. Sums of a million such amounts still fit
 * `bigint`, so that no single line can make a rollup overflow for those that come after it.
 */
export const AMOUNT_MINOR_MAX = 10_000_000_000_000;

export type SaleFault = { code: 'number-out-of-range' | 'invalid-body' | 'sums-differ'; detail: string };

/**
 * What a sale must fulfil beyond its schema so that every report adds up to the same: its lines are its sums, its tenders
 * pay them. Null when all is well.
 */
export function faultOfSale(sale: SaleBody): SaleFault | null {
  const tooLarge = amountBeyond(sale);
  if (tooLarge) return { code: 'number-out-of-range', detail: `${tooLarge} is beyond ${AMOUNT_MINOR_MAX}` };
  const tooMany = sale.lines.find((line) => Math.abs(line.quantityMilli) > QUANTITY_MILLI_MAX);
  if (tooMany)
    return {
      code: 'number-out-of-range',
      detail: `quantity of line ${tooMany.lineNo} is ${tooMany.quantityMilli} thousandths`,
    };
  if (hasDoubles(sale.lines.map((line) => line.lineNo)))
    return { code: 'invalid-body', detail: 'two lines have the same number' };
  if (hasDoubles(sale.tenders.map((tender) => tender.tenderNo)))
    return { code: 'invalid-body', detail: 'two tenders have the same number' };
  const differing = checksOf(sale).find(([, said, summed]) => said !== summed);
  return differing
    ? { code: 'sums-differ', detail: `${differing[0]} is ${differing[1]}, its parts are ${differing[2]}` }
    : null;
}

/** The first amount that is too large, and where. */
function amountBeyond(sale: SaleBody): string | null {
  const head = [
    sale.amountMinor,
    sale.discountMinor,
    sale.netMinor,
    sale.taxMinor,
    sale.totalMinor,
    sale.cashRoundingMinor,
    sale.changeMinor,
  ];
  if (head.some(isBeyond)) return 'an amount of the sale';
  for (const line of sale.lines) {
    if ([line.price.minor, line.amountMinor, line.netMinor, line.taxMinor, line.totalMinor].some(isBeyond))
      return `an amount of line ${line.lineNo}`;
    const isPartBeyond = (part: { amountMinor: number }): boolean => isBeyond(part.amountMinor);
    const parts = [line.modifiers, line.information ?? [], line.taxes];
    if (parts.some((list) => list.some(isPartBeyond))) return `a part of line ${line.lineNo}`;
  }
  const tender = sale.tenders.find(
    ({ amountMinor, cashBackMinor = 0 }) => isBeyond(amountMinor) || isBeyond(cashBackMinor),
  );
  return tender ? `tender ${tender.tenderNo}` : null;
}

function isBeyond(minor: number): boolean {
  return Math.abs(minor) > AMOUNT_MINOR_MAX;
}

function checksOf(sale: SaleBody): [what: string, said: number, summed: number][] {
  const sum = (column: 'amountMinor' | 'netMinor' | 'taxMinor' | 'totalMinor'): number =>
    add(sale.lines.map((line) => line[column]));
  const paid = add(sale.tenders.map((tender) => tender.amountMinor - (tender.cashBackMinor ?? 0))) - sale.changeMinor;
  return [
    ['amountMinor', sale.amountMinor, sum('amountMinor')],
    ['discountMinor', sale.discountMinor, add(sale.lines.map(discountOfLine))],
    ['netMinor', sale.netMinor, sum('netMinor')],
    ['taxMinor', sale.taxMinor, sum('taxMinor')],
    ['totalMinor', sale.totalMinor, sum('totalMinor')],
    ['totalMinor', sale.totalMinor, sale.netMinor + sale.taxMinor],
    ['what is paid', sale.totalMinor + sale.cashRoundingMinor, paid],
  ];
}

/** −Σ modifiers, as `domain/sale.ts` has it: positive for a reduction. */
export function discountOfLine(line: SaleBody['lines'][number]): number {
  return 0 - add(line.modifiers.map((modifier) => modifier.amountMinor));
}

/** Exact: at most a few thousand parts, each within AMOUNT_MINOR_MAX… and a sum that is not exact differs from what was said. */
function add(amounts: readonly number[]): number {
  return amounts.reduce((sum, amount) => sum + amount, 0);
}

function hasDoubles(numbers: readonly number[]): boolean {
  return new Set(numbers).size !== numbers.length;
}
