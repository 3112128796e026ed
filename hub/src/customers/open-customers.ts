import { standing, type CustomerState } from '@branchline/domain/customer.js';
import { lookUpKeys, PERSONAL_FIELDS, type PersonalField } from '@branchline/domain/customer-fields.js';
import { NotOfThisKey, PersonCipher } from '@branchline/replication/person-cipher.js';
import { unwrapPersonKey } from '@branchline/replication/person-wrap.js';
import type { Tx } from '../database/unit-of-work.js';

/** In one transaction: some 30 ms of decryption. */
export const OPENED_AT_ONCE_MAX = 500;

type Sealed = { id: string; state: CustomerState; wrapped: Buffer };

/**
 * Writes in clear what came sealed, as far as keys are here; what lacks one waits for it. Beside ingest, which needs no key
 * and waits for nothing.
 * @returns how many were opened; as many as may be at once: there may be more
 */
export async function openCustomers(tx: Tx, personsMaster: Buffer, onlyId: string | null = null): Promise<number> {
  const sealed = await tx.query<Sealed>(FIND, [OPENED_AT_ONCE_MAX, onlyId]);
  if (sealed.length === 0) return 0;
  const rows = sealed.map(({ id, state, wrapped }) => {
    const key = unwrapPersonKey(id, wrapped, personsMaster);
    if (key === null) throw new Error(`the key of person ${id} was not wrapped by this hub`);
    const values = openedValues(new PersonCipher(id, key), state);
    return { id, ...values, ...lookUpKeys(values) };
  });
  await tx.execute(STORE, [tx.tenantId, JSON.stringify(rows)]);
  await tx.execute('UPDATE customer SET opened = true WHERE id = ANY ($1::uuid[])', [sealed.map(({ id }) => id)]);
  return sealed.length;
}

export type OpenedValues = Record<PersonalField, string | null>;

export function openedValues(cipher: PersonCipher, state: CustomerState): OpenedValues {
  const opened = PERSONAL_FIELDS.map((field) => [field, openedValue(cipher, field, standing(state, field)?.value)]);
  return Object.fromEntries(opened) as OpenedValues;
}

/** What a box sealed with some other key is nobody's to read; the customer's other fields are. */
export function openedValue(cipher: PersonCipher, field: string, sealed: string | null | undefined): string | null {
  if (sealed === null || sealed === undefined) return null;
  try {
    const text = cipher.open(field, sealed);
    return text.includes('\0') || !text.isWellFormed() ? null : text;
  } catch (error) {
    if (error instanceof NotOfThisKey) return null;
    throw error;
  }
}

const FIND = `
SELECT c.id, c.state, k.wrapped FROM customer c JOIN person_key k ON k.person = c.id
WHERE NOT c.opened AND k.wrapped IS NOT NULL AND ($2::uuid IS NULL OR c.id = $2)
ORDER BY c.id LIMIT $1 FOR NO KEY UPDATE OF c SKIP LOCKED`;

const STORE = `
INSERT INTO customer_open (tenant_id, id, name, email, phone, address, tax_number, note, name_key, email_key, phone_key)
SELECT $1, id, name, email, phone, address, "taxNumber", note, "nameKey", "emailKey", "phoneKey"
FROM jsonb_to_recordset($2::jsonb) AS r (id uuid, name text, email text, phone text, address text, "taxNumber" text, note text,
  "nameKey" text, "emailKey" text, "phoneKey" text)
ON CONFLICT (tenant_id, id) DO UPDATE SET name = excluded.name, email = excluded.email, phone = excluded.phone,
  address = excluded.address, tax_number = excluded.tax_number, note = excluded.note, name_key = excluded.name_key,
  email_key = excluded.email_key, phone_key = excluded.phone_key`;
