import { isPersonal } from '@branchline/domain/customer-fields.js';
import { PersonCipher } from '@branchline/replication/person-cipher.js';
import { unwrapPersonKey } from '@branchline/replication/person-wrap.js';
import type { Tx } from '../database/unit-of-work.js';
import { readConflict, type Conflict } from '../worklists/conflict.js';
import { disputedFields } from '../worklists/customer-effects.js';
import { secondEdit } from '../worklists/customer-edit-effect.js';
import type { EditOfCustomer } from './merge-edits.js';
import { openedValue } from './open-customers.js';

type Values = Record<string, string | null>;

/** What a conflict about a customer is about, in clear: what each side wrote. Null in a field: nothing, or no key opens it. */
export type DisputedValues = { customer: string; hub: Values; branch: Values };

/** @returns null for what is no conflict about a customer of these regions, and for one who is no more */
export async function disputedValues(
  tx: Tx,
  conflictId: string,
  regions: readonly string[],
  personsMaster: Buffer,
): Promise<DisputedValues | null> {
  if (regions.length === 0) return null;
  const conflict = await readConflict(tx, conflictId);
  const told = await toldOf(tx, conflict);
  if (told === null) return null;
  const [person] = await tx.query<{ wrapped: Buffer | null }>(FIND, [told.customer, regions]);
  if (person === undefined) return null;
  const key = person.wrapped && unwrapPersonKey(told.customer, person.wrapped, personsMaster);
  const cipher = key && new PersonCipher(told.customer, key);
  const opened = (sealed: Values): Values =>
    Object.fromEntries(
      Object.entries(sealed).map(([field, value]) => {
        return [field, isPersonal(field) ? cipher && openedValue(cipher, field, value) : value];
      }),
    );
  return { customer: told.customer, hub: opened(told.hub), branch: opened(told.branch) };
}

const FIND = `
SELECT k.wrapped FROM customer c LEFT JOIN person_key k ON k.tenant_id = c.tenant_id AND k.person = c.id
WHERE c.id = $1 AND c.erased_at IS NULL AND (c.region IS NULL OR c.region = ANY ($2))`;

type Told = { customer: string; hub: Values; branch: Values };

async function toldOf(tx: Tx, conflict: Conflict): Promise<Told | null> {
  const { kind, key } = conflict;
  if (kind === 'customer') {
    const [hub, branch] = [disputedFields(conflict.hub), disputedFields(conflict.branch)];
    const changes = await changesOf(tx, key, [...Object.values(hub), ...Object.values(branch)]);
    const said = (side: Readonly<Record<string, string>>): Values =>
      Object.fromEntries(
        Object.entries(side).map(([field, edit]) => [field, changes.get(edit)?.[field]?.value ?? null]),
      );
    return { customer: key, hub: said(hub), branch: said(branch) };
  }
  if (kind !== 'customer-edit') return null;
  const second = await secondEdit(tx, conflict);
  if (second === null) return null;
  const [first] = await tx.query<{ changes: Changes }>(
    'SELECT changes FROM customer_edit WHERE branch_id = $1 AND id = $2',
    [conflict.branchId, key],
  );
  return { customer: second.customer, hub: valuesOf(first?.changes), branch: valuesOf(second.changes) };
}

type Changes = EditOfCustomer['changes'];

async function changesOf(tx: Tx, customer: string, edits: readonly string[]): Promise<ReadonlyMap<string, Changes>> {
  const rows = await tx.query<{ id: string; changes: Changes }>(
    `SELECT id, changes FROM customer_edit WHERE customer_id = $1 AND id = ANY ($2::uuid[])
     UNION ALL SELECT id, changes FROM customer_office_edit WHERE customer_id = $1 AND id = ANY ($2::uuid[])`,
    [customer, [...new Set(edits)]],
  );
  return new Map(rows.map(({ id, changes }) => [id, changes]));
}

function valuesOf(changes: Changes = {}): Values {
  return Object.fromEntries(Object.entries(changes).map(([field, change]) => [field, change?.value ?? null]));
}
