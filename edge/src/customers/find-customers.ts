import { lookUpOf, prefixEnd, type LookUpKeys } from '@branchline/domain/customer-fields.js';
import { text, uuid } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, pageQuery, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { ReadTx } from '../store/tx.js';
import { customerAnswer, type CustomerAnswer } from './get-customer.js';

export const customersQuery = z.strictObject({
  ...pageQuery,
  /** The beginning of a name or of an e-mail address, or a phone number. */
  search: text(254).optional(),
});
export type CustomersQuery = z.output<typeof customersQuery>;

/** The id alone: a cursor goes through addresses and logs. `source`: by which of its rows it was found. */
const cursorSchema = z.tuple([uuid, z.string().max(36)]);

type Found = { customer: string; source: string };

const COLUMN_OF_KEY = { nameKey: 'name_key', emailKey: 'email_key', phoneKey: 'phone_key' } as const;

/**
 * `GET /v1/customers`, in the order of the key that is searched by, or of ids. Both the hub's text and what is pending here
 * find a customer, who is shown once. Walks an index and stops when the page is full.
 */
export function findCustomers(tx: ReadTx, query: CustomersQuery): Page<CustomerAnswer> {
  const { limit } = query;
  const items: (CustomerAnswer & { source: string })[] = [];
  const step = stepsOf(tx, query);
  for (let rows = step(limit + 1); rows.length > 0; rows = step(limit + 1)) {
    for (const { customer, source } of rows) {
      const answer = customerAnswer(tx, customer);
      if (answer !== null && answer.state !== 'deleting') items.push({ ...answer, source });
      if (items.length > limit) break;
    }
    if (items.length > limit || rows.length <= limit) break;
  }
  return pageOf(
    items,
    limit,
    ({ id, source }) => [id, source],
    ({ source: _source, ...answer }) => answer,
  );
}

/** Gives the next rows each time it is asked. */
function stepsOf(tx: ReadTx, { search, after }: CustomersQuery): (limit: number) => Found[] {
  let from: readonly string[] = after === undefined ? ['', ''] : decodeCursor(cursorSchema, after);
  const lookUp = search === undefined ? null : lookUpOf(search);
  if (search !== undefined && lookUp === null) return () => [];
  return (limit) => {
    const rows =
      lookUp === null
        ? tx.all<Found>(ALL, from[0] ?? '', limit)
        : foundBy(tx, lookUp.by, lookUp.key, lookUp.isPrefix ? prefixEnd(lookUp.key) : lookUp.key, from, limit);
    const last = rows.at(-1);
    if (last !== undefined) from = [last.customer, last.source];
    return rows;
  };
}

const ALL = `SELECT customer, min(source) AS source FROM customer_open WHERE customer > ? GROUP BY customer ORDER BY customer LIMIT ?`;

function foundBy(
  tx: ReadTx,
  by: keyof LookUpKeys,
  key: string,
  end: string,
  [customer = '', source = '']: readonly string[],
  limit: number,
): Found[] {
  const column = COLUMN_OF_KEY[by];
  const last = tx.get<{ key: string | null; no: number }>(
    `SELECT ${column} AS key, no FROM customer_open WHERE customer = ? AND source = ?`,
    customer,
    source,
  );
  // A customer whose pending name begins alike is found by the first of the two.
  return tx.all<Found>(
    `SELECT customer, source FROM customer_open o
     WHERE ${column} >= ? AND ${column} <= ? AND (${column}, no) > (?, ?)
       AND NOT EXISTS (SELECT 1 FROM customer_open p WHERE p.customer = o.customer AND p.${column} >= ? AND p.${column} <= ?
         AND (p.${column}, p.no) < (o.${column}, o.no))
     ORDER BY ${column}, no LIMIT ?`,
    key,
    end,
    last?.key ?? key,
    last?.key ? last.no : 0,
    key,
    end,
    limit,
  );
}
