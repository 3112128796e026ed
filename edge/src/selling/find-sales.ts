import { businessDate, code, instant, text, uuid } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, pageQuery, type Page } from '@branchline/http/pagination.js';
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

/**
 * `GET /v1/sales`, newest first. What is on its way is known to the replicator alone, so a page asked for by state
 * QUEUED or SENT may be shorter than its limit though there is a next one.
 */
export async function findSales(parts: SalesParts, query: SalesQuery): Promise<Page<SaleAnswer>> {
  const { reads, branchCode, inFlight } = parts;
  const rows = await matchingRows(parts.readSource, query);
  const page = pageOf(
    rows,
    query.limit,
    (row) => [row.no],
    (row) => ({ row, state: stateOfSale(reads, row, inFlight) }),
  );
  const wanted = page.items.filter(({ state }) => query.state === undefined || state === query.state);
  return {
    items: wanted.map(({ row, state }) => saleAnswer(storedSaleByNo(reads, row.no), branchCode, state)),
    next: page.next,
  };
}

async function matchingRows(readSource: DataSource, query: SalesQuery): Promise<Row[]> {
  const select = readSource
    .createQueryBuilder()
    .select('s.no', 'no')
    .addSelect('s.incarnation_no', 'incarnationNo')
    .addSelect('s.seq', 'seq')
    .from('sale', 's')
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
  if (query.after !== undefined) {
    const [before] = decodeCursor(cursorSchema, query.after);
    conditions.push(['s.no < :before', { before }]);
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
  const instantMs = Date.parse(bound);
  const date = new Date(instantMs + 2 * slackMs).toISOString().slice(0, 10);
  return [
    [`s.business_date ${operator} :${name}Date`, { [`${name}Date`]: date }],
    [`s.sold_at ${operator} :${name}At`, { [`${name}At`]: instantMs }],
  ];
}
