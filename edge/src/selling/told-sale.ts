import { DomainError } from '@branchline/domain/errors.js';
import { CASH } from '@branchline/domain/sale.js';
import { quantityMilli } from '@branchline/domain/quantity.js';
import { parseReceiptNumber } from '@branchline/domain/receipt-number.js';
import { instantMsOf } from '@branchline/domain/business-date.js';
import { problem } from '@branchline/http/problem.js';
import { saleSchema, type SaleBody } from '@branchline/replication/kinds/sale.js';
import { describeIssues } from '@branchline/replication/line.js';
import { faultOfSale } from '@branchline/replication/sale-faults.js';
import type { Command, DraftLine } from '../store/command.js';
import { EPOCHS_AHEAD_MAX } from '../store/incarnation.js';
import { recorded, type SaleOutcome } from './complete-sale.js';
import { saleAnswer } from './sale-answer.js';
import type { SaleInput, ToldSaleInput } from './sale-input.js';
import { replayedSale } from './stored-sale.js';
import type { ToldSale } from './told-schema.js';

export type OfferedSale = { input: ToldSaleInput; contentHash: string; till: string; branchCode: string };

/** A sale that an edge had answered, and that this one has not: once more the same, known again by its id and content. */
export const recordToldSale: Command<OfferedSale, SaleOutcome> = {
  name: 'record-told-sale',
  waits: true,
  decide(tx, offered, context) {
    const { branchCode } = offered;
    const stored = replayedSale(tx, offered.input.id, offered.contentHash);
    if (stored !== undefined) {
      const answer = saleAnswer(stored, branchCode, 'QUEUED');
      return { lines: [], answer: () => ({ answer, replayed: true }) };
    }
    return recorded(draftOfTold(offered, context.epoch), context, branchCode);
  },
};

/**
 * The till's series goes on behind what is offered, and ends at nine digits: a series that a till could take to its end
 * would sell nothing more. A receipt a second for three years does not come so far.
 */
const RECEIPT_NO_MAX = 99_999_999;

/**
 * A live sale whose edge was told to be gone, or set back, after it had answered: the customer has the receipt, so number,
 * date, prices, taxes and totals are what they were, whatever the book says by now. Another answer than an edge can have
 * given is no fact.
 *
 * @throws Problem invalid-sale
 */
function draftOfTold(
  { input: { told, ...input }, contentHash, till, branchCode }: OfferedSale,
  epochHere: number,
): DraftLine<'sale'> {
  const printed = parseReceiptNumber(told.receiptNumber);
  if (printed === null || printed.branch !== branchCode || printed.till !== till) {
    throw problem('invalid-sale', `${told.receiptNumber} is no receipt of till ${till}`);
  }
  if (printed.number > RECEIPT_NO_MAX || printed.epoch > epochHere + EPOCHS_AHEAD_MAX)
    throw problem('invalid-sale', `no till has come to ${told.receiptNumber}`);
  const body = parsed({
    id: told.id,
    receiptNumber: told.receiptNumber,
    receiptNo: printed.number,
    epoch: printed.epoch,
    ...(input.deviceReference !== undefined && { deviceReference: input.deviceReference }),
    till,
    operator: told.operator,
    shift: told.shift,
    businessDate: told.businessDate,
    occurredAt: instantMsOf(told.occurredAt),
    soldAt: instantMsOf(told.soldAt),
    source: told.source,
    ...(input.customerId !== undefined && { customerId: input.customerId }),
    ...(input.location !== undefined && { location: input.location }),
    currency: told.currency,
    lines: told.lines.map(bodyLine),
    tenders: input.tenders,
    amountMinor: told.amountMinor,
    discountMinor: told.discountMinor,
    netMinor: told.netMinor,
    taxMinor: told.taxMinor,
    totalMinor: told.totalMinor,
    cashRoundingMinor: told.cashRoundingMinor,
    changeMinor: told.changeMinor,
    flags: [...new Set([...told.flags, 'offered-again'])].sort(),
  });
  assertSameSale(input, body);
  const refs = [
    ...(body.shift === null ? [] : [`shift:${body.shift}`]),
    ...(body.customerId === undefined ? [] : [`customer:${body.customerId}`]),
  ];
  return { kind: 'sale', key: body.id, refs, contentHash, body };
}

function bodyLine(line: ToldSale['lines'][number]): SaleBody['lines'][number] {
  return {
    lineNo: line.lineNo,
    product: line.product,
    name: line.name,
    ...(line.barcode !== undefined && { barcode: line.barcode }),
    quantityMilli: milli(line.quantity),
    price: { minor: line.price.minor, per: line.price.per },
    priceSource: line.priceSource,
    ...(line.priceEntry !== undefined && { priceEntry: line.priceEntry }),
    amountMinor: line.amountMinor,
    modifiers: line.modifiers.map(partOf),
    ...(line.information !== undefined && { information: line.information.map(partOf) }),
    netMinor: line.netMinor,
    taxMinor: line.taxMinor,
    totalMinor: line.totalMinor,
    taxes: line.taxes.map(({ code, ratePpm, amountMinor }) => ({ code, ratePpm, amountMinor })),
  };
}

const partOf = ({ kind, amountMinor }: { kind: string; amountMinor: number }) => ({ kind, amountMinor });

function milli(quantity: number): number {
  try {
    return quantityMilli(quantity);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    throw problem('invalid-sale', error.detail);
  }
}

function parsed(body: Record<string, unknown>): SaleBody {
  const parsedBody = saleSchema.safeParse(body);
  if (!parsedBody.success) throw problem('invalid-sale', describeIssues(parsedBody.error));
  const fault = faultOfSale(parsedBody.data);
  if (fault !== null) throw problem('invalid-sale', fault.detail);
  const { tenders, changeMinor } = parsedBody.data;
  const cashMinor = tenders.reduce((sum, { type, amountMinor }) => (type === CASH ? sum + amountMinor : sum), 0);
  if (changeMinor > cashMinor) throw problem('invalid-sale', `${changeMinor} of change for ${cashMinor} of cash`);
  return parsedBody.data;
}

/** What was asked for and what was answered have to be one sale: it is known again by the hash of the first. */
function assertSameSale(input: SaleInput, body: SaleBody): void {
  const isSame =
    body.id === input.id &&
    body.lines.length === input.lines.length &&
    input.lines.every((asked, at) => {
      const line = body.lines[at];
      return (
        line !== undefined &&
        line.lineNo === asked.lineNo &&
        line.quantityMilli === milli(asked.quantity) &&
        (asked.product === undefined ? line.barcode === asked.barcode : line.product === asked.product)
      );
    });
  if (!isSame) throw problem('invalid-sale', 'what was told is not the sale that was asked for');
}
