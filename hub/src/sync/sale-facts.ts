import { localHour } from '@branchline/domain/business-date.js';
import { movementsOfSale } from '@branchline/domain/stock.js';
import type { Tx } from '../database/unit-of-work.js';
import type { FactContext } from './fact-context.js';
import type { LineOfKind } from './read-line.js';
import { discountOfLine } from './sale-faults.js';
import { salesDeltas, unitsOfSale } from './sales-deltas.js';
import { storeDeltas } from './store-rollups.js';

type SaleLine = LineOfKind<'sale'>;

const INSERT_SALES = `INSERT INTO sale (tenant_id, branch_id, incarnation, id, receipt_number, device_reference, epoch, till, operator, shift_id,
    business_date, hour, occurred_at, sold_at, source, customer_id, currency, lines, units_milli, amount_minor, discount_minor, net_minor,
    tax_minor, total_minor, cash_rounding_minor, change_minor, flags, seq, content_hash)
  SELECT $1, $2, $3, id, "receiptNumber", "deviceReference", epoch, till, operator, shift,
    "businessDate", hour, to_timestamp("occurredAt" / 1000.0), to_timestamp("soldAt" / 1000.0), source, "customerId", currency, lines, "unitsMilli",
    "amountMinor", "discountMinor", "netMinor", "taxMinor", "totalMinor", "cashRoundingMinor", "changeMinor", flags, seq, "contentHash"
  FROM jsonb_to_recordset($4::jsonb) AS r (id uuid, "receiptNumber" text, "deviceReference" text, epoch integer, till text, operator text, shift uuid,
    "businessDate" date, hour smallint, "occurredAt" bigint, "soldAt" bigint, source text, "customerId" text, currency text, lines integer,
    "unitsMilli" bigint, "amountMinor" bigint, "discountMinor" bigint, "netMinor" bigint, "taxMinor" bigint, "totalMinor" bigint,
    "cashRoundingMinor" bigint, "changeMinor" bigint, flags jsonb, seq bigint, "contentHash" text)
  ON CONFLICT (branch_id, id) DO NOTHING
  RETURNING id`;

const INSERT_LINES = `INSERT INTO sale_line (tenant_id, branch_id, sale_id, line_no, product, name, quantity_milli, price_minor, price_per, price_source,
    amount_minor, discount_minor, net_minor, tax_minor, total_minor)
  SELECT $1, $2, sale, "lineNo", product, name, milli, "priceMinor", "pricePer", "priceSource", amount, discount, net, tax, total
  FROM jsonb_to_recordset($3::jsonb) AS r (sale uuid, "lineNo" integer, product text, name text, milli bigint, "priceMinor" bigint, "pricePer" numeric,
    "priceSource" text, amount bigint, discount bigint, net bigint, tax bigint, total bigint)`;

const INSERT_MODIFIERS = `INSERT INTO sale_modifier (tenant_id, branch_id, sale_id, line_no, modifier_no, kind, informational, amount_minor)
  SELECT $1, $2, sale, "lineNo", no, kind, informational, amount
  FROM jsonb_to_recordset($3::jsonb) AS r (sale uuid, "lineNo" integer, no integer, kind text, informational boolean, amount bigint)`;

const INSERT_TAXES = `INSERT INTO sale_tax (tenant_id, branch_id, sale_id, line_no, tax_no, code, rate_ppm, amount_minor)
  SELECT $1, $2, sale, "lineNo", no, code, rate, amount
  FROM jsonb_to_recordset($3::jsonb) AS r (sale uuid, "lineNo" integer, no integer, code text, rate bigint, amount bigint)`;

const INSERT_TENDERS = `INSERT INTO sale_tender (tenant_id, branch_id, sale_id, tender_no, type, amount_minor, cash_back_minor)
  SELECT $1, $2, sale, no, type, amount, "cashBack"
  FROM jsonb_to_recordset($3::jsonb) AS r (sale uuid, no integer, type text, amount bigint, "cashBack" bigint)`;

const INSERT_MOVEMENTS = `INSERT INTO stock_movement (tenant_id, branch_id, source_id, movement_no, product, quantity_milli, reason, business_date)
  SELECT $1, $2, sale, no, product, milli, reason, "businessDate"
  FROM jsonb_to_recordset($3::jsonb) AS r (sale uuid, no integer, product text, milli bigint, reason text, "businessDate" date)`;

/**
 * Both sales stand; of each pair the one that came later is marked. Led by the rows just inserted and not by `sale`: a
 * planner without fresh statistics would walk all sales of the branch for them.
 */
const MARK_DUPLICATE_RECEIPTS = `WITH own AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($3::jsonb) AS r (id uuid, "receiptNumber" text, seq bigint))
  INSERT INTO sale_exception (tenant_id, branch_id, sale_id, code, detail, at)
  SELECT $1, $2, own.id, 'duplicate-receipt-number', own."receiptNumber", to_timestamp($4::bigint / 1000.0)
  FROM own
  WHERE EXISTS (
    SELECT FROM sale other
    WHERE other.branch_id = $2 AND other.receipt_number = own."receiptNumber" AND other.id <> own.id
      AND NOT EXISTS (SELECT FROM own later WHERE later.id = other.id AND later.seq > own.seq))
  ON CONFLICT DO NOTHING`;

