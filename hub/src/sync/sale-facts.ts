import { localHour } from '@branchline/domain/business-date.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import { rowsIn, slicesOf } from '../database/columns.js';
import { together, type PreparedStatement, type StatementOfRows, type Tx } from '../database/unit-of-work.js';
import { numberAmendments } from './amendments.js';
import type { FactContext } from './fact-context.js';
import type { Inserted } from './inserted.js';
import type { LineOfKind } from './read-line.js';
import { lineColumns, modifierColumns, saleColumns, taxColumns, tenderColumns } from './sale-columns.js';
import { disputesOfSales, findBefore } from './sale-disputes.js';
import { salesDeltas, type SalesDeltas } from './sales-deltas.js';
import { deltaStatements } from './store-rollups.js';

type SaleLine = LineOfKind<'sale'>;
type SaleOfHour = { line: SaleLine; hour: number };

const INSERT_SALES: PreparedStatement = {
  name: 'insert-sales',
  text: `INSERT INTO sale (tenant_id, branch_id, incarnation, id, receipt_number, device_reference, epoch, till, operator, shift_id,
    business_date, hour, occurred_at, sold_at, source, customer_id,
    currency, lines, units_milli, amount_minor, discount_minor, net_minor, tax_minor, total_minor,
    cash_rounding_minor, change_minor, flags, seq, content_hash)
  SELECT $1, $2, $3, unnest($4::uuid[]), unnest($5::text[]), unnest($6::text[]), unnest($7::int8[])::integer, unnest($8::text[]), unnest($9::text[]), unnest($10::uuid[]),
    unnest($11::text[])::date, unnest($12::int8[])::smallint, to_timestamp(unnest($13::int8[]) / 1000.0), to_timestamp(unnest($14::int8[]) / 1000.0), unnest($15::text[]), unnest($16::text[]),
    unnest($17::text[]), unnest($18::int8[])::integer, unnest($19::int8[]), unnest($20::int8[]), unnest($21::int8[]), unnest($22::int8[]), unnest($23::int8[]), unnest($24::int8[]),
    unnest($25::int8[]), unnest($26::int8[]), unnest($27::text[])::jsonb, unnest($28::int8[]), unnest($29::text[])
  ON CONFLICT (branch_id, id) DO NOTHING
  RETURNING id`,
};

const INSERT_LINES: PreparedStatement = {
  name: 'insert-sale-lines',
  text: `INSERT INTO sale_line (tenant_id, branch_id, sale_id, line_no, product, name, quantity_milli,
    price_minor, price_per, price_source,
    amount_minor, discount_minor, net_minor, tax_minor, total_minor, tax_code, tax_rate_ppm)
  SELECT $1, $2, unnest($3::uuid[]), unnest($4::int8[])::integer, unnest($5::text[]), unnest($6::text[]), unnest($7::int8[]),
    unnest($8::int8[]), unnest($9::text[])::numeric, unnest($10::text[]),
    unnest($11::int8[]), unnest($12::int8[]), unnest($13::int8[]), unnest($14::int8[]), unnest($15::int8[]),
    unnest($16::text[]), unnest($17::int8[])`,
};

const INSERT_MODIFIERS: PreparedStatement = {
  name: 'insert-sale-modifiers',
  text: `INSERT INTO sale_modifier (tenant_id, branch_id, sale_id, line_no, modifier_no, kind, informational, amount_minor)
  SELECT $1, $2, unnest($3::uuid[]), unnest($4::int8[])::integer, unnest($5::int8[])::integer, unnest($6::text[]), unnest($7::bool[]), unnest($8::int8[])`,
};

const INSERT_TAXES: PreparedStatement = {
  name: 'insert-sale-line-taxes',
  text: `INSERT INTO sale_line_tax (tenant_id, branch_id, sale_id, line_no, tax_no, code, rate_ppm, amount_minor)
  SELECT $1, $2, unnest($3::uuid[]), unnest($4::int8[])::integer, unnest($5::int8[])::integer, unnest($6::text[]), unnest($7::int8[]), unnest($8::int8[])`,
};

const INSERT_TENDERS: PreparedStatement = {
  name: 'insert-sale-tenders',
  text: `INSERT INTO sale_tender (tenant_id, branch_id, sale_id, tender_no, type, amount_minor, cash_back_minor)
  SELECT $1, $2, unnest($3::uuid[]), unnest($4::int8[])::integer, unnest($5::text[]), unnest($6::int8[]), unnest($7::int8[])`,
};

