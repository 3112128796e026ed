import type { Mutant } from './mutant.js';

const CUSTOMER = 'libs/domain/src/customer.ts';
const CUSTOMER_SPEC = 'libs/domain/src/customer.spec.ts';
const CIPHER = 'libs/replication/src/person-cipher.ts';
const CIPHER_SPEC = 'libs/replication/src/person-cipher.spec.ts';
const HUB_SPEC = 'hub/test/customers.spec.ts';
const ERASURE_SPEC = 'edge/test/erasure.spec.ts';
const CONFLICTS_SPEC = 'hub/test/customer-conflicts.spec.ts';
const KEYS_SPEC = 'hub/test/person-key-conflicts.spec.ts';

/** Customers at both ends: what edits come to, keys of persons, and their end. */
export const CUSTOMER_MUTANTS: readonly Mutant[] = [
  {
    name: 'consent-by-clock',
    breaks: 'a yes that had not seen the no wins over it, because it is later',
    edits: [
      { file: CUSTOMER, find: 'if (isConsent(field) && one.value', replace: 'if (isConsent(`${field}?`) && one.value' },
    ],
    specs: [CUSTOMER_SPEC],
  },
  {
    name: 'earlier-clock-wins',
    breaks: 'of two writes that had not seen each other the earlier one stands',
    edits: [{ file: CUSTOMER, find: 'return identityOf(one) > identityOf(other);', replace: 'return false;' }],
    specs: [CUSTOMER_SPEC],
  },
  {
    name: 'written-over-comes-back',
    breaks: 'a write that was written over stands again when it arrives late',
    edits: [{ file: CUSTOMER, find: 'if (!gone.has(write.edit)) live.set', replace: 'live.set' }],
    specs: [CUSTOMER_SPEC],
  },
  {
    name: 'update-beats-delete',
    breaks: 'a customer who was deleted comes back with an update',
    edits: [
      {
        file: CUSTOMER,
        find: 'if (a === null || b === null) return a ?? b;',
        replace: 'if (a === null || b === null) return null;',
      },
    ],
    specs: [CUSTOMER_SPEC],
  },
  {
    name: 'one-nonce-for-all',
    breaks: 'two texts of a person are encrypted under one nonce: who has both ciphertexts has their difference',
    edits: [{ file: CIPHER, find: 'this.mac(`nonce\\n${field}`, text)', replace: 'this.mac(`nonce\\n`, ``)' }],
    specs: [CIPHER_SPEC],
  },
  {
    name: 'content-hash-in-clear',
    breaks: 'who has the journal tries names until the content hash fits',
    edits: [
      {
        file: CIPHER,
        find: "isMasked ? this.mac(`content\\n${field}`, value).toString('hex') : value",
        replace: 'isMasked ? value : value',
      },
    ],
    specs: [CIPHER_SPEC],
  },
  {
    name: 'future-clock-wins',
    breaks: 'a box whose clock is a year ahead wins every field for a year',
    edits: [
      { file: 'hub/src/customers/merge-edits.ts', find: 'stateOfEdit(own, hlcMax)', replace: 'stateOfEdit(own)' },
    ],
    specs: [HUB_SPEC],
  },
  {
    name: 'repair-revives-what-was-written-over',
    breaks: 'a row made anew from the archive brings back a name that was changed since',
    edits: [
      {
        file: 'hub/src/customers/replay-edits.ts',
        find: 'takeEdit(all, edit, edit.cameAtMs',
        replace:
          'takeEdit(all, { ...edit, changes: Object.fromEntries(Object.entries(edit.changes).map(([f, c]) => [f, c && { ...c, over: [] }])) }, edit.cameAtMs',
      },
    ],
    specs: [HUB_SPEC],
  },
  {
    name: 'key-to-any-region',
    breaks: 'a box is given the keys of persons whom its region does not know',
    edits: [
      {
        file: 'hub/src/customers/person-keys.ts',
        find: 'if (wrapped === null || !isTheirs) return [];',
        replace: 'if (wrapped === null) return [];',
      },
    ],
    specs: [HUB_SPEC],
  },
  {
    name: 'erased-key-taken-again',
    breaks: 'a store that was away brings back the key of a person who was erased',
    edits: [
      {
        file: 'hub/src/customers/person-key-offers.ts',
        find: 'WHERE NOT EXISTS (SELECT FROM person_key k WHERE k.person = offered.person AND k.wrapped IS NULL)',
        replace: '',
      },
      {
        file: 'hub/src/customers/person-key-offers.ts',
        find: 'ANY ($1) ORDER BY o.person\nON CONFLICT DO NOTHING`;',
        replace:
          'ANY ($1) ORDER BY o.person\nON CONFLICT (tenant_id, person) DO UPDATE SET wrapped = excluded.wrapped, erased_at = NULL, scrubbed_at = NULL`;',
      },
    ],
    specs: [HUB_SPEC],
  },
  {
    name: 'erasure-leaves-free-pages',
    breaks: 'who was erased is read from the free pages of the file',
    edits: [{ file: 'edge/src/store/writable.ts', find: "database.pragma('secure_delete = ON');", replace: '' }],
    specs: [ERASURE_SPEC],
  },
  {
    name: 'erasure-leaves-the-log',
    breaks: 'who was erased is read from the write-ahead log',
    edits: [
      {
        file: 'edge/src/store/writer.ts',
        find: "database.pragma('wal_checkpoint(TRUNCATE)')",
        replace: "database.pragma('wal_checkpoint(PASSIVE)')",
      },
    ],
    specs: [ERASURE_SPEC],
  },
  {
    name: 'backup-with-persons',
    breaks: 'a backup holds persons in clear, and no erasure reaches it',
    edits: [{ file: 'edge/src/store/keep.ts', find: '    forgetPersons(part);\n', replace: '' }],
    specs: [ERASURE_SPEC],
  },
  {
    name: 'vacuum-is-enough',
    breaks: 'who was erased is read from the files of PostgreSQL’s indexes',
    edits: [
      {
        file: 'hub/src/customers/erasure-scrubber.ts',
        find: "'VACUUM (FULL) customer_open'",
        replace: "'VACUUM customer_open'",
      },
    ],
    specs: [ERASURE_SPEC],
  },
  {
    name: 'scrubbed-under-an-older-transaction',
    breaks: 'who was erased is carried along into the files written anew, for a transaction that began before',
    edits: [
      {
        file: 'hub/src/customers/erasure-scrubber.ts',
        find: ' || !(await this.olderHaveEnded())',
        replace: '',
      },
    ],
    specs: [ERASURE_SPEC],
  },
  {
    name: 'decision-in-clear',
    breaks: 'what was told with a decision about a customer lies in the list of conflicts in clear',
    edits: [
      {
        file: 'hub/src/worklists/decided-customer.ts',
        find: 'return sealedValues(await cipherOf(tx, customer.id, by), said);',
        replace: 'return said;',
      },
    ],
    specs: [CONFLICTS_SPEC],
  },
  {
    name: 'decision-over-later-words',
    breaks: 'a decision about two writes goes over what somebody wrote since who had seen one of them',
    edits: [
      {
        file: 'hub/src/worklists/customer-effects.ts',
        find: 'if (one === undefined || other === undefined) continue;',
        replace: 'if (other === undefined || (one === undefined && !other)) continue;',
      },
    ],
    specs: [CONFLICTS_SPEC],
  },
  {
    name: 'foreign-delete-followed',
    breaks: 'a store that knows an id deletes a customer of another region for ever',
    edits: [
      {
        file: 'hub/src/customers/foreign-deletes.ts',
        find: 'if (row?.isTheirs) return true;',
        replace: 'if (row) return true;',
      },
    ],
    specs: [CONFLICTS_SPEC],
  },
  {
    name: 'retired-key-outlives-its-person',
    breaks: 'a key that was put out of use by a decision still opens a person who was erased',
    edits: [
      {
        file: 'hub/src/customers/erase-customer.ts',
        find: "    await tx.execute('DELETE FROM person_key_retired WHERE person = $1', [each.id]);\n",
        replace: '',
      },
    ],
    specs: [KEYS_SPEC],
  },
];
