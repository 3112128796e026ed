import { DomainError } from './errors.js';
import { assertSafe, mulDiv, sumMinor } from './money.js';
import { type Price, lineAmountMinor } from './price.js';
import { type TaxAmount, type TaxComponent, type TaxRounding, taxCart } from './tax.js';

/** The tender type that lies in the drawer: the only one that gives change and is rounded. */
export const CASH = 'cash';

/** A change of a line's price with its reason: negative for a reduction, positive for a surcharge. */
export type PriceModifier = { kind: string; amountMinor: number };
/** An amount kept on the line that moves no money here, e.g. a coupon that the manufacturer settles. */
export type LineInformation = { kind: string; amountMinor: number };

export type SaleLineToPrice = {
  lineNo: number;
  product: string;
  quantityMilli: number;
  price: Price;
  modifiers: readonly PriceModifier[];
  information: readonly LineInformation[];
  taxes: readonly TaxComponent[];
};

/** `amountMinor` is what was handed over or charged; `cashBackMinor` of it went back to the customer in cash. */
export type SaleTender = { tenderNo: number; type: string; amountMinor: number; cashBackMinor?: number };

export type SaleToPrice = {
  currency: string;
  taxRounding: TaxRounding;
  lines: readonly SaleLineToPrice[];
  tenders: readonly SaleTender[];
  /** What the till showed the customer. */
  expectedTotalMinor?: number;
  /** The branch's smallest coin, in minor units (5: totals paid in cash end in 0 or 5). Absent: no cash rounding. */
  cashRoundingMinor?: number;
};

export type PricedLine = {
  lineNo: number;
  product: string;
  quantityMilli: number;
  price: Price;
  modifiers: PriceModifier[];
  information: LineInformation[];
  /** As priced, before modifiers. */
  amountMinor: number;
  /** amountMinor + Σ modifiers. */
  discountedMinor: number;
  netMinor: number;
  taxMinor: number;
  totalMinor: number;
  taxes: TaxAmount[];
};

export type PricedSale = {
  currency: string;
  lines: PricedLine[];
  amountMinor: number;
  /** −Σ modifiers: positive for a reduction; amountMinor − discountMinor = Σ discounted. */
  discountMinor: number;
  netMinor: number;
  taxMinor: number;
  totalMinor: number;
  /** Added to the total by rounding what is paid in cash; may be negative. */
  cashRoundingMinor: number;
  changeMinor: number;
  tenders: SaleTender[];
};

/**
 * Prices a sale (tax included in its prices) and settles its tenders. All amounts in minor units of `currency`.
 *
 * Throws `sale-without-lines`, `line-no-doubled`, `tender-no-doubled`, `quantity-not-positive`, `line-below-zero` (a
 * reduction larger than the line), `total-differs` (from `expectedTotalMinor`), `tender-negative`, `cash-back` (on cash,
 * negative, or more than its tender), `tenders-unbalanced`, `cash-rounding`, and what price, tax and money throw.
 * Source: domain.md, Numbers.
 */
export function priceSale(input: SaleToPrice): PricedSale {
  if (input.lines.length === 0) throw new DomainError('sale-without-lines', 'a sale has at least one line');
  refuseDoubled(
    'line-no-doubled',
    'line',
    input.lines.map((line) => line.lineNo),
  );
  refuseDoubled(
    'tender-no-doubled',
    'tender',
    input.tenders.map((tender) => tender.tenderNo),
  );

  const lines = priceLines(input);
  const sum = (column: 'amountMinor' | 'discountedMinor' | 'netMinor' | 'taxMinor' | 'totalMinor'): number =>
    sumMinor(lines.map((line) => line[column]));
  const amountMinor = sum('amountMinor');
  const totalMinor = sum('totalMinor');
  if (input.expectedTotalMinor !== undefined && input.expectedTotalMinor !== totalMinor) {
    throw new DomainError('total-differs', `the total is ${totalMinor}, expected was ${input.expectedTotalMinor}`);
  }
  return {
    currency: input.currency,
    lines,
    amountMinor,
    discountMinor: assertSafe(amountMinor - sum('discountedMinor')),
    netMinor: sum('netMinor'),
    taxMinor: sum('taxMinor'),
    totalMinor,
    ...settle(totalMinor, input.tenders, input.cashRoundingMinor),
    tenders: input.tenders.map((tender) => ({ ...tender })),
  };
}

