import { standing, type CustomerState } from '@branchline/domain/customer.js';
import { PERSONAL_FIELDS } from '@branchline/domain/customer-fields.js';
import type { CustomerValues } from '@branchline/replication/customer-input.js';
import { PersonCipher } from '@branchline/replication/person-cipher.js';
import { unwrapPersonKey } from '@branchline/replication/person-wrap.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import { changesOver, officeEdit, takeOfficeEdit, type OfficeParts } from './office-edit.js';
import { openCustomers, openedValue } from './open-customers.js';
import { publishCustomers } from './publish-customers.js';

export type KeyParts = Pick<OfficeParts, 'nowMs' | 'newId' | 'personsMaster'>;

/**
 * Of the two keys of a person one is in use from now on, and the other is retired. What only the retired one opens is sealed
 * anew, as an edit of head office; stores are told which key it is, and ask for it where theirs is another.
 * @param keep whose key: the one that stands, or the one that the branch offered
 */
export async function decideKey(
  tx: Tx,
  { person, branchId, keep }: { person: string; branchId: string; keep: 'hub' | 'branch' },
  personId: string,
  parts: KeyParts,
): Promise<void> {
  const [{ stands, offered } = NO_KEYS] = await tx.query<Keys>(KEYS, [person, branchId]);
  if (offered === null) return;
  const [used, retired] = keep === 'hub' ? [stands, offered] : [offered, stands];
  if (retired !== null) await tx.execute(RETIRE, [tx.tenantId, person, retired, personId]);
  await tx.execute('DELETE FROM person_key_offer WHERE person = $1 AND branch_id = $2', [person, branchId]);
  // The maker's has not come yet: it stands when it comes, and nothing was sealed with it.
  if (used === null) return;
  const cipher = cipherOf(person, used, parts.personsMaster);
  await tx.execute(USE, [tx.tenantId, person, used, cipher.keyHash()]);
  const isToldSo = await sealAnew(tx, person, cipher, personId, parts);
  if (!isToldSo) await publishAgain(tx, person, parts.personsMaster);
}

type Keys = { stands: Buffer | null; offered: Buffer | null };
const NO_KEYS: Keys = { stands: null, offered: null };

const KEYS = `
SELECT k.wrapped AS stands, o.wrapped AS offered FROM person_key_offer o LEFT JOIN person_key k ON k.person = o.person
WHERE o.person = $1 AND o.branch_id = $2`;

const RETIRE = `
INSERT INTO person_key_retired (tenant_id, person, wrapped, decided_by) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`;

const USE = `
INSERT INTO person_key (tenant_id, person, wrapped, told_hash) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, person) DO UPDATE SET wrapped = excluded.wrapped, told_hash = excluded.told_hash`;

type Standing = { state: CustomerState; region: string | null };

/** @returns whether something was under another key, and stores are told of it */
async function sealAnew(
  tx: Tx,
  person: string,
  cipher: PersonCipher,
  personId: string,
  parts: KeyParts,
): Promise<boolean> {
  const held = await tx.query<Standing>(HOLD, [person]);
  const [customer] = held;
  if (customer === undefined) return false;
  const wrapped = await tx.query<{ wrapped: Buffer }>('SELECT wrapped FROM person_key_retired WHERE person = $1', [
    person,
  ]);
  const retired = wrapped.map((each) => cipherOf(person, each.wrapped, parts.personsMaster));
  const values: CustomerValues = {};
  for (const field of PERSONAL_FIELDS) {
    const sealed = standing(customer.state, field)?.value ?? null;
    if (sealed === null || openedValue(cipher, field, sealed) !== null) continue;
    const texts = retired.map((other) => openedValue(other, field, sealed));
    const text = texts.find((each) => each !== null);
    if (text !== undefined && text !== null) values[field] = cipher.seal(field, text);
  }
  const changes = changesOver(customer.state, values);
  if (Object.keys(changes).length === 0) return false;
  const edit = { ...officeEdit(customer.state, changes, parts), customer: person, op: 'edit' as const };
  await takeOfficeEdit(tx, edit, personId, parts);
  return true;
}

const HOLD = `
SELECT state, region FROM customer WHERE id = $1 AND deleted_at IS NULL AND erased_at IS NULL FOR NO KEY UPDATE`;

async function publishAgain(tx: Tx, person: string, personsMaster: Buffer): Promise<void> {
  const [customer] = await tx.query<Standing>(HOLD, [person]);
  if (customer === undefined) return;
  const { state, region } = customer;
  await publishCustomers(tx, [{ before: { id: person, region }, state, region }]);
  await tx.execute('UPDATE customer SET opened = false WHERE id = $1', [person]);
  await openCustomers(tx, personsMaster, person);
}

/** In one transaction. */
const LATE_AT_ONCE_MAX = 50;

type Late = { person: string; wrapped: Buffer; personId: string };

/** A store that has not heard yet of a decision goes on sealing with the key that it has. */
export async function sealAnewLate(database: Database, tenantId: string, parts: KeyParts): Promise<void> {
  await database.transaction(tenantId, async (tx) => {
    for (const { person, wrapped, personId } of await tx.query<Late>(LATE, [LATE_AT_ONCE_MAX])) {
      await sealAnew(tx, person, cipherOf(person, wrapped, parts.personsMaster), personId, parts);
      await tx.execute(LOOKED, [person]);
    }
  });
}

const LATE = `
SELECT DISTINCT ON (c.id) c.id AS person, k.wrapped, r.decided_by AS "personId"
FROM person_key_retired r JOIN customer c ON c.tenant_id = r.tenant_id AND c.id = r.person
JOIN person_key k ON k.tenant_id = r.tenant_id AND k.person = r.person
WHERE k.wrapped IS NOT NULL AND c.erased_at IS NULL AND r.looked_at_state IS DISTINCT FROM md5(c.state::text)
ORDER BY c.id LIMIT $1`;

const LOOKED = `
UPDATE person_key_retired r SET looked_at_state = md5(c.state::text) FROM customer c WHERE r.person = $1 AND c.id = r.person`;

function cipherOf(person: string, wrapped: Buffer, personsMaster: Buffer): PersonCipher {
  const key = unwrapPersonKey(person, wrapped, personsMaster);
  if (key === null) throw new Error(`a key of person ${person} was not wrapped by this hub`);
  return new PersonCipher(person, key);
}
