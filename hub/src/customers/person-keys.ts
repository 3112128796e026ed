import type { PersonKey } from '@branchline/replication/person-keys.js';
import { unwrapPersonKey } from '@branchline/replication/person-wrap.js';
import type { Tx } from '../database/unit-of-work.js';

/** `held`: of whom there is a key, theirs or not. */
export type WantedKeys = { keys: PersonKey[]; gone: string[]; erased: string[]; held: string[] };

type Wanted = { person: string; wrapped: Buffer | null; isErased: boolean; isKnown: boolean; isTheirs: boolean };

/** The keys of those persons whom the stores of a region know, and what became of the others. */
export async function findPersonKeys(
  tx: Tx,
  region: string,
  persons: readonly string[],
  personsMaster: Buffer,
): Promise<WantedKeys> {
  const rows = await tx.query<Wanted>(FIND, [persons, region]);
  const keys = rows.flatMap(({ person, wrapped, isTheirs }) => {
    if (wrapped === null || !isTheirs) return [];
    const key = unwrapPersonKey(person, wrapped, personsMaster);
    if (key === null) throw new Error(`the key of person ${person} was not wrapped by this hub`);
    return [{ person, key }];
  });
  const named = (which: (row: Wanted) => boolean): string[] => rows.filter(which).map(({ person }) => person);
  return {
    keys,
    gone: named(({ isErased, isKnown, isTheirs }) => isKnown && !isTheirs && !isErased),
    erased: named(({ isErased }) => isErased),
    held: named(({ wrapped }) => wrapped !== null),
  };
}

const FIND = `
SELECT sought.person, k.wrapped, k.erased_at IS NOT NULL AS "isErased", c.id IS NOT NULL AS "isKnown",
  coalesce(c.region = $2 AND c.deleted_at IS NULL, false) AS "isTheirs"
FROM unnest($1::uuid[]) AS sought (person)
LEFT JOIN person_key k ON k.person = sought.person
LEFT JOIN customer c ON c.id = sought.person
WHERE k.person IS NOT NULL OR c.id IS NOT NULL`;

/** Customers of a region in the order of their ids, a page of them. */
export async function customersOf(tx: Tx, region: string, after: string, limit: number): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    'SELECT id FROM customer WHERE region = $1 AND deleted_at IS NULL AND id > $2 ORDER BY id LIMIT $3',
    [region, after, limit],
  );
  return rows.map(({ id }) => id);
}
