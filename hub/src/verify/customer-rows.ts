import type { CustomerState } from '@branchline/domain/customer.js';
import type { PersonalField } from '@branchline/domain/customer-fields.js';
import { isAskedAbout } from '../customers/replay-edits.js';
import type { Tx } from '../database/unit-of-work.js';

export const CUSTOMERS_AT_ONCE_MAX = 200;

export type OpenRow = Record<PersonalField | 'nameKey' | 'emailKey' | 'phoneKey', string | null>;

/** What stands of a customer, in all tables. `state` null: there is no row of `customer`. */
export type CustomerRows = {
  id: string;
  state: CustomerState | null;
  region: string | null;
  isDeleted: boolean;
  erasedAtMs: number | null;
  opened: boolean;
  madeBy: string | null;
  open: OpenRow | null;
  wrapped: Buffer | null;
  keyErasedAtMs: number | null;
  /** One that is not in use: retired, or offered and held. */
  isOtherKeyHere: boolean;
  /** All stores were told to destroy the key: that record stands for ever. */
  isErasureTold: boolean;
};

export function customerRows(tx: Tx, ids: readonly string[]): Promise<CustomerRows[]> {
  return tx.query<CustomerRows>(ROWS, [ids]);
}

const ROWS = `
SELECT sought.id, c.state, c.region, c.deleted_at IS NOT NULL AS "isDeleted", round(extract(epoch FROM c.erased_at) * 1000)::bigint AS "erasedAtMs",
  coalesce(c.opened, false) AS opened, c.made_by AS "madeBy",
  CASE WHEN o.id IS NOT NULL THEN json_build_object('name', o.name, 'email', o.email, 'phone', o.phone, 'address', o.address,
    'taxNumber', o.tax_number, 'note', o.note, 'nameKey', o.name_key, 'emailKey', o.email_key, 'phoneKey', o.phone_key) END AS open,
  k.wrapped, round(extract(epoch FROM k.erased_at) * 1000)::bigint AS "keyErasedAtMs",
  EXISTS (SELECT FROM person_key_retired r WHERE r.person = sought.id)
    OR EXISTS (SELECT FROM person_key_offer f WHERE f.person = sought.id) AS "isOtherKeyHere",
  EXISTS (SELECT FROM feed_latest l WHERE l.scope = 'tenant' AND l.kind = 'erasure' AND l.key = sought.id::text)
    OR EXISTS (SELECT FROM outbox u WHERE u.scope = 'tenant' AND u.kind = 'erasure' AND u.key = sought.id::text) AS "isErasureTold"
FROM unnest($1::uuid[]) AS sought (id)
LEFT JOIN customer c ON c.id = sought.id
LEFT JOIN customer_open o ON o.id = sought.id
LEFT JOIN person_key k ON k.person = sought.id
ORDER BY sought.id`;

const NIL = '00000000-0000-0000-0000-000000000000';

/** Where a walk over the customers of a branch stands. */
export type CustomersPlace = { from: 'told' | 'untold'; after: string };
export const CUSTOMERS_START: CustomersPlace = { from: 'told', after: NIL };

/**
 * The next of those that a branch answers for: whom its own lines tell of and then, of whom no store has told, those of its
 * region and of none, whom head office alone has made or nobody. `next` null: these were the last.
 */
export async function customersOfBranch(
  tx: Tx,
  { id, region }: { id: string; region: string },
  { from, after }: CustomersPlace,
): Promise<{ ids: string[]; next: CustomersPlace | null }> {
  const rows =
    from === 'told'
      ? await tx.query<{ id: string }>(TOLD, [id, after])
      : await tx.query<{ id: string }>(UNTOLD, [region, after]);
  const ids = rows.map((row) => row.id);
  const last = ids.at(-1);
  if (last !== undefined && ids.length === CUSTOMERS_AT_ONCE_MAX) return { ids, next: { from, after: last } };
  return { ids, next: from === 'told' ? { from: 'untold', after: NIL } : null };
}

const TOLD = `
SELECT DISTINCT customer_id AS id FROM customer_edit WHERE branch_id = $1 AND customer_id > $2 ORDER BY 1 LIMIT ${CUSTOMERS_AT_ONCE_MAX}`;

const UNTOLD = `
SELECT c.id FROM customer c WHERE c.id > $2 AND (c.region = $1 OR c.region IS NULL)
  AND NOT EXISTS (SELECT FROM customer_edit e WHERE e.tenant_id = c.tenant_id AND e.customer_id = c.id) ORDER BY c.id LIMIT ${CUSTOMERS_AT_ONCE_MAX}`;

/** Persons in clear of whom there is no customer. */
export async function openWithoutCustomer(tx: Tx): Promise<{ rows: number; first: string | null }> {
  return tx.one(`SELECT count(*) AS rows, min(o.id::text) AS first FROM customer_open o
    WHERE NOT EXISTS (SELECT FROM customer c WHERE c.tenant_id = o.tenant_id AND c.id = o.id)`);
}

/** Deletes that were withheld, as people were asked, and of which no row says so. @returns their edits */
export async function lostWithheld(tx: Tx, branchId: string): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(LOST_WITHHELD, [branchId]);
  return rows.map(({ id }) => id);
}

const LOST_WITHHELD = `
SELECT e.id FROM customer_edit e LEFT JOIN customer_edit_withheld w ON w.branch_id = e.branch_id AND w.id = e.id
WHERE e.branch_id = $1 AND e.op = 'delete' AND w.id IS NULL AND ${isAskedAbout('e')} ORDER BY e.id`;
