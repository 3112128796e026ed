import type { BundleRecord } from '@branchline/replication/bundle-records.js';
import type { PersonKeysCarried } from '@branchline/replication/bundle-wants.js';
import { PERSON_KEYS_MAX, sealPersonKeys } from '@branchline/replication/person-keys.js';
import { brotliJson } from '@branchline/replication/write-bundle.js';
import { customersOf, findPersonKeys } from '../customers/person-keys.js';
import type { BundleBox } from './bundle-box.js';
import type { OutParts } from './bundle-parts.js';

type Parts = Pick<OutParts, 'database' | 'secrets'>;

/** Of those persons the keys that this box may have: what names them comes with them, and the box had no chance to ask. */
export async function* keysOf(parts: Parts, box: BundleBox, persons: readonly string[]): AsyncGenerator<BundleRecord> {
  if (persons.length === 0) return;
  const { sealed } = await carried(parts, box, persons);
  if (sealed !== null) yield await recordOf({ sealed, gone: [], erased: [], held: [] });
}

/** Of all customers of the box's region. */
export async function* keysOfRegion(parts: Parts, box: BundleBox): AsyncGenerator<BundleRecord> {
  for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
    const from = after;
    const persons = await parts.database.transaction(box.tenantId, (tx) =>
      customersOf(tx, box.region, from, PERSON_KEYS_MAX),
    );
    const last = persons.at(-1);
    if (last === undefined) return;
    yield* keysOf(parts, box, persons);
    after = last;
  }
}

/** What became of the persons whom the box named, and the keys of those whom it may know. */
export async function* keysWanted(
  parts: Parts,
  box: BundleBox,
  persons: readonly string[],
): AsyncGenerator<BundleRecord> {
  for (let at = 0; at < persons.length; at += PERSON_KEYS_MAX)
    yield await recordOf(await carried(parts, box, persons.slice(at, at + PERSON_KEYS_MAX)));
}

async function carried(
  { database, secrets }: Parts,
  { tenantId, region, sealingKey }: BundleBox,
  persons: readonly string[],
): Promise<PersonKeysCarried> {
  const { keys, ...others } = await database.transaction(tenantId, (tx) =>
    findPersonKeys(tx, region, persons, secrets.personsMaster),
  );
  return { sealed: keys.length === 0 ? null : sealPersonKeys(keys, sealingKey), ...others };
}

async function recordOf(keys: PersonKeysCarried): Promise<BundleRecord> {
  return { label: { kind: 'person-keys', encoding: 'br' }, body: await brotliJson(keys) };
}
