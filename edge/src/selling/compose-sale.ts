import { DomainError } from '@branchline/domain/errors.js';
import { businessDate } from '@branchline/domain/business-date.js';
import { sumMinor } from '@branchline/domain/money.js';
import { QUANTITY_MILLI_MAX } from '@branchline/domain/quantity.js';
import { CASH, priceSale, type PricedSale, type SaleToPrice } from '@branchline/domain/sale.js';
import { isProblemCode } from '@branchline/http/problem-codes.js';
import { problem } from '@branchline/http/problem.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import type { DraftLine } from '../store/command.js';
import type { ReadTx } from '../store/tx.js';
import { AMOUNT_MINOR_MAX } from './sale-fields.js';
import type { SaleInput } from './sale-input.js';
import { resolveLines, type SaleSource } from './sale-lines.js';
import type { SalePlace } from './sale-place.js';

/** All that a sale needs and that differs between a proposal, an import and a fact. */
export type SaleToCompose = {
  input: SaleInput;
  contentHash: string;
  source: SaleSource;
  till: string;
  device: string | null;
  operator: string;
  epoch: number;
  place: SalePlace;
  /** Number on the receipt; with `receiptNo` where the edge gave it. */
  receiptNumber: string;
  receiptNo?: number;
  occurredAtMs: number;
  /** The moment that counts. */
  soldAtMs: number;
  flags: readonly string[];
};

/**
 * Prices a sale and makes its journal line.
 *
 * @throws Problem as `resolveLines` and for sums that do not hold together: total-differs, tenders-unbalanced,
 *   line-below-zero, invalid-sale. Of a fact the first two are flags.
 */
export function composeSale(tx: ReadTx, sale: SaleToCompose): DraftLine<'sale'> {
  const { input, source, place, soldAtMs } = sale;
  const { settings } = place;
  const resolved = resolveLines(tx, input.lines, { source, atMs: soldAtMs, settings });
  const toPrice: SaleToPrice = {
    currency: settings.currency,
    taxRounding: settings.taxRounding,
    lines: resolved.lines.map(({ toPrice }) => toPrice),
    tenders: input.tenders,
    ...(input.expectedTotalMinor !== undefined && { expectedTotalMinor: input.expectedTotalMinor }),
  };
  const flags = new Set([...sale.flags, ...resolved.flags]);
  const priced = asProblem(() => (source === 'away' ? priceAsHappened(toPrice, flags) : priceSale(toPrice)));
  assertProjectable(priced);
  const soldOn = businessDate(soldAtMs, settings.timeZone, settings.cutOffMinutes);
  if (place.sealedTo !== null && soldOn <= place.sealedTo) flags.add('late');
  const duplicateOf = saleOfReference(tx, sale);
  if (duplicateOf !== undefined) flags.add('duplicate-device-reference');
  const body: SaleBody = {
    id: input.id,
    receiptNumber: sale.receiptNumber,
    ...(sale.receiptNo !== undefined && { receiptNo: sale.receiptNo }),
    epoch: sale.epoch,
    ...(input.deviceReference !== undefined && { deviceReference: input.deviceReference }),
    till: sale.till,
    operator: sale.operator,
    shift: place.shift?.id ?? null,
    businessDate: soldOn,
    occurredAt: sale.occurredAtMs,
    soldAt: soldAtMs,
    source,
    ...(input.customerId !== undefined && { customerId: input.customerId }),
    ...(input.location !== undefined && { location: input.location }),
    currency: settings.currency,
    lines: priced.lines.map((line, at) => bodyLine(line, resolved.lines[at]?.facts)),
    tenders: input.tenders,
    amountMinor: priced.amountMinor,
    discountMinor: priced.discountMinor,
    netMinor: priced.netMinor,
    taxMinor: priced.taxMinor,
    totalMinor: priced.totalMinor,
    cashRoundingMinor: priced.cashRoundingMinor,
    changeMinor: priced.changeMinor,
    flags: [...flags].sort(),
    ...(duplicateOf !== undefined && { duplicateOf }),
  };
  return { kind: 'sale', key: input.id, refs: refsOf(body), contentHash: sale.contentHash, body };
}