const INSERT_ALIASES = `INSERT INTO sale_alias (tenant_id, branch_id, incarnation, receipt_number, sale_id, seq)
  SELECT $1, $2, $3, r."receiptNumber", r.id, r.seq
  FROM jsonb_to_recordset($4::jsonb) AS r (id uuid, "receiptNumber" text, seq bigint)
  JOIN sale ON sale.branch_id = $2 AND sale.id = r.id AND sale.receipt_number <> r."receiptNumber"
  ON CONFLICT DO NOTHING`;

/** Inserts the sales that the branch does not have, with all that follows from them. @returns the ids inserted */
export async function insertSales(tx: Tx, context: FactContext, lines: readonly SaleLine[]): Promise<Set<string>> {
  const { tenantId, branchId, incarnation } = context;
  const sales = lines.map((line) => ({ line, hour: localHour(line.body.soldAt, context.timeZone) }));
  const rows = JSON.stringify(sales.map(({ line, hour }) => saleRow(line, hour)));
  const stored = await tx.query<{ id: string }>(INSERT_SALES, [tenantId, branchId, incarnation, rows]);
  const inserted = new Set(stored.map((row) => row.id));
  const fresh = sales.filter(({ line }) => inserted.has(line.body.id));
  if (fresh.length === 0) return inserted;

  const parts = partRows(fresh.map(({ line }) => line));
  const steps: [string, unknown[]][] = [
    [INSERT_LINES, parts.lines],
    [INSERT_MODIFIERS, parts.modifiers],
    [INSERT_TAXES, parts.taxes],
    [INSERT_TENDERS, parts.tenders],
    [INSERT_MOVEMENTS, parts.movements],
  ];
  for (const [sql, part] of steps) if (part.length > 0) await tx.query(sql, [tenantId, branchId, JSON.stringify(part)]);
  const printed = fresh.map(({ line: { seq, body } }) => ({ id: body.id, receiptNumber: body.receiptNumber, seq }));
  await tx.query(MARK_DUPLICATE_RECEIPTS, [tenantId, branchId, JSON.stringify(printed), context.nowMs]);
  await storeDeltas(tx, context, salesDeltas(fresh.map(({ line, hour }) => ({ hour, body: line.body }))));
  return inserted;
}

/** A sale known already, come again in another history: the number it bears there leads to it too. */
export async function insertAliases(tx: Tx, context: FactContext, repeats: readonly SaleLine[]): Promise<void> {
  const rows = repeats.map(({ seq, body }) => ({ id: body.id, receiptNumber: body.receiptNumber, seq }));
  await tx.query(INSERT_ALIASES, [context.tenantId, context.branchId, context.incarnation, JSON.stringify(rows)]);
}

/** Written out: spreading objects of this size is what a push would spend its time on. */
function saleRow({ seq, contentHash, body }: SaleLine, hour: number): Record<string, unknown> {
  return {
    id: body.id,
    receiptNumber: body.receiptNumber,
    deviceReference: body.deviceReference,
    epoch: body.epoch,
    till: body.till,
    operator: body.operator,
    shift: body.shift,
    businessDate: body.businessDate,
    hour,
    occurredAt: body.occurredAt,
    soldAt: body.soldAt,
    source: body.source,
    customerId: body.customerId,
    currency: body.currency,
    lines: body.lines.length,
    unitsMilli: unitsOfSale(body),
    amountMinor: body.amountMinor,
    discountMinor: body.discountMinor,
    netMinor: body.netMinor,
    taxMinor: body.taxMinor,
    totalMinor: body.totalMinor,
    cashRoundingMinor: body.cashRoundingMinor,
    changeMinor: body.changeMinor,
    flags: body.flags,
    seq,
    contentHash,
  };
}

type PartRows = Record<'lines' | 'modifiers' | 'taxes' | 'tenders' | 'movements', unknown[]>;

function partRows(sales: readonly SaleLine[]): PartRows {
  const rows: PartRows = { lines: [], modifiers: [], taxes: [], tenders: [], movements: [] };
  for (const { body } of sales) {
    const sale = body.id;
    for (const line of body.lines) addLineRows(rows, sale, line);
    for (const { tenderNo: no, type, amountMinor: amount, cashBackMinor: cashBack = 0 } of body.tenders) {
      rows.tenders.push({ sale, no, type, amount, cashBack });
    }
    movementsOfSale(body.lines).forEach(({ product, quantityMilli: milli, reason }, at) =>
      rows.movements.push({ sale, no: at + 1, product, milli, reason, businessDate: body.businessDate }),
    );
  }
  return rows;
}

function addLineRows(rows: PartRows, sale: string, line: SaleLine['body']['lines'][number]): void {
  const { lineNo } = line;
  rows.lines.push({
    sale,
    lineNo,
    product: line.product,
    name: line.name,
    milli: line.quantityMilli,
    priceMinor: line.price.minor,
    pricePer: line.price.per,
    priceSource: line.priceSource,
    amount: line.amountMinor,
    discount: discountOfLine(line),
    net: line.netMinor,
    tax: line.taxMinor,
    total: line.totalMinor,
  });
  line.modifiers.forEach(({ kind, amountMinor: amount }, at) =>
    rows.modifiers.push({ sale, lineNo, no: at + 1, kind, informational: false, amount }),
  );
  line.information?.forEach(({ kind, amountMinor: amount }, at) =>
    rows.modifiers.push({ sale, lineNo, no: at + 1, kind, informational: true, amount }),
  );
  line.taxes.forEach(({ code, ratePpm: rate, amountMinor: amount }, at) =>
    rows.taxes.push({ sale, lineNo, no: at + 1, code, rate, amount }),
  );
}