function priceLines(input: SaleToPrice): PricedLine[] {
  const priced = input.lines.map((line) => {
    if (line.quantityMilli <= 0) {
      throw new DomainError('quantity-not-positive', `line ${line.lineNo} sells nothing`);
    }
    const amountMinor = lineAmountMinor(line.price, line.quantityMilli);
    const discountedMinor = sumMinor([amountMinor, ...line.modifiers.map((modifier) => modifier.amountMinor)]);
    if (discountedMinor < 0) {
      throw new DomainError('line-below-zero', `line ${line.lineNo} would cost ${discountedMinor}`);
    }
    return { line, amountMinor, discountedMinor };
  });
  const taxed = taxCart(
    priced.map(({ line, discountedMinor }) => ({ discountedMinor, components: line.taxes })),
    input.taxRounding,
  );
  return priced.map(({ line, amountMinor, discountedMinor }, place) => {
    const tax = taxed[place];
    if (tax === undefined) throw new Error('a line was not taxed');
    return {
      lineNo: line.lineNo,
      product: line.product,
      quantityMilli: line.quantityMilli,
      price: { minor: line.price.minor, per: line.price.per },
      modifiers: line.modifiers.map((modifier) => ({ ...modifier })),
      information: line.information.map((information) => ({ ...information })),
      amountMinor,
      discountedMinor,
      netMinor: tax.netMinor,
      taxMinor: tax.taxMinor,
      totalMinor: assertSafe(tax.netMinor + tax.taxMinor),
      taxes: tax.taxes,
    };
  });
}

/**
 * Σ tenders − change − cashBack = total + cashRounding. What the other tenders leave open is paid in cash, and only that
 * is rounded; only cash gives change, so other tenders may never pay more than the total.
 */
function settle(
  totalMinor: number,
  tenders: readonly SaleTender[],
  coinMinor: number | undefined,
): { cashRoundingMinor: number; changeMinor: number } {
  tenders.forEach(checkTender);
  const isCash = (tender: SaleTender): boolean => tender.type === CASH;
  const paysInCash = tenders.some(isCash);
  const cashMinor = sumMinor(tenders.filter(isCash).map((tender) => tender.amountMinor));
  const otherMinor = sumMinor(
    tenders.filter((tender) => !isCash(tender)).map((tender) => tender.amountMinor - (tender.cashBackMinor ?? 0)),
  );
  const openMinor = assertSafe(totalMinor - otherMinor);
  const dueMinor = paysInCash ? roundToCoin(openMinor, coinMinor) : openMinor;
  if (openMinor < 0 || cashMinor < dueMinor) {
    throw new DomainError(
      'tenders-unbalanced',
      openMinor < 0
        ? `tenders other than cash pay ${otherMinor} for ${totalMinor}, and only cash gives change`
        : `${cashMinor} in cash for the ${dueMinor} that are open`,
    );
  }
  return { cashRoundingMinor: dueMinor - openMinor, changeMinor: cashMinor - dueMinor };
}

function checkTender(tender: SaleTender): void {
  const cashBackMinor = assertSafe(tender.cashBackMinor ?? 0);
  if (assertSafe(tender.amountMinor) < 0) {
    throw new DomainError('tender-negative', `tender ${tender.tenderNo} is below zero`);
  }
  if (cashBackMinor < 0 || cashBackMinor > tender.amountMinor || (cashBackMinor > 0 && tender.type === CASH)) {
    throw new DomainError('cash-back', `tender ${tender.tenderNo} cannot give ${cashBackMinor} back in cash`);
  }
}

function roundToCoin(amountMinor: number, coinMinor: number | undefined): number {
  if (coinMinor === undefined) return amountMinor;
  if (coinMinor <= 0) throw new DomainError('cash-rounding', `${coinMinor} is no coin to round to`);
  return assertSafe(mulDiv(amountMinor, 1, coinMinor) * coinMinor);
}

function refuseDoubled(code: string, what: string, numbers: readonly number[]): void {
  const seen = new Set<number>();
  for (const number of numbers) {
    if (seen.has(number)) throw new DomainError(code, `${what} ${number} is there twice`);
    seen.add(number);
  }
}
