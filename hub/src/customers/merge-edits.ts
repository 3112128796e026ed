import {
  bounded,
  join,
  NO_CUSTOMER,
  standing,
  stateOfEdit,
  withoutPast,
  type CustomerEdit,
  type CustomerState,
} from '@branchline/domain/customer.js';
import { WRITERS_MAX } from '@branchline/replication/customer-record.js';
import { lastHlcOf } from '@branchline/replication/hlc.js';
import type { Tx } from '../database/unit-of-work.js';
import { disputesOf, type Dispute } from './disputed-writes.js';
import { publishCustomers, type CustomerBefore } from './publish-customers.js';

/** Announced where a state may say more than `customer_open` does. */
export const CUSTOMERS_TOPIC = 'customers';

/** How far a box's clock may be ahead of the hub's and still count as it is. */
const AHEAD_MS_MAX = 5 * 60_000;

export type EditOfCustomer = CustomerEdit & { customer: string };
export type EditFrom = 'office' | 'branch';

type Row = { id: string; state: CustomerState; region: string | null; isDeleted: boolean; isErased: boolean };

/**
 * Joins edits that have just been stored, each for the first time, into what stands, and tells the stores. Needs no key.
 * Locks customers in the order of their ids; the caller holds the branch, or nothing.
 * @returns what a branch wrote beside what it had not seen
 */
export async function mergeEdits(
  tx: Tx,
  edits: readonly EditOfCustomer[],
  nowMs: number,
  from: EditFrom,
): Promise<Dispute[]> {
  if (edits.length === 0) return [];
  const ids = [...new Set(edits.map(({ customer }) => customer))].sort();
  // A row to lock, also where two branches tell of a customer that nobody has told of before.
  await tx.execute(PLANT, [tx.tenantId, ids, JSON.stringify(NO_CUSTOMER), nowMs]);
  const rows = await tx.query<Row>(LOCK, [ids]);
  const disputes: Dispute[] = [];
  const merged = rows.map((before) => {
    let { state } = before;
    for (const edit of edits.filter(({ customer }) => customer === before.id)) {
      const next = takeEdit(state, edit, nowMs, from);
      if (from === 'branch' && !before.isErased) disputes.push(...disputesOf(state, edit, next));
      state = next;
    }
    return { before, state };
  });
  const come = await haveCome(tx, ids, edits, merged);
  const after = merged.map(({ before, state }) => {
    const kept = bounded(
      withoutPast(state, (edit) => come.has(edit)),
      WRITERS_MAX,
    );
    return { before, state: kept, region: standing(kept, 'region')?.value ?? null };
  });
  await store(tx, after, nowMs);
  await publishCustomers(tx, after.filter(({ before }) => !before.isErased).map(publicationOf));
  tx.announced.add(CUSTOMERS_TOPIC);
  return disputes;
}

/** What stands, with one edit more, which comes at `nowMs`. */
export function takeEdit(state: CustomerState, edit: CustomerEdit, nowMs: number, from: EditFrom): CustomerState {
  const hlcMax = lastHlcOf(nowMs + AHEAD_MS_MAX);
  const own = from === 'branch' ? whereItIs(edit, state) : edit;
  return join(state, stateOfEdit(own, hlcMax));
}

/**
 * Which region a person is in decides who may read of them: a store says it once, of a person whom it makes, and only head
 * office moves one. Otherwise any store that had an id could call the person into its own region, key and all.
 */
function whereItIs(edit: CustomerEdit, state: CustomerState): CustomerEdit {
  const region = standing(state, 'region')?.value ?? null;
  if (region === null || edit.changes['region'] === undefined || edit.changes['region'].value === region) return edit;
  const { region: _theirs, ...changes } = edit.changes;
  return { ...edit, changes };
}

function publicationOf({ before, state, region }: { before: Row; state: CustomerState; region: string | null }) {
  const told: CustomerBefore = { id: before.id, region: before.isDeleted ? null : before.region };
  return { before: told, state, region };
}

/** Of the edits that were written over those that are here: they cannot come again. */
async function haveCome(
  tx: Tx,
  ids: readonly string[],
  edits: readonly EditOfCustomer[],
  merged: readonly { before: Row; state: CustomerState }[],
): Promise<Set<string>> {
  const come = new Set(edits.map(({ id }) => id));
  for (const { before } of merged)
    for (const { live } of Object.values(before.state.fields)) for (const { edit } of live) come.add(edit);
  const waited = merged.flatMap(({ state }) => Object.values(state.fields).flatMap(({ past }) => past));
  const unknown = [...new Set(waited)].filter((edit) => !come.has(edit));
  if (unknown.length === 0) return come;
  for (const { id } of await tx.query<{ id: string }>(FIND_EDITS, [ids, unknown])) come.add(id);
  return come;
}

async function store(
  tx: Tx,
  customers: readonly { before: Row; state: CustomerState; region: string | null }[],
  nowMs: number,
): Promise<void> {
  const rows = customers.map(({ before: { id }, state, region }) => {
    return { id, state, region, deleted: state.deleted !== null };
  });
  await tx.execute(STORE, [tx.tenantId, JSON.stringify(rows), nowMs]);
}

const PLANT = `
INSERT INTO customer (tenant_id, id, state, changed_at)
SELECT $1, sought.id, $3::jsonb, to_timestamp($4::bigint / 1000.0) FROM unnest($2::uuid[]) AS sought (id) ORDER BY sought.id
ON CONFLICT DO NOTHING`;

const LOCK = `
SELECT id, state, region, deleted_at IS NOT NULL AS "isDeleted", erased_at IS NOT NULL AS "isErased"
FROM customer WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE`;

const FIND_EDITS = `
SELECT id FROM customer_edit WHERE customer_id = ANY ($1::uuid[]) AND id = ANY ($2::uuid[])
UNION ALL SELECT id FROM customer_office_edit WHERE customer_id = ANY ($1::uuid[]) AND id = ANY ($2::uuid[])`;

const STORE = `
UPDATE customer c SET state = r.state, region = r.region, opened = false, changed_at = to_timestamp($3::bigint / 1000.0),
  deleted_at = CASE WHEN r.deleted THEN coalesce(c.deleted_at, to_timestamp($3::bigint / 1000.0)) END
FROM jsonb_to_recordset($2::jsonb) AS r (id uuid, state jsonb, region text, deleted boolean)
WHERE c.tenant_id = $1 AND c.id = r.id`;
