import { isPersonal, lookUpKeys, type PersonalField } from '@branchline/domain/customer-fields.js';
import { NotOfThisKey, type PersonCipher } from '@branchline/replication/person-cipher.js';
import { SLICE_MS_MAX, SLICE_ROWS_MAX, SLICE_ROWS_MIN } from '../replicator/slice.js';
import type { ReadTx, Tx } from '../store/tx.js';
import type { BackgroundWrite, LocalWrite } from '../store/write-job.js';
import { customerRows, HUB_SOURCE, type CustomerRecord } from './customer-rows.js';
import { isErased, personCipher, personsWrappingKey } from './person-keys.js';

/** `take`: by which the hub's decision came; 0: an own edit. */
type Sealed = { customer: string; source: string; take: number };
export type OpenedUpTo = Sealed;
export const FROM_THE_FIRST: OpenedUpTo = { customer: '', source: '', take: 0 };

const OWN_EDIT = 0;

/** In the order of the key: what lacks a person's key, or is not seen yet, is passed over, and found by the next pass. */
const NEXT = `
  SELECT customer, source, take FROM customer_sealed WHERE (customer, source, take) > (?, ?, ?)
  ORDER BY customer, source, take LIMIT ${SLICE_ROWS_MAX}`;

/** One pass over all that came sealed. What cannot be opened stays. */
export const openCustomers: BackgroundWrite<null, OpenedUpTo> = {
  name: 'open-customers',
  slice(tx, _input, upTo, { box, stopwatch }) {
    const wrappingKey = personsWrappingKey(box);
    const startMs = stopwatch();
    const rows = tx.all<Sealed>(NEXT, upTo.customer, upTo.source, upTo.take);
    let done = 0;
    for (const row of rows) {
      if (done >= SLICE_ROWS_MIN && stopwatch() - startMs >= SLICE_MS_MAX) break;
      openOne(tx, row, personCipher(tx, row.customer, wrappingKey));
      done += 1;
    }
    const more = done < rows.length || rows.length === SLICE_ROWS_MAX;
    return { state: rows[done - 1] ?? upTo, more };
  },
};

/** Own edits behind row `no` that are pending and not open: written before a crash, fetched from the hub, or by a rebuild. */
export const findSealedEdits: BackgroundWrite<null, { no: number }> = {
  name: 'find-sealed-edits',
  slice(tx, _input, { no: from }, { stopwatch }) {
    const startMs = stopwatch();
    const rows = tx.all<{ no: number; id: string; customer: string }>(
      `SELECT no, id, customer FROM customer_edit WHERE no > ? ORDER BY no LIMIT ${SLICE_ROWS_MAX}`,
      from,
    );
    let done = 0;
    for (const { id, customer } of rows) {
      if (done >= SLICE_ROWS_MIN && stopwatch() - startMs >= SLICE_MS_MAX) break;
      if (isToOpen(tx, id, customer)) {
        tx.run(
          'INSERT OR IGNORE INTO customer_sealed (customer, source, take) VALUES (?, ?, ?)',
          customer,
          id,
          OWN_EDIT,
        );
      }
      done += 1;
    }
    const more = done < rows.length || rows.length === SLICE_ROWS_MAX;
    return { state: { no: rows[done - 1]?.no ?? from }, more };
  },
};

function isToOpen(tx: ReadTx, id: string, customer: string): boolean {
  if (tx.get('SELECT 1 FROM customer_open WHERE customer = ? AND source = ?', customer, id) !== undefined) return false;
  if (isErased(tx, customer)) return false;
  return customerRows(tx, customer)?.pending.some((edit) => edit.id === id) ?? false;
}

/** All that can be opened of one customer: a till has just written it. */
export const openCustomer: LocalWrite<{ customer: string }, void> = {
  name: 'open-customer',
  run(tx, { customer }, { box }) {
    const cipher = personCipher(tx, customer, personsWrappingKey(box));
    for (const { id } of customerRows(tx, customer)?.pending ?? []) {
      if (isToOpen(tx, id, customer)) openOne(tx, { customer, source: id, take: OWN_EDIT }, cipher);
    }
  },
};

function openOne(tx: Tx, sealed: Sealed, cipher: PersonCipher | null): void {
  const { customer, source, take } = sealed;
  if (cipher === null) return;
  const fields = source === HUB_SOURCE ? fieldsOfHub(tx, customer, take, cipher) : fieldsOfEdit(tx, source);
  if (fields === null) return;
  const values: Partial<Record<PersonalField, string | null>> = {};
  for (const [field, stands] of Object.entries(fields)) {
    if (isPersonal(field)) values[field] = openedOrNull(cipher, field, stands?.value ?? null);
  }
  const { nameKey, emailKey, phoneKey } = lookUpKeys(values);
  tx.run(STORE, customer, source, JSON.stringify(values), nameKey, emailKey, phoneKey);
  tx.run('DELETE FROM customer_sealed WHERE customer = ? AND source = ? AND take = ?', customer, source, take);
  if (source === HUB_SOURCE) dropJudged(tx, customer);
}

const STORE = `
  INSERT INTO customer_open (customer, source, body, name_key, email_key, phone_key) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (customer, source) DO UPDATE SET body = excluded.body, name_key = excluded.name_key,
    email_key = excluded.email_key, phone_key = excluded.phone_key`;

type Fields = Record<string, { value: string | null } | undefined>;

/**
 * @returns null as long as the taking is not seen: what is seen instead may be another's; and where head office decided for
 *   another key than is here: that one is asked for, as any that has not come
 */
function fieldsOfHub(tx: ReadTx, customer: string, take: number, cipher: PersonCipher): Fields | null {
  const row = tx.get<{ body: string }>('SELECT body FROM customer WHERE id = ? AND take = ?', customer, take);
  if (row === undefined) return null;
  const { fields, keyHash } = JSON.parse(row.body) as CustomerRecord;
  return keyHash === undefined || keyHash === cipher.keyHash() ? (fields as Fields) : null;
}

function fieldsOfEdit(tx: ReadTx, id: string): Fields | null {
  const row = tx.get<{ changes: string }>('SELECT changes FROM customer_edit WHERE id = ?', id);
  return row === undefined ? null : (JSON.parse(row.changes) as Fields);
}

/** Own edits that the hub has decided on are no longer shown beside what it decided. */
function dropJudged(tx: Tx, customer: string): void {
  // Of most customers none: 100,000 of them come to a new box.
  const opened = tx.all<{ source: string }>(
    'SELECT source FROM customer_open WHERE customer = ? AND source > ?',
    customer,
    HUB_SOURCE,
  );
  if (opened.length === 0) return;
  const pending = new Set(customerRows(tx, customer)?.pending.map(({ id }) => id));
  for (const { source } of opened) {
    if (pending.has(source)) continue;
    tx.run('DELETE FROM customer_open WHERE customer = ? AND source = ?', customer, source);
    tx.run('DELETE FROM customer_sealed WHERE customer = ? AND source = ?', customer, source);
  }
}

/** What was sealed with some other key is nobody's to read; the customer's other fields are. */
function openedOrNull(cipher: PersonCipher, field: string, sealed: string | null): string | null {
  if (sealed === null) return null;
  try {
    return cipher.open(field, sealed);
  } catch (error) {
    if (error instanceof NotOfThisKey) return null;
    throw error;
  }
}
