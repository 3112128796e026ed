import { CONSENT_FIELDS, isPersonal, PERSONAL_FIELDS, type CustomerField } from '@branchline/domain/customer-fields.js';
import { problem } from '@branchline/http/problem.js';
import type { ReadTx } from '../store/tx.js';
import { customerRows, HUB_SOURCE, sealedValues, stateSeen, type CustomerRows } from './customer-rows.js';
import { isErased } from './person-keys.js';

export type CustomerFields = Record<CustomerField, string | null>;

export type CustomerAnswer = CustomerFields & {
  id: string;
  /** `pending`: something of it the hub has not decided on. */
  state: 'known' | 'pending' | 'deleting';
  /** Whether the person's key is here: until it has come what it opens is null. */
  isOpen: boolean;
  /** What the hub has decided; null: it has not heard of the customer, or has not answered. */
  hub: CustomerFields | null;
  /** What was changed here since, oldest first. */
  pending: { edit: string; op: string; at: string; changes: Partial<CustomerFields> }[];
};

const PLAIN = [...CONSENT_FIELDS, 'language', 'region'] as const;

/** `GET /v1/customers/:id` @throws Problem not-found, customer-erased */
export function getCustomer(tx: ReadTx, id: string): CustomerAnswer {
  if (isErased(tx, id)) throw problem('customer-erased');
  const answer = customerAnswer(tx, id);
  if (answer === null) throw problem('not-found');
  return answer;
}

/** @returns null for one that is not to be shown */
export function customerAnswer(tx: ReadTx, id: string): CustomerAnswer | null {
  const rows = customerRows(tx, id);
  if (rows === null) return null;
  const opened = openedOf(tx, id);
  const { deleted } = stateSeen(rows);
  return {
    id,
    ...shownOf(rows, opened),
    state: deleted !== null ? 'deleting' : rows.pending.length > 0 ? 'pending' : 'known',
    isOpen: isOpen(rows, opened),
    hub: rows.hub && shownOf({ hub: rows.hub, pending: [] }, opened),
    pending: rows.pending.map(({ id: edit, op, at, changes }) => ({
      edit,
      op,
      at: new Date(at).toISOString(),
      changes: Object.fromEntries(
        Object.entries(changes).map(([field, change]) => [
          field,
          isPersonal(field) ? (opened.get(edit)?.[field] ?? null) : (change?.value ?? null),
        ]),
      ),
    })),
  };
}

/** In clear, by source: the hub's, and of each pending edit. */
type Opened = ReadonlyMap<string, Partial<CustomerFields>>;

function openedOf(tx: ReadTx, id: string): Opened {
  const rows = tx.all<{ source: string; body: string }>(
    'SELECT source, body FROM customer_open WHERE customer = ?',
    id,
  );
  return new Map(rows.map(({ source, body }) => [source, JSON.parse(body) as Partial<CustomerFields>]));
}

/** Of each field the text of whoever's sealed value stands: one text has one ciphertext. */
function shownOf(rows: CustomerRows, opened: Opened): CustomerFields {
  const sealed = sealedValues(rows);
  const personal = PERSONAL_FIELDS.map((field) => [field, textOf(rows, opened, field, sealed[field] ?? null)]);
  const plain = PLAIN.map((field) => [field, sealed[field] ?? null]);
  return Object.fromEntries([...personal, ...plain]) as CustomerFields;
}

function textOf({ hub, pending }: CustomerRows, opened: Opened, field: CustomerField, sealed: string | null) {
  if (sealed === null) return null;
  if (hub?.fields[field]?.value === sealed) return opened.get(HUB_SOURCE)?.[field] ?? null;
  const edit = pending.find(({ changes }) => changes[field]?.value === sealed);
  return (edit && opened.get(edit.id)?.[field]) ?? null;
}

function isOpen({ hub, pending }: CustomerRows, opened: Opened): boolean {
  return (hub === null || opened.has(HUB_SOURCE)) && pending.every(({ id }) => opened.has(id));
}
