import { standing, type CustomerState } from '@branchline/domain/customer.js';
import type { FeedBody } from '@branchline/replication/feed.js';
import { contractOfRecord } from '@branchline/replication/contracts.js';
import type { Tx } from '../database/unit-of-work.js';
import { FEED_TOPIC } from '../feed/publish.js';
import { regionScope, TENANT_SCOPE } from '../feed/scopes.js';

/** `region`: whose stores were told of the customer last; null: none is. */
export type CustomerBefore = { id: string; region: string | null };

type Record = { scope: string; kind: 'customer' | 'erasure'; key: string; deleted: boolean; body: object };

/** The stores of the region that a customer is in have its record; those of the one that it left are told that it is gone. */
export async function publishCustomers(
  tx: Tx,
  customers: readonly { before: CustomerBefore; state: CustomerState; region: string | null }[],
): Promise<void> {
  const keyHashes = await toldHashes(
    tx,
    customers.map(({ before }) => before.id),
  );
  const records = customers.flatMap(({ before, state, region }): Record[] => {
    const told = state.deleted === null ? region : null;
    const left = before.region !== null && before.region !== told ? [tombstone(before.id, before.region)] : [];
    if (told === null) return left;
    const keyHash = keyHashes.get(before.id);
    const body = { ...customerBody(before.id, state), ...(keyHash === undefined ? {} : { keyHash }) };
    return [...left, { scope: regionScope(told), kind: 'customer', key: before.id, deleted: false, body }];
  });
  await leave(tx, records);
}

/** Of those about whose key somebody had to decide; of nearly all there is none. */
async function toldHashes(tx: Tx, persons: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const rows = await tx.query<{ person: string; hash: string }>(
    'SELECT person, told_hash AS hash FROM person_key WHERE person = ANY ($1::uuid[]) AND told_hash IS NOT NULL',
    [persons],
  );
  return new Map(rows.map(({ person, hash }) => [person, hash]));
}

/** To every edge of the chain, whatever its region is or was: the key of this person is to be destroyed. */
export async function publishErasure(tx: Tx, { id, region }: CustomerBefore): Promise<void> {
  const gone = region === null ? [] : [tombstone(id, region)];
  await leave(tx, [...gone, { scope: TENANT_SCOPE, kind: 'erasure', key: id, deleted: false, body: { person: id } }]);
}

export function customerBody(id: string, state: CustomerState): FeedBody<'customer'> {
  const fields: FeedBody<'customer'>['fields'] = {};
  for (const [field, { live }] of Object.entries(state.fields)) {
    const stands = standing(state, field);
    if (stands === null) continue;
    const { value, hlc } = stands;
    fields[field] = { value, edits: live.map(({ edit }) => edit).sort(), hlc };
  }
  return { id, fields, judged: state.judged };
}

function tombstone(id: string, region: string): Record {
  return { scope: regionScope(region), kind: 'customer', key: id, deleted: true, body: {} };
}

async function leave(tx: Tx, records: readonly Record[]): Promise<void> {
  if (records.length === 0) return;
  await tx.execute(LEAVE, [
    tx.tenantId,
    JSON.stringify(records.map((record) => ({ ...record, contract: contractOfRecord(record.kind) }))),
  ]);
  tx.announced.add(FEED_TOPIC);
}

const LEAVE = `
INSERT INTO outbox (tenant_id, scope, kind, key, contract, deleted, body)
SELECT $1, scope, kind, key, contract, deleted, body
FROM ROWS FROM (jsonb_to_recordset($2::jsonb) AS (scope text, kind text, key text, contract int, deleted boolean, body jsonb))
  WITH ORDINALITY AS r (scope, kind, key, contract, deleted, body, at) ORDER BY at`;
