import type { SaleBody, SaleBodyLine, SaleBodyTender } from './kinds/sale.js';

/** What a reversal takes over of the sale, each amount and quantity exactly minus its own. */
export type ReversedAmounts = Pick<
  SaleBody,
  | 'currency'
  | 'lines'
  | 'tenders'
  | 'amountMinor'
  | 'discountMinor'
  | 'netMinor'
  | 'taxMinor'
  | 'totalMinor'
  | 'cashRoundingMinor'
  | 'changeMinor'
>;

/**
 * The amounts of a post-void. Change is never negative: the cash that was given back is not taken out again, so that each
 * tender type stands as if the sale had not been.
 */
export function reversedAmounts(sale: SaleBody): ReversedAmounts {
  return {
    currency: sale.currency,
    lines: sale.lines.map(reversedLine),
    tenders: reversedTenders(sale),
    amountMinor: minus(sale.amountMinor),
    discountMinor: minus(sale.discountMinor),
    netMinor: minus(sale.netMinor),
    taxMinor: minus(sale.taxMinor),
    totalMinor: minus(sale.totalMinor),
    cashRoundingMinor: minus(sale.cashRoundingMinor),
    changeMinor: 0,
  };
}

function reversedLine(line: SaleBodyLine): SaleBodyLine {
  const parts = <Part extends { amountMinor: number }>(list: readonly Part[]): Part[] =>
    list.map((part) => ({ ...part, amountMinor: minus(part.amountMinor) }));
  return {
    ...line,
    quantityMilli: minus(line.quantityMilli),
    amountMinor: minus(line.amountMinor),
    modifiers: parts(line.modifiers),
    ...(line.information && { information: parts(line.information) }),
    netMinor: minus(line.netMinor),
    taxMinor: minus(line.taxMinor),
    totalMinor: minus(line.totalMinor),
    taxes: parts(line.taxes),
  };
}

/** Only cash gives change, so there is cash to take it from. Cards are not charged by this: what was paid with is left out. */
function reversedTenders({ tenders, changeMinor }: SaleBody): SaleBodyTender[] {
  let changeLeft = changeMinor;
  const reversed = tenders.map(({ tenderNo, type, amountMinor, cashBackMinor }) => {
    const given = type === 'cash' ? Math.min(changeLeft, amountMinor) : 0;
    changeLeft -= given;
    return {
      tenderNo,
      type,
      amountMinor: minus(amountMinor - given),
      ...(cashBackMinor !== undefined && { cashBackMinor: minus(cashBackMinor) }),
    };
  });
  if (changeLeft !== 0) throw new Error(`a sale that gave ${changeLeft} more change than it took cash`);
  return reversed;
}

/** Never −0, which JSON does not have. */
function minus(amount: number): number {
  return 0 - amount;
}
