import { problem } from '@branchline/http/problem.js';
import type { PersonKey } from '@branchline/replication/person-keys.js';
import { unwrapPersonKey, wrapPersonKey } from '@branchline/replication/person-wrap.js';
import type { Tx } from '../database/unit-of-work.js';
import { CUSTOMERS_TOPIC } from './merge-edits.js';

/**
 * Of one box, that wait for its branch to tell of their persons. A store without a line for months makes fewer, and its
 * lines go right after its keys: then these are taken, and there is room for more.
 */
export const OFFERS_HELD_MAX = 20_000;
const RETRY_AFTER_S = 30;

type Offerer = { boxId: string; branchId: string };

/**
 * Takes keys that a box made. One that is here already stands: of a person there is one key, that of the branch which was the
 * first to tell that it made the person. Until that branch has told, in its own journal, the offer is held; another than the
 * one that stands is held until people have decided (`key-disputes.ts`). Nothing that was offered is thrown away.
 * @returns the persons among them whose key was destroyed @throws Problem `person-keys-held`
 */
export async function takePersonKeys(
  tx: Tx,
  { boxId, branchId }: Offerer,
  keys: readonly PersonKey[],
  personsMaster: Buffer,
  { nowMs }: { nowMs: number },
): Promise<string[]> {
  const persons = keys.map(({ person }) => person);
  const unknown = await notHere(tx, keys, personsMaster);
  const wrapped = unknown.map(({ person, key }) => wrapPersonKey(person, key, personsMaster).toString('hex'));
  await tx.execute(HOLD, [tx.tenantId, branchId, boxId, unknown.map(({ person }) => person), wrapped, nowMs]);
  await adoptOffers(tx, persons);
  await refuseTooMany(tx, boxId);
  tx.announced.add(CUSTOMERS_TOPIC);
  const erased = await tx.query<{ person: string }>(
    'SELECT person FROM person_key WHERE person = ANY ($1::uuid[]) AND erased_at IS NOT NULL ORDER BY person',
    [persons],
  );
  return erased.map(({ person }) => person);
}

/** Those of which the hub has not the very same already, in use or out of it. What lies here is wrapped, each time otherwise. */
async function notHere(tx: Tx, keys: readonly PersonKey[], personsMaster: Buffer): Promise<PersonKey[]> {
  const persons = keys.map(({ person }) => person);
  const here = await tx.query<{ person: string; wrapped: Buffer }>(HERE, [persons]);
  if (here.length === 0) return [...keys];
  const known = new Set(
    here.map(({ person, wrapped }) => `${person} ${unwrapPersonKey(person, wrapped, personsMaster)?.toString('hex')}`),
  );
  return keys.filter(({ person, key }) => !known.has(`${person} ${key.toString('hex')}`));
}

/** Of these persons, those whose branch has told of them by now; null: of all. */
export async function adoptOffers(tx: Tx, persons: readonly string[] | null): Promise<void> {
  await tx.execute(ADOPT, [persons]);
  await tx.execute(DROP_SETTLED, [persons]);
}

/** Edits by which a branch says that it made these persons: the first to say so is believed. The caller holds the rows. */
export async function noteMaker(tx: Tx, branchId: string, persons: readonly string[]): Promise<void> {
  if (persons.length === 0) return;
  await tx.execute('UPDATE customer SET made_by = $1 WHERE id = ANY ($2::uuid[]) AND made_by IS NULL', [
    branchId,
    persons,
  ]);
  await adoptOffers(tx, persons);
}

async function refuseTooMany(tx: Tx, boxId: string): Promise<void> {
  const { held } = await tx.one<{ held: number }>('SELECT count(*) AS held FROM person_key_offer WHERE box_id = $1', [
    boxId,
  ]);
  if (held > OFFERS_HELD_MAX)
    throw problem('person-keys-held', 'Lines that tell of these persons have to come first.', {
      headers: { 'retry-after': `${RETRY_AFTER_S}` },
    });
}

const HERE = `
SELECT person, wrapped FROM person_key WHERE person = ANY ($1::uuid[]) AND wrapped IS NOT NULL
UNION ALL SELECT person, wrapped FROM person_key_retired WHERE person = ANY ($1::uuid[])`;

const HOLD = `
INSERT INTO person_key_offer (tenant_id, branch_id, box_id, person, wrapped, offered_at)
SELECT $1, $2, $3, person, decode(wrapped, 'hex'), to_timestamp($6::bigint / 1000.0)
FROM unnest($4::uuid[], $5::text[]) AS offered (person, wrapped)
WHERE NOT EXISTS (SELECT FROM person_key k WHERE k.person = offered.person AND k.wrapped IS NULL)
ORDER BY person ON CONFLICT DO NOTHING`;

const ADOPT = `
INSERT INTO person_key (tenant_id, person, wrapped)
SELECT o.tenant_id, o.person, o.wrapped FROM person_key_offer o
JOIN customer c ON c.tenant_id = o.tenant_id AND c.id = o.person AND c.made_by = o.branch_id
WHERE $1::uuid[] IS NULL OR o.person = ANY ($1) ORDER BY o.person
ON CONFLICT DO NOTHING`;

/** What was adopted, and what was destroyed meanwhile: a key lies here once. */
const DROP_SETTLED = `
DELETE FROM person_key_offer o USING person_key k
WHERE k.tenant_id = o.tenant_id AND k.person = o.person AND ($1::uuid[] IS NULL OR o.person = ANY ($1))
  AND (k.wrapped IS NULL OR k.wrapped = o.wrapped)`;
