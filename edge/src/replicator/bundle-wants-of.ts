import { PERSONS_WANTED_MAX, type BundleWants } from '@branchline/replication/bundle-wants.js';
import { PERSON_KEYS_MAX } from '@branchline/replication/person-keys.js';
import type { BoxIdentity } from '../store/box.js';
import type { ReadTx } from '../store/tx.js';
import { readCursors } from './feed-cursors.js';
import { keysToOffer, personsWanted } from './person-key-keeping.js';
import { beginningOfSnapshot } from './snapshot-taking.js';

/** What this box asks head office for in its bundle, beside what its hello says. */
export async function wantsOf(tx: ReadTx, box: Pick<BoxIdentity, 'tokenSecret'>): Promise<BundleWants> {
  const persons = personsWanted(tx, '', PERSONS_WANTED_MAX);
  for (let after = ''; persons.length <= PERSONS_WANTED_MAX - PERSON_KEYS_MAX;) {
    const offered = keysToOffer(tx, box, { after, all: false }).persons;
    persons.push(...offered);
    after = offered.at(-1) ?? '';
    if (after === '') break;
  }
  const parts: BundleWants['parts'] = [];
  for (const cursor of readCursors(tx)) {
    if (cursor.number > 0) continue;
    const part = await beginningOfSnapshot(tx, cursor.take);
    if (part !== null) parts.push({ scope: cursor.scope, ...part });
  }
  return { persons, parts };
}