const INSERT_ALIASES = `INSERT INTO sale_alias (tenant_id, branch_id, incarnation, receipt_number, sale_id, seq)
  SELECT $1, $2, $3, r."receiptNumber", r.id, r.seq
  FROM jsonb_to_recordset($4::jsonb) AS r (id uuid, "receiptNumber" text, seq bigint)
  JOIN sale ON sale.branch_id = $2 AND sale.id = r.id AND sale.receipt_number <> r."receiptNumber"
  ON CONFLICT DO NOTHING`;

/** Inserts the sales that the branch does not have, with all that follows from them. */
export async function insertSales(tx: Tx, context: FactContext, lines: readonly SaleLine[]): Promise<Inserted> {
  const sales = lines.map((line) => ({ line, hour: localHour(line.body.soldAt, context.timeZone) }));
  const [before, stored] = await together(
    findBefore(tx, context, lines),
    tx.inTurns(saleStatements(tx, context, sales)),
  );
  const inserted = new Set(stored.flat().map((row) => row.id));
  const fresh = sales.filter(({ line }) => inserted.has(line.body.id));
  if (fresh.length === 0) return { ids: inserted };

  const bodies = fresh.map(({ line }) => line.body);
  const freshLines = fresh.map(({ line }) => line);
  // Before anything is sent: it may throw.
  const deltas = context.isRebuild ? null : salesDeltas(fresh.map(({ line, hour }) => ({ hour, body: line.body })));
  await together(
    insertReversals(tx, context, bodies),
    numberAmendments(tx, context, freshLines),
    tx.inTurns(rowStatements(tx, context, bodies, deltas)),
  );
  return { ids: inserted, disputes: await disputesOfSales(tx, context, before, freshLines) };
}

function* saleStatements(
  tx: Tx,
  { tenantId, branchId, incarnation }: FactContext,
  sales: readonly SaleOfHour[],
): Generator<StatementOfRows<{ id: string }[]>> {
  for (const slice of slicesOf(sales, SALES_AT_A_TIME)) {
    const columns = [tenantId, branchId, incarnation, ...saleColumns(slice)];
    yield { rows: slice.length, send: () => tx.prepared(INSERT_SALES, columns) };
  }
}

function* rowStatements(
  tx: Tx,
  context: FactContext,
  bodies: readonly SaleBody[],
  deltas: SalesDeltas | null,
): Generator<StatementOfRows<unknown>> {
  yield* partStatements(tx, context, bodies);
  if (deltas !== null) yield* deltaStatements(tx, context, deltas);
}

/** The rows of some sales at a time. */
function* partStatements(
  tx: Tx,
  { tenantId, branchId }: FactContext,
  bodies: readonly SaleBody[],
): Generator<StatementOfRows<unknown>> {
  for (const sales of slicesOf(bodies, SALES_AT_A_TIME)) {
    for (const [statement, columnsOf] of PARTS) {
      const columns = columnsOf(sales);
      if (columns === null) continue;
      yield { rows: rowsIn(columns), send: () => tx.prepared(statement, [tenantId, branchId, ...columns]) };
    }
  }
}

async function insertReversals(tx: Tx, { tenantId, branchId }: FactContext, sales: readonly SaleBody[]): Promise<void> {
  const rows = sales.flatMap(({ id, reverses }) => (reverses === undefined ? [] : { id, sale: reverses.sale }));
  if (rows.length === 0) return;
  await tx.query(
    `INSERT INTO sale_reversal (tenant_id, branch_id, sale_id, reversal_id)
     SELECT $1, $2, sale, id FROM jsonb_to_recordset($3::jsonb) AS r (sale uuid, id uuid) ON CONFLICT DO NOTHING`,
    [tenantId, branchId, JSON.stringify(rows)],
  );
}

/** With as many lines of their own as they mostly have. */
const SALES_AT_A_TIME = 100;

/** What a sale consists of, each part set-based; null: these sales have none of it. */
const PARTS: readonly [PreparedStatement, (sales: readonly SaleBody[]) => readonly Buffer[] | null][] = [
  [INSERT_LINES, lineColumns],
  [INSERT_MODIFIERS, modifierColumns],
  [INSERT_TAXES, taxColumns],
  [INSERT_TENDERS, tenderColumns],
];

/** A sale known already, come again in another history: the number it bears there leads to it too. */
export async function insertAliases(tx: Tx, context: FactContext, repeats: readonly SaleLine[]): Promise<void> {
  const rows = repeats.map(({ seq, body }) => ({ id: body.id, receiptNumber: body.receiptNumber, seq }));
  await tx.query(INSERT_ALIASES, [context.tenantId, context.branchId, context.incarnation, JSON.stringify(rows)]);
}
