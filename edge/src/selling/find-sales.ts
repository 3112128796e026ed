import { INSTANT_MS_MAX } from '@branchline/domain/business-date.js';
import { businessDate, code, instant, text, uuid } from '@branchline/http/fields.js';
import { decodeCursor, encodeCursor, pageQuery, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { DataSource } from 'typeorm';
import type { ReadTx } from '../store/tx.js';
import { stateOfSale } from './get-sale.js';
import type { InFlight } from './in-flight.js';
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

export type SalesParts = { reads: ReadTx; readSource: DataSource; branchCode: string; inFlight: InFlight };

type Row = { no: number; incarnationNo: number; seq: number };
const cursorSchema = z.tuple([z.int().min(1)]);
const DAY_MS = 24 * 60 * 60_000;

/*
 * Reading happens between sales, on the same thread, so each page is bounded by work: 500 sales of five lines took 300 ms,
 * 150 of 600 lines 5 s, and a look through 500,000 sales for a state that none has 0.7 s.
 */
const PAGE_BYTES_MAX = 256 * 1024;
/** Sales looked at for one page where no index leads to them; they are numbered without gaps. */
const PAGE_SALES_LOOKED_AT_MAX = 20_000;

/** `GET /v1/sales`, newest first. A page may be shorter than its limit, or empty, though there is a next one. */
export async function findSales(parts: SalesParts, query: SalesQuery): Promise<Page<SaleAnswer>> {
  const { reads, branchCode, inFlight } = parts;
  const before = query.after === undefined ? newestNo(reads) + 1 : decodeCursor(cursorSchema, query.after)[0];
  const floor = isIndexed(query) ? 0 : Math.max(0, before - 1 - PAGE_SALES_LOOKED_AT_MAX);
  const rows = await matchingRows(parts.readSource, query, before, floor);
  const items: SaleAnswer[] = [];
  let bytes = 0;
  for (const row of rows.slice(0, query.limit)) {
    if (bytes >= PAGE_BYTES_MAX) return { items, next: encodeCursor([row.no + 1]) };
    const state = stateOfSale(reads, row, inFlight);
    // What is on its way is known to the replicator alone.
    if (query.state !== undefined && state !== query.state) continue;
    const sale = storedSaleByNo(reads, row.no);
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

/** Sales numbered below `before` and above `floor`. @returns one more than the limit where there are more */
async function matchingRows(readSource: DataSource, query: SalesQuery, before: number, floor: number): Promise<Row[]> {
  const select = readSource
    .createQueryBuilder()
    .select('s.no', 'no')
    .addSelect('s.incarnation_no', 'incarnationNo')
    .addSelect('s.seq', 'seq')
    .from('sale', 's')
    .where('s.no < :before AND s.no > :floor', { before, floor })
    .orderBy('s.no', 'DESC')
    .limit(query.limit + 1);
  const conditions: [sql: string, parameters: Record<string, unknown>][] = [];
  const equal = (column: string, name: keyof SalesQuery): void => {
    if (query[name] !== undefined) conditions.push([`s.${column} = :${name}`, { [name]: query[name] }]);
  };
  equal('receipt_number', 'receiptNumber');
  equal('device_reference', 'deviceReference');
  equal('till', 'till');
  equal('device', 'device');
  equal('business_date', 'businessDate');
  if (query.from !== undefined) conditions.push(...bounds('>=', 'from', query.from, -DAY_MS));
  if (query.to !== undefined) conditions.push(...bounds('<=', 'to', query.to, DAY_MS));
  if (query.state !== undefined) {
    const applied = 'coalesce((SELECT applied_seq FROM push_state p WHERE p.incarnation_no = s.incarnation_no), 0)';
    conditions.push([`s.seq ${query.state === 'APPLIED' ? '<=' : '>'} ${applied}`, {}]);
  }
  for (const [sql, parameters] of conditions) select.andWhere(sql, parameters);
  return select.getRawMany<Row>();
}

/**
 * An instant is looked for among the business dates around it, which are indexed: a business date and the UTC date of its
 * sales are never two days apart.
 */
function bounds(
  operator: '>=' | '<=',
  name: 'from' | 'to',
  bound: string,
  slackMs: number,
): [string, Record<string, unknown>][] {
  if (!bound.includes('T')) return [[`s.business_date ${operator} :${name}`, { [name]: bound }]];
  const boundMs = Date.parse(bound);
  const date = new Date(Math.min(boundMs + 2 * slackMs, INSTANT_MS_MAX)).toISOString().slice(0, 10);
  return [
    [`s.business_date ${operator} :${name}Date`, { [`${name}Date`]: date }],
    [`s.sold_at ${operator} :${name}At`, { [`${name}At`]: boundMs }],
  ];
}
