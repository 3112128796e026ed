import { INSTANT_MS_MAX } from '@branchline/domain/business-date.js';
import { businessDate, code, instant, text, uuid } from '@branchline/http/fields.js';
import { decodeCursor, encodeCursor, pageQuery, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { ReadTx, SqlValue } from '../store/tx.js';
import { stateOfSale } from './get-sale.js';
import type { LineRange } from './in-flight.js';
import { saleAnswer, type SaleAnswer } from './sale-answer.js';
import { storedSaleByNo } from './stored-sale.js';

/** `from` and `to` are both meant inclusively: business dates, or instants of the sale. */
export const salesQuery = z.strictObject({
  ...pageQuery,
  receiptNumber: text(64).optional(),
  deviceReference: text(64).optional(),
  state: z.enum(['QUEUED', 'SENT', 'APPLIED']).optional(),
  till: code.optional(),
  device: uuid.optional(),
  businessDate: businessDate.optional(),
  from: z.union([businessDate, instant]).optional(),
  to: z.union([businessDate, instant]).optional(),
});
export type SalesQuery = z.output<typeof salesQuery>;

export type SalesRead = { query: SalesQuery; branchCode: string; inFlight: LineRange | null };

type Row = { no: number; incarnationNo: number; seq: number };
const cursorSchema = z.tuple([z.int().min(1)]);
const DAY_MS = 24 * 60 * 60_000;

/*
 * A page is bounded by work, not by rows alone: 500 sales of five lines took 300 ms, 150 of 600 lines 5 s, and a look
 * through 500,000 sales for a state that none has 0.7 s.
 */
const PAGE_BYTES_MAX = 256 * 1024;
/** Sales looked at for one page where no index leads to them; they are numbered without gaps. */
const PAGE_SALES_LOOKED_AT_MAX = 20_000;

/** `GET /v1/sales`, newest first. A page may be shorter than its limit, or empty, though there is a next one. */
export function findSales(tx: ReadTx, { query, branchCode, inFlight }: SalesRead): Page<SaleAnswer> {
  const before = query.after === undefined ? newestNo(tx) + 1 : decodeCursor(cursorSchema, query.after)[0];
  const floor = isIndexed(query) ? 0 : Math.max(0, before - 1 - PAGE_SALES_LOOKED_AT_MAX);
  const rows = matchingRows(tx, query, before, floor);
  const items: SaleAnswer[] = [];
  let bytes = 0;
  for (const row of rows.slice(0, query.limit)) {
    if (bytes >= PAGE_BYTES_MAX) return { items, next: encodeCursor([row.no + 1]) };
    const state = stateOfSale(tx, row, inFlight);
    // What is on its way is known to the replicator alone.
    if (query.state !== undefined && state !== query.state) continue;
    const sale = storedSaleByNo(tx, row.no);
    bytes += sale.bytes;
    items.push(saleAnswer(sale, branchCode, state));
  }
  const extra = rows[query.limit];
  const nextBefore = extra === undefined ? floor + 1 : extra.no + 1;
  return { items, next: nextBefore > 1 ? encodeCursor([nextBefore]) : null };
}

function newestNo(tx: ReadTx): number {
  return tx.get<{ no: number | null }>('SELECT max(no) AS no FROM sale')?.no ?? 0;
}

function isIndexed({ receiptNumber, deviceReference, businessDate, from, to }: SalesQuery): boolean {
  return [receiptNumber, deviceReference, businessDate, from, to].some((given) => given !== undefined);
}

/** Whether an index leads to a few sales, so that the answer is as quick as a point read. */
export function namesFewSales({ receiptNumber, deviceReference }: SalesQuery): boolean {
  return receiptNumber !== undefined || deviceReference !== undefined;
}

type Condition = { sql: string; values: SqlValue[] };

/** Sales numbered below `before` and above `floor`. @returns one more than the limit where there are more */
function matchingRows(tx: ReadTx, query: SalesQuery, before: number, floor: number): Row[] {
  const conditions: Condition[] = [
    { sql: 's.no < ? AND s.no > ?', values: [before, floor] },
    ...ofReceipt(query.receiptNumber),
    ...equal('device_reference', query.deviceReference),
    ...equal('till', query.till),
    ...equal('device', query.device),
    ...equal('business_date', query.businessDate),
    ...bounds('>=', query.from, -DAY_MS),
    ...bounds('<=', query.to, DAY_MS),
  ];
  if (query.state !== undefined) {
    const applied = 'coalesce((SELECT applied_seq FROM push_state p WHERE p.incarnation_no = s.incarnation_no), 0)';
    conditions.push({ sql: `s.seq ${query.state === 'APPLIED' ? '<=' : '>'} ${applied}`, values: [] });
  }
  // One text for each set of filters: some thousands at most, of which a store uses a handful.
  return tx.all<Row>(
    `SELECT s.no, s.incarnation_no AS incarnationNo, s.seq FROM sale s
     WHERE ${conditions.map(({ sql }) => sql).join(' AND ')} ORDER BY s.no DESC LIMIT ?`,
    ...conditions.flatMap(({ values }) => values),
    query.limit + 1,
  );
}

function equal(column: string, value: string | undefined): Condition[] {
  return value === undefined ? [] : [{ sql: `s.${column} = ?`, values: [value] }];
}

/** Its own number, or the one that another history printed for the same sale. */
function ofReceipt(number: string | undefined): Condition[] {
  if (number === undefined) return [];
  const sql =
    's.no IN (SELECT no FROM sale WHERE receipt_number = ? UNION ALL SELECT sale_no FROM receipt_alias WHERE receipt_number = ?)';
  return [{ sql, values: [number, number] }];
}

/**
 * An instant is looked for among the business dates around it, which are indexed: a business date and the UTC date of its
 * sales are never two days apart.
 */
function bounds(operator: '>=' | '<=', bound: string | undefined, slackMs: number): Condition[] {
  if (bound === undefined) return [];
  if (!bound.includes('T')) return [{ sql: `s.business_date ${operator} ?`, values: [bound] }];
  const boundMs = Date.parse(bound);
  const date = new Date(Math.min(boundMs + 2 * slackMs, INSTANT_MS_MAX)).toISOString().slice(0, 10);
  return [{ sql: `s.business_date ${operator} ? AND s.sold_at ${operator} ?`, values: [date, boundMs] }];
}
