import { BadBundle } from '@branchline/replication/bundle.js';
import type { BundleFile } from '@branchline/replication/bundle-file.js';
import type { RecordPlace } from '@branchline/replication/bundle-records.js';
import { personKeysCarriedSchema } from '@branchline/replication/bundle-wants.js';
import { learnOfPersons } from '../customers/person-keys.js';
import type { Store } from '../store/store.js';
import { NotForThisBox, PersonKeyKeeping } from './person-key-keeping.js';

/**
 * Takes the keys of persons out of a bundle, and opens what they open. A key and an erasure are true for ever, and an erased
 * person's key is kept by nobody; of the rest (`gone`, `held`) only the newest bundle is believed.
 *
 * @throws BadBundle
 */
export async function takeKeys(
  { store, signal }: { store: Store; signal: AbortSignal },
  file: BundleFile,
  places: readonly RecordPlace[],
  isNewest: boolean,
): Promise<void> {
  const keeping = new PersonKeyKeeping(store, signal);
  await keeping.open();
  let came = false;
  for (const place of places) {
    if (place.label?.kind !== 'person-keys' || signal.aborted) continue;
    const { data: carried } = personKeysCarriedSchema.safeParse(await file.readJson(place));
    if (carried === undefined) throw new BadBundle('malformed', 'keys of persons in it are none');
    const { sealed, gone, erased, held } = carried;
    const learnt = isNewest ? { offered: held, gone, erased } : { offered: [], gone: [], erased };
    await store.writer.write(learnOfPersons, learnt);
    if (sealed !== null) await kept(keeping, sealed);
    came = true;
  }
  if (came) await keeping.open();
  await keeping.cutLog();
}

async function kept(keeping: PersonKeyKeeping, sealed: string): Promise<void> {
  try {
    await keeping.keep(sealed);
  } catch (error) {
    throw error instanceof NotForThisBox ? new BadBundle('malformed', error.message) : error;
  }
}
