import { localHour } from '@branchline/domain/business-date.js';
import type { SaleFigures } from '@branchline/domain/z-report.js';
import type { JournalKind } from '@branchline/replication/kinds/registry.js';
import { signOfSale } from '@branchline/replication/kinds/sale.js';
import type { LineOfKind, ReadyLine } from '../sync/read-line.js';
import { discountOfLine } from '@branchline/replication/sale-faults.js';
import { soleTax } from '../sync/sale-columns.js';
import { unitsOfSale } from '../sync/sales-deltas.js';

/** Kinds that become rows of their own; `incarnation-open` is its stream's row. */
export type FactKind = Exclude<JournalKind, 'incarnation-open'>;

/** A row's values by column. */
export type Values = Readonly<Record<string, unknown>>;

/** What must stand in the tables because of one line: its own row, and those of its parts in their order. */
export type ExpectedFact = {
  id: string;
  head: Values;
  parts: Readonly<Record<string, readonly Values[]>>;
  /** Of a sale: what it adds to its business date. */
  figures?: SaleFigures;
};

/** Told from the line alone, by the rules of the domain. @param timeZone of the branch, for the hour of a sale */
export function expectedFact(line: ReadyLine, timeZone: string): ExpectedFact | null {
  switch (line.kind) {
    case 'sale':
      return expectedSale(line, timeZone);
    case 'shift-open':
      return { id: line.body.id, head: shiftHead(line), parts: {} };
    case 'shift-close':
      return expectedShiftClose(line);
    case 'day-seal':
      return { id: line.body.businessDate, head: daySealHead(line), parts: {} };
    case 'device-enrol': {
      const { device: id, name, till, tokenHash: token_hash } = line.body;
      return { id, head: { name, till, token_hash }, parts: {} };
    }
    case 'customer-edit': {
      const { id, customer: customer_id, op, box, hlc, changes } = line.body;
      return { id, head: { customer_id, op, box, hlc, changes }, parts: {} };
    }
    case 'incarnation-open':
      return null;
  }
}

function expectedSale({ body }: LineOfKind<'sale'>, timeZone: string): ExpectedFact {
  const unitsMilli = unitsOfSale(body);
  const { businessDate, amountMinor, discountMinor, netMinor, taxMinor, totalMinor } = body;
  const sign = signOfSale(body);
  const lines = sign * body.lines.length;
  return {
    id: body.id,
    head: {
      receipt_number: body.receiptNumber,
      device_reference: body.deviceReference ?? null,
      epoch: body.epoch,
      till: body.till,
      operator: body.operator,
      shift_id: body.shift,
      business_date: businessDate,
      hour: localHour(body.soldAt, timeZone),
      occurred_at: body.occurredAt,
      sold_at: body.soldAt,
      source: body.source,
      customer_id: body.customerId ?? null,
      currency: body.currency,
      lines,
      units_milli: unitsMilli,
      amount_minor: amountMinor,
      discount_minor: discountMinor,
      net_minor: netMinor,
      tax_minor: taxMinor,
      total_minor: totalMinor,
      cash_rounding_minor: body.cashRoundingMinor,
      change_minor: body.changeMinor,
      flags: body.flags,
    },
    parts: partsOfSale(body),
    figures: {
      businessDate,
      baskets: sign,
      lines,
      unitsMilli,
      amountMinor,
      discountMinor,
      netMinor,
      taxMinor,
      totalMinor,
    },
  };
}

function partsOfSale(sale: LineOfKind<'sale'>['body']): ExpectedFact['parts'] {
  // By line number, and of a line its modifiers before what only informs: the order in which the rows are read.
  const lines = [...sale.lines].sort((a, b) => a.lineNo - b.lineNo);
  return {
    sale_line: lines.map((line) => ({
      line_no: line.lineNo,
      product: line.product,
      name: line.name,
      quantity_milli: line.quantityMilli,
      price_minor: line.price.minor,
      price_per: line.price.per,
      price_source: line.priceSource,
      amount_minor: line.amountMinor,
      discount_minor: discountOfLine(line),
      net_minor: line.netMinor,
      tax_minor: line.taxMinor,
      total_minor: line.totalMinor,
      // Of a line with several taxes, or with none, they lie in rows of their own.
      tax_code: soleTax(line)?.code ?? null,
      tax_rate_ppm: soleTax(line)?.ratePpm ?? 0,
    })),
    sale_modifier: lines.flatMap((line) => [
      ...line.modifiers.map((modifier, at) => modifierRow(line.lineNo, at, false, modifier)),
      ...(line.information ?? []).map((modifier, at) => modifierRow(line.lineNo, at, true, modifier)),
    ]),
    sale_tax: lines.flatMap(({ lineNo, taxes }) =>
      taxes.map(({ code, ratePpm, amountMinor }, at) => {
        return { line_no: lineNo, tax_no: at + 1, code, rate_ppm: ratePpm, amount_minor: amountMinor };
      }),
    ),
    sale_tender: [...sale.tenders]
      .sort((a, b) => a.tenderNo - b.tenderNo)
      .map(({ tenderNo, type, amountMinor, cashBackMinor = 0 }) => {
        return { tender_no: tenderNo, type, amount_minor: amountMinor, cash_back_minor: cashBackMinor };
      }),
  };
}

function modifierRow(
  line_no: number,
  at: number,
  informational: boolean,
  { kind, amountMinor }: { kind: string; amountMinor: number },
): Values {
  return { line_no, modifier_no: at + 1, kind, informational, amount_minor: amountMinor };
}

function shiftHead({ body }: LineOfKind<'shift-open'>): Values {
  const { till, drawer, operator, floatMinor, currency, openedAt, businessDate } = body;
  return {
    till,
    drawer,
    operator,
    float_minor: floatMinor,
    currency,
    opened_at: openedAt,
    business_date: businessDate,
  };
}

function expectedShiftClose({ body }: LineOfKind<'shift-close'>): ExpectedFact {
  const { till, drawer, operator, currency } = body;
  return {
    id: body.id,
    head: {
      z_number: body.zNumber,
      till,
      drawer,
      operator,
      closed_at: body.closedAt,
      business_date: body.businessDate,
      currency,
      grand_total_minor: body.grandTotalMinor,
      z: body,
    },
    parts: {
      shift_tender: body.tenders.map((tender, at) => ({
        tender_no: at + 1,
        type: tender.tenderType,
        currency: tender.currency,
        expected_minor: tender.expectedMinor,
        declared_minor: tender.declaredMinor,
        difference_minor: tender.differenceMinor,
      })),
    },
  };
}

function daySealHead({ body }: LineOfKind<'day-seal'>): Values {
  const { operator, sealedAt, figures, shifts, tillsHolding = [] } = body;
  return { operator, sealed_at: sealedAt, figures, shifts, tills_holding: tillsHolding };
}
