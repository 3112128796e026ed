import { quantityDecimal } from '@branchline/domain/quantity.js';
import type { SaleBody, SaleBodyLine } from '@branchline/replication/kinds/sale.js';
import type { JournalRef } from '../store/command.js';

/** QUEUED: in the journal · SENT: on its way to the hub · APPLIED: acknowledged there. */
export type SaleState = 'QUEUED' | 'SENT' | 'APPLIED';

export type JournaledSale = { body: SaleBody; recordedAtMs: number; journal: JournalRef };

/** A sale as the API shows it: made from its journal line, first time and every time after, so that a replay is the same bytes. */
export function saleAnswer({ body, recordedAtMs, journal }: JournaledSale, branchCode: string, state: SaleState) {
  return {
    id: body.id,
    receiptNumber: body.receiptNumber,
    state,
    businessDate: body.businessDate,
    branch: branchCode,
    till: body.till,
    operator: body.operator,
    shift: body.shift,
    currency: body.currency,
    recordedAt: isoInstant(recordedAtMs),
    occurredAt: isoInstant(body.occurredAt),
    soldAt: isoInstant(body.soldAt),
    source: body.source,
    deviceReference: body.deviceReference,
    customerId: body.customerId,
    location: body.location,
    flags: body.flags,
    lines: body.lines.map(lineAnswer),
    amountMinor: body.amountMinor,
    discountMinor: body.discountMinor,
    netMinor: body.netMinor,
    taxMinor: body.taxMinor,
    totalMinor: body.totalMinor,
    cashRoundingMinor: body.cashRoundingMinor,
    changeMinor: body.changeMinor,
    tenders: body.tenders,
    journal,
  };
}

export type SaleAnswer = ReturnType<typeof saleAnswer>;

function lineAnswer(line: SaleBodyLine) {
  return {
    lineNo: line.lineNo,
    product: line.product,
    name: line.name,
    barcode: line.barcode,
    quantity: quantityDecimal(line.quantityMilli),
    price: line.price,
    priceSource: line.priceSource,
    priceEntry: line.priceEntry,
    amountMinor: line.amountMinor,
    modifiers: line.modifiers,
    information: line.information,
    netMinor: line.netMinor,
    taxMinor: line.taxMinor,
    totalMinor: line.totalMinor,
    taxes: line.taxes,
  };
}

export function isoInstant(instantMs: number): string {
  return new Date(instantMs).toISOString();
}