function bodyLine(
  line: PricedSale['lines'][number],
  facts: { name: string; barcode?: string; priceSource: 'book' | 'external'; priceEntry?: string } | undefined,
): SaleBody['lines'][number] {
  if (facts === undefined) throw new Error('a priced line without its facts');
  return {
    lineNo: line.lineNo,
    product: line.product,
    name: facts.name,
    ...(facts.barcode !== undefined && { barcode: facts.barcode }),
    quantityMilli: line.quantityMilli,
    price: { minor: line.price.minor, per: line.price.per },
    priceSource: facts.priceSource,
    ...(facts.priceEntry !== undefined && { priceEntry: facts.priceEntry }),
    amountMinor: line.amountMinor,
    modifiers: line.modifiers,
    ...(line.information.length > 0 && { information: line.information }),
    netMinor: line.netMinor,
    taxMinor: line.taxMinor,
    totalMinor: line.totalMinor,
    taxes: line.taxes,
  };
}

/**
 * A finished sale is what it is. A till's total that differs is flagged; money that does not meet the total is kept in
 * `cashRoundingMinor`, so that Σ tenders − change − cash back = total + rounding holds for every sale there is.
 */
function priceAsHappened({ expectedTotalMinor, ...sale }: SaleToPrice, flags: Set<string>): PricedSale {
  let priced: PricedSale;
  try {
    priced = priceSale(sale);
  } catch (error) {
    if (!(error instanceof DomainError) || error.code !== 'tenders-unbalanced') throw error;
    flags.add('tenders-unbalanced');
    // Priced against more cash than any sale costs; then what was really paid is put in its place.
    const rich = priceSale({ ...sale, tenders: [{ tenderNo: 1, type: CASH, amountMinor: Number.MAX_SAFE_INTEGER }] });
    const paidMinor = sale.tenders.reduce((sum, tender) => sum + tender.amountMinor - (tender.cashBackMinor ?? 0), 0);
    const tenders = sale.tenders.map((tender) => ({ ...tender }));
    priced = { ...rich, tenders, changeMinor: 0, cashRoundingMinor: paidMinor - rich.totalMinor };
  }
  if (expectedTotalMinor !== undefined && expectedTotalMinor !== priced.totalMinor) flags.add('total-differs');
  return priced;
}

/** What the rules of the arithmetic refuse, as the problem that the door knows. */
function asProblem<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    throw problem(isProblemCode(error.code) ? error.code : 'invalid-sale', error.detail);
  }
}

/**
 * Σ lines may pass what each amount of the input may not. A Z must always add up: ten sales of a thousand lines of a
 * thousand million units would be more than can be counted exactly, and no shift with them could be closed.
 */
function assertProjectable(priced: PricedSale): void {
  const largest = Math.max(
    priced.amountMinor,
    Math.abs(priced.totalMinor),
    Math.abs(priced.cashRoundingMinor),
    priced.changeMinor,
  );
  const unitsMilli = sumMinor(priced.lines.map(({ quantityMilli }) => quantityMilli));
  if (unitsMilli > QUANTITY_MILLI_MAX) throw problem('invalid-sale', 'a sale of more units than can be counted');
  if (largest > AMOUNT_MINOR_MAX) throw problem('invalid-sale', `a sale of ${largest} is more than can be kept`);
}

/** Both sales stand: whether it is one sale told twice is a conflict, decided at head office. */
function saleOfReference(tx: ReadTx, { input, device }: SaleToCompose): string | undefined {
  if (input.deviceReference === undefined) return undefined;
  const found = tx.get<{ id: string }>(
    'SELECT id FROM sale WHERE device_reference = ? AND device IS ? LIMIT 1',
    input.deviceReference,
    device,
  );
  return found?.id;
}

function refsOf({ shift, customerId }: SaleBody): string[] {
  return [
    ...(shift === null ? [] : [`shift:${shift}`]),
    ...(customerId === undefined ? [] : [`customer:${customerId}`]),
  ];
}
