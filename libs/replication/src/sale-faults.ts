import { QUANTITY_MILLI_MAX } from '@branchline/domain/quantity.js';
import type { SaleBody } from './kinds/sale.js';

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
  return faultOfSums(sale);
}

/** The first amount that is too large, and where. */
function amountBeyond(sale: SaleBody): string | null {
  if (
    isAnyBeyond(sale) ||
    isBeyond(sale.discountMinor) ||
    isBeyond(sale.cashRoundingMinor) ||
    isBeyond(sale.changeMinor)
  )
    return 'an amount of the sale';
  for (const line of sale.lines) {
    if (isAnyBeyond(line) || isBeyond(line.price.minor)) return `an amount of line ${line.lineNo}`;
    if (isPartBeyond(line.modifiers) || isPartBeyond(line.information) || isPartBeyond(line.taxes))
      return `a part of line ${line.lineNo}`;
  }
  const tender = sale.tenders.find(
    ({ amountMinor, cashBackMinor = 0 }) => isBeyond(amountMinor) || isBeyond(cashBackMinor),
  );
  return tender ? `tender ${tender.tenderNo}` : null;
}

type Amounts = Record<'amountMinor' | 'netMinor' | 'taxMinor' | 'totalMinor', number>;

function isAnyBeyond({ amountMinor, netMinor, taxMinor, totalMinor }: Amounts): boolean {
  return isBeyond(amountMinor) || isBeyond(netMinor) || isBeyond(taxMinor) || isBeyond(totalMinor);
}

function isPartBeyond(parts: readonly { amountMinor: number }[] | undefined): boolean {
  if (parts === undefined) return false;
  for (const part of parts) if (isBeyond(part.amountMinor)) return true;
  return false;
}

function isBeyond(minor: number): boolean {
  return Math.abs(minor) > AMOUNT_MINOR_MAX;
}

function faultOfSums(sale: SaleBody): SaleFault | null {
  const sums = { amountMinor: 0, discountMinor: 0, netMinor: 0, taxMinor: 0, totalMinor: 0 };
  for (const line of sale.lines) {
    sums.amountMinor += line.amountMinor;
    sums.discountMinor += discountOfLine(line);
    sums.netMinor += line.netMinor;
    sums.taxMinor += line.taxMinor;
    sums.totalMinor += line.totalMinor;
  }
  let paidMinor = 0 - sale.changeMinor;
  for (const { amountMinor, cashBackMinor = 0 } of sale.tenders) paidMinor += amountMinor - cashBackMinor;
  return (
    differing('amountMinor', sale.amountMinor, sums.amountMinor) ??
    differing('discountMinor', sale.discountMinor, sums.discountMinor) ??
    differing('netMinor', sale.netMinor, sums.netMinor) ??
    differing('taxMinor', sale.taxMinor, sums.taxMinor) ??
    differing('totalMinor', sale.totalMinor, sums.totalMinor) ??
    differing('totalMinor', sale.totalMinor, sale.netMinor + sale.taxMinor) ??
    differing('what is paid', sale.totalMinor + sale.cashRoundingMinor, paidMinor)
  );
}

/** Sums are exact: at most a few thousand parts, each within AMOUNT_MINOR_MAX… and one that is not differs from what was said. */
function differing(what: string, said: number, summed: number): SaleFault | null {
  return said === summed ? null : { code: 'sums-differ', detail: `${what} is ${said}, its parts are ${summed}` };
}

/** −Σ modifiers, as `domain/sale.ts` has it: positive for a reduction. */
export function discountOfLine(line: SaleBody['lines'][number]): number {
  let sum = 0;
  for (const modifier of line.modifiers) sum -= modifier.amountMinor;
  return sum;
}

function hasDoubles(numbers: readonly number[]): boolean {
  return numbers.length > 1 && new Set(numbers).size !== numbers.length;
}
