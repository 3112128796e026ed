import { latestHlc, NO_CUSTOMER, seenOf, standing, type CustomerState } from '@branchline/domain/customer.js';
import { isPersonal } from '@branchline/domain/customer-fields.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { problem } from '@branchline/http/problem.js';
import type { CustomerValues } from '@branchline/replication/customer-input.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import { PERSON_KEY_BYTES, PersonCipher } from '@branchline/replication/person-cipher.js';
import { unwrapPersonKey, wrapPersonKey } from '@branchline/replication/person-wrap.js';
import type { Tx } from '../database/unit-of-work.js';
import { mergeEdits, type EditOfCustomer } from './merge-edits.js';
import { openCustomers } from './open-customers.js';

/** Head office is no box: what it writes at the same moment as a store yields to the store. */
const OFFICE_BOX = '00000000-0000-0000-0000-000000000000';

export type OfficeParts = {
  personsMaster: Buffer;
  nowMs: number;
  newId: NewId;
  randomBytes: (bytes: number) => Buffer;
};

export type OfficeEdit = { customer: string; op: EditOfCustomer['op']; values: CustomerValues; personId: string };

type Held = { state: CustomerState; isErased: boolean };

/**
 * A change that head office makes, with all of the customer before its eyes: it is over whatever stands, also over what
 * lost.
 * @returns the fields that changed @throws Problem `customer-erased`
 */
export async function editAtOffice(
  tx: Tx,
  { customer, op, values, personId }: OfficeEdit,
  parts: OfficeParts,
): Promise<string[]> {
  const [held] = await tx.query<Held>(HOLD, [customer]);
  if (held?.isErased) throw problem('customer-erased');
  const state = held?.state ?? NO_CUSTOMER;
  const said = sealedValues(await cipherOf(tx, customer, parts), values);
  const changes = changesOver(state, said);
  if (op === 'edit' && Object.keys(changes).length === 0) return [];
  await takeOfficeEdit(tx, { ...officeEdit(state, changes, parts), customer, op }, personId, parts);
  return Object.keys(changes);
}

export function sealedValues(cipher: PersonCipher, values: CustomerValues): CustomerValues {
  const sealed = Object.entries(values).map(([field, value]) => {
    return [field, typeof value === 'string' && isPersonal(field) ? cipher.seal(field, value) : value];
  });
  return Object.fromEntries(sealed) as CustomerValues;
}

/** What changes when these stand in place of all that is there. */
export function changesOver(state: CustomerState, sealed: CustomerValues): EditOfCustomer['changes'] {
  const changes: EditOfCustomer['changes'] = {};
  for (const [field, value] of Object.entries(sealed)) {
    if (value === undefined) continue;
    const over = seenOf(state, field);
    const stands = standing(state, field);
    if (over.length <= 1 && (stands?.value ?? null) === value && (stands !== null || value === null)) continue;
    changes[field] = { value, over };
  }
  return changes;
}

/** Of now, and later than all that stands. */
export function officeEdit(
  state: CustomerState,
  changes: EditOfCustomer['changes'],
  { newId, nowMs }: Pick<OfficeParts, 'newId' | 'nowMs'>,
): Pick<EditOfCustomer, 'id' | 'box' | 'hlc' | 'changes'> {
  return { id: newId(), box: OFFICE_BOX, hlc: nextHlc(latestHlc(state, OFFICE_BOX), nowMs), changes };
}

/** Also one in the name of a box, where somebody decided that it counts. Needs no key. */
export async function takeOfficeEdit(
  tx: Tx,
  edit: EditOfCustomer,
  personId: string,
  { nowMs, personsMaster }: Pick<OfficeParts, 'nowMs' | 'personsMaster'>,
): Promise<void> {
  const { id, customer, op, hlc, changes } = edit;
  const box = edit.box === OFFICE_BOX ? null : edit.box;
  const at = new Date(nowMs);
  await tx.execute(INSERT, [tx.tenantId, id, customer, op, hlc, JSON.stringify(changes), personId, at, box]);
  await mergeEdits(tx, [edit], nowMs, 'office');
  await openCustomers(tx, personsMaster, customer);
}

/** Of a person without a key one is made: whoever creates a person makes it. @throws Problem `customer-erased` */
export async function cipherOf(tx: Tx, person: string, parts: OfficeParts): Promise<PersonCipher> {
  const made = wrapPersonKey(person, parts.randomBytes(PERSON_KEY_BYTES), parts.personsMaster);
  await tx.execute(
    'INSERT INTO person_key (tenant_id, person, wrapped) SELECT $1, $2, $3 WHERE NOT EXISTS (SELECT FROM customer WHERE id = $2) ON CONFLICT DO NOTHING',
    [tx.tenantId, person, made],
  );
  const [row] = await tx.query<{ wrapped: Buffer | null }>('SELECT wrapped FROM person_key WHERE person = $1', [
    person,
  ]);
  if (row === undefined) throw problem('busy', 'the store that made this customer has not handed its key over yet');
  if (row.wrapped === null) throw problem('customer-erased');
  const key = unwrapPersonKey(person, row.wrapped, parts.personsMaster);
  if (key === null) throw new Error(`the key of person ${person} was not wrapped by this hub`);
  return new PersonCipher(person, key);
}

const HOLD = 'SELECT state, erased_at IS NOT NULL AS "isErased" FROM customer WHERE id = $1 FOR NO KEY UPDATE';

const INSERT = `
INSERT INTO customer_office_edit (tenant_id, id, customer_id, op, hlc, changes, person_id, at, box)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`;
