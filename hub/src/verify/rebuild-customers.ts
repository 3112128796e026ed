import { NO_CUSTOMER, standing } from '@branchline/domain/customer.js';
import type { BranchRow } from '../branches/branch.row.js';
import { CUSTOMERS_TOPIC } from '../customers/merge-edits.js';
import { openCustomers } from '../customers/open-customers.js';
import { publishCustomers } from '../customers/publish-customers.js';
import { editsAsTheyCame, type CameEdit } from '../customers/replay-edits.js';
import type { Tx } from '../database/unit-of-work.js';
import { holdBranch } from '../sync/streams.js';
import type { Corrections } from './corrections.js';
import { expectedState, faultsOfCustomer, isErased, isState, type CustomerFault } from './customer-faults.js';
import {
  customerRows,
  customersOfBranch,
  lostWithheld,
  type CustomerRows,
  type CustomersPlace,
} from './customer-rows.js';

type Parts = { personsMaster: Buffer; nowMs: number };

/**
 * The next customers of a branch, made anew as far as they are not what their edits come to, and told to the stores again.
 * @returns where it goes on; null: these were the last
 */
export async function rebuildCustomers(
  tx: Tx,
  branch: BranchRow,
  place: CustomersPlace,
  parts: Parts,
  corrections: Corrections,
): Promise<CustomersPlace | null> {
  await holdBranch(tx, branch.id);
  const { ids, next } = await customersOfBranch(tx, branch, place);
  await tx.query('SELECT FROM customer WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE', [ids]);
  const edits = await editsAsTheyCame(tx, ids);
  for (const rows of await customerRows(tx, ids)) {
    const ofCustomer = edits.get(rows.id) ?? [];
    // Of a person who has a key head office's own words were lost: they are in no archive, and no ground to throw more away.
    if (ofCustomer.length === 0 && (rows.wrapped !== null || rows.keyErasedAtMs !== null)) continue;
    const faults = faultsOfCustomer(rows, ofCustomer, parts.personsMaster);
    for (const { what, detail } of faults) corrections.add(what, detail);
    if (faults.length > 0) await mend(tx, rows, ofCustomer, faults, parts);
  }
  if (next === null) {
    await withholdAgain(tx, branch.id, corrections);
    await removeOpen(tx, corrections);
  }
  return next;
}

async function mend(
  tx: Tx,
  rows: CustomerRows,
  edits: readonly CameEdit[],
  faults: readonly CustomerFault[],
  parts: Parts,
): Promise<void> {
  const { id } = rows;
  if (edits.length === 0) return removeCustomer(tx, rows);
  if (isErased(rows)) return mendErased(tx, rows, edits, parts);
  const { state } = expectedState(rows.state !== null && isState(rows.state) ? rows.state : null, edits);
  const region = standing(state, 'region')?.value ?? null;
  const makers = edits.filter(({ op, from }) => op === 'create' && from === 'branch').map(({ branch }) => branch);
  const madeBy = makers.includes(rows.madeBy) ? rows.madeBy : (makers[0] ?? null);
  const values = [tx.tenantId, id, JSON.stringify(state), region, state.deleted !== null, madeBy, parts.nowMs];
  await tx.execute(MEND, values);
  if (rows.wrapped === null) await tx.execute('DELETE FROM customer_open WHERE id = $1', [id]);
  else await openCustomers(tx, parts.personsMaster, id);
  // What is in clear is nobody's but ours.
  if (faults.every(({ isOf }) => isOf === 'open')) return;
  const before = { id, region: rows.isDeleted ? null : rows.region };
  await publishCustomers(tx, [{ before, state, region }]);
  tx.announced.add(CUSTOMERS_TOPIC);
}

/** Nothing of them comes back: what is opened goes, and so does a key that lies here again. */
async function mendErased(tx: Tx, rows: CustomerRows, edits: readonly CameEdit[], { nowMs }: Parts): Promise<void> {
  const erasedAtMs = rows.erasedAtMs ?? rows.keyErasedAtMs ?? nowMs;
  const later = edits.filter(({ cameAtMs }) => cameAtMs > erasedAtMs);
  const { state } = later.length === 0 ? { state: NO_CUSTOMER } : expectedState(null, later);
  await tx.execute('DELETE FROM customer_open WHERE id = $1', [rows.id]);
  for (const keys of ['person_key_offer', 'person_key_retired'])
    await tx.execute(`DELETE FROM ${keys} WHERE person = $1`, [rows.id]);
  await tx.execute(ERASE, [tx.tenantId, rows.id, JSON.stringify(state), erasedAtMs]);
  await tx.execute(DESTROY_KEY, [tx.tenantId, rows.id, erasedAtMs]);
}

/** Stores may have been told of it. */
async function removeCustomer(tx: Tx, { id, region }: CustomerRows): Promise<void> {
  await tx.execute('DELETE FROM customer_open WHERE id = $1', [id]);
  await tx.executeAsOwner('DELETE FROM customer WHERE id = $1', [id]);
  await publishCustomers(tx, [{ before: { id, region }, state: NO_CUSTOMER, region: null }]);
}

async function withholdAgain(tx: Tx, branchId: string, corrections: Corrections): Promise<void> {
  const lost = await lostWithheld(tx, branchId);
  for (const id of lost)
    corrections.add('missing-row', `customer_edit_withheld did not say that the delete ${id} is withheld`);
  const sql = 'INSERT INTO customer_edit_withheld (tenant_id, branch_id, id) SELECT $1, $2, unnest($3::uuid[])';
  if (lost.length > 0) await tx.execute(sql, [tx.tenantId, branchId, lost]);
}

async function removeOpen(tx: Tx, corrections: Corrections): Promise<void> {
  const removed = await tx.execute(
    'DELETE FROM customer_open o WHERE NOT EXISTS (SELECT FROM customer c WHERE c.tenant_id = o.tenant_id AND c.id = o.id)',
  );
  if (removed > 0) corrections.add('extra-row', `${removed} rows of customer_open were of no customer`, removed);
}

const MEND = `
INSERT INTO customer AS c (tenant_id, id, state, region, deleted_at, made_by, changed_at)
VALUES ($1, $2, $3, $4, CASE WHEN $5 THEN to_timestamp($7::bigint / 1000.0) END, $6, to_timestamp($7::bigint / 1000.0))
ON CONFLICT (tenant_id, id) DO UPDATE SET state = excluded.state, region = excluded.region, made_by = excluded.made_by,
  deleted_at = CASE WHEN $5 THEN coalesce(c.deleted_at, excluded.deleted_at) END, erased_at = NULL, opened = false,
  changed_at = excluded.changed_at`;

const ERASE = `
INSERT INTO customer AS c (tenant_id, id, state, erased_at, opened, changed_at)
VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000.0), true, to_timestamp($4::bigint / 1000.0))
ON CONFLICT (tenant_id, id) DO UPDATE SET state = excluded.state, erased_at = excluded.erased_at`;

/** The pages on which it lay are to be written anew again. */
const DESTROY_KEY = `
INSERT INTO person_key (tenant_id, person, wrapped, erased_at) VALUES ($1, $2, NULL, to_timestamp($3::bigint / 1000.0))
ON CONFLICT (tenant_id, person) DO UPDATE SET wrapped = NULL, erased_at = coalesce(person_key.erased_at, excluded.erased_at), scrubbed_at = NULL`;
