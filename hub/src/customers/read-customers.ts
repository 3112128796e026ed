import { losersOf, standing, type CustomerState } from '@branchline/domain/customer.js';
import {
  CONSENT_FIELDS,
  isPersonal,
  lookUpOf,
  prefixEnd,
  type CustomerField,
  type LookUpKeys,
} from '@branchline/domain/customer-fields.js';
import { text } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, pageQuery, type Page } from '@branchline/http/pagination.js';
import { uuid } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import { PersonCipher } from '@branchline/replication/person-cipher.js';
import { unwrapPersonKey } from '@branchline/replication/person-wrap.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';
import { openedValue } from './open-customers.js';

export const customersQuery = z.strictObject({
  ...pageQuery,
  /** The beginning of a name or of an e-mail address, or a phone number. */
  search: text(254).optional(),
});
export type CustomersQuery = z.infer<typeof customersQuery>;

export type CustomerItem = Partial<Record<CustomerField, string | null>> & {
  id: string;
  /** Whether the person's key has come: until then the fields that it opens are null. */
  isOpen: boolean;
  changedAt: string;
};

/** What lost against a write that had not seen it; `box` null: head office. */
export type LostValue = { field: string; value: string | null; edit: string; hlc: string; box: string };

type Row = {
  id: string;
  state: CustomerState;
  isOpen: boolean;
  changedAt: Date;
  name: string | null;
  email: string | null;
  phone: string | null;
  address: string | null;
  taxNumber: string | null;
  note: string | null;
};

const COLUMN_OF_KEY: Readonly<Record<keyof LookUpKeys, string>> = {
  nameKey: 'o.name_key',
  emailKey: 'o.email_key',
  phoneKey: 'o.phone_key',
};

const cursor = z.tuple([uuid]);

/**
 * Customers of these regions, found by a key in the order of that key, or all in the order of their ids. The cursor is an id
 * alone: it goes through addresses and logs.
 */
export async function listCustomers(
  tx: Tx,
  regions: readonly string[],
  { search, limit, after }: CustomersQuery,
): Promise<Page<CustomerItem>> {
  const [afterId] = after === undefined ? [null] : decodeCursor(cursor, after);
  const lookUp = search === undefined ? null : lookUpOf(search);
  if (search !== undefined && lookUp === null) return { items: [], next: null };
  const rows =
    lookUp === null
      ? await tx.query<Row>(listSql('c.id > coalesce($2::uuid, $3::uuid)', 'c.id'), [regions, afterId, NIL, limit + 1])
      : await tx.query<Row>(searchSql(COLUMN_OF_KEY[lookUp.by]), [
          regions,
          afterId,
          lookUp.key,
          limit + 1,
          lookUp.isPrefix ? prefixEnd(lookUp.key) : lookUp.key,
        ]);
  return pageOf(rows, limit, ({ id }) => [id], itemOf);
}

const NIL = '00000000-0000-0000-0000-000000000000';

const COLUMNS = `
SELECT c.id, c.state, c.opened AS "isOpen", c.changed_at AS "changedAt",
  o.name, o.email, o.phone, o.address, o.tax_number AS "taxNumber", o.note`;

const listSql = (condition: string, order: string): string => `
${COLUMNS} FROM customer c LEFT JOIN customer_open o ON o.tenant_id = c.tenant_id AND o.id = c.id
WHERE c.region = ANY ($1) AND c.deleted_at IS NULL AND c.erased_at IS NULL AND ${condition} ORDER BY ${order} LIMIT $4`;

const searchSql = (key: string): string => `
${COLUMNS} FROM customer_open o JOIN customer c ON c.tenant_id = o.tenant_id AND c.id = o.id
WHERE ${key} >= $3 AND ${key} <= $5 AND c.region = ANY ($1) AND c.deleted_at IS NULL AND c.erased_at IS NULL
  AND ($2::uuid IS NULL OR (${key}, o.id) > ((SELECT ${key.replace('o.', 'a.')} FROM customer_open a WHERE a.id = $2), $2))
ORDER BY ${key}, o.id LIMIT $4`;

function itemOf(row: Row): CustomerItem {
  const { id, state, isOpen, changedAt, name, email, phone, address, taxNumber, note } = row;
  const plain = [...CONSENT_FIELDS, 'language', 'region'] as const;
  const values = Object.fromEntries(plain.map((field) => [field, standing(state, field)?.value ?? null]));
  return {
    ...{ id, name, email, phone, address, taxNumber, note },
    ...values,
    isOpen,
    changedAt: changedAt.toISOString(),
  };
}

/** @throws Problem `customer-erased`; `not-found`, also for one of a region that is not theirs */
export async function readCustomer(
  tx: Tx,
  id: string,
  regions: readonly string[],
  personsMaster: Buffer,
): Promise<CustomerItem & { lost: LostValue[] }> {
  const [row] = await tx.query<Row & { wrapped: Buffer | null }>(ONE, [id, regions]);
  if (row === undefined) {
    const [erased] = await tx.query('SELECT 1 FROM customer WHERE id = $1 AND erased_at IS NOT NULL', [id]);
    throw problem(erased === undefined ? 'not-found' : 'customer-erased');
  }
  const key = row.wrapped && unwrapPersonKey(id, row.wrapped, personsMaster);
  const cipher = key && new PersonCipher(id, key);
  const lost = losersOf(row.state).map(({ field, value, edit, hlc, box }) => {
    const opened = isPersonal(field) ? cipher && openedValue(cipher, field, value) : value;
    return { field, value: opened, edit, hlc, box };
  });
  return { ...itemOf(row), lost };
}

const ONE = `
${COLUMNS}, k.wrapped FROM customer c
LEFT JOIN customer_open o ON o.tenant_id = c.tenant_id AND o.id = c.id
LEFT JOIN person_key k ON k.tenant_id = c.tenant_id AND k.person = c.id
WHERE c.id = $1 AND c.deleted_at IS NULL AND c.erased_at IS NULL AND c.region = ANY ($2)`;
