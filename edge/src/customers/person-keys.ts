import { createHmac } from 'node:crypto';
import { PERSON_KEY_BYTES, PersonCipher } from '@branchline/replication/person-cipher.js';
import { unwrapPersonKey } from '@branchline/replication/person-wrap.js';
import { SLICE_MS_MAX, SLICE_ROWS_MAX, SLICE_ROWS_MIN } from '../replicator/slice.js';
import type { BoxIdentity } from '../store/box.js';
import type { ReadTx, Tx } from '../store/tx.js';
import type { BackgroundWrite, LocalWrite } from '../store/write-job.js';

/** Keys of persons lie in the file wrapped under this, and this lies beside the file: who has a copy of the file has none of them. */
export function personsWrappingKey({ tokenSecret }: Pick<BoxIdentity, 'tokenSecret'>): Buffer {
  return createHmac('sha256', tokenSecret).update('branchline-persons-1').digest();
}

/** @returns null where the key has not come, was destroyed, or was wrapped by another box: the hub gives it again */
export function personCipher(tx: ReadTx, person: string, wrappingKey: Buffer): PersonCipher | null {
  const row = tx.get<{ wrapped: Buffer }>('SELECT wrapped FROM person_key WHERE person = ?', person);
  if (row === undefined) return null;
  const key = unwrapPersonKey(person, row.wrapped, wrappingKey);
  return key?.length === PERSON_KEY_BYTES ? new PersonCipher(person, key) : null;
}

export function isErased(tx: ReadTx, person: string): boolean {
  return tx.get('SELECT 1 FROM erased_person WHERE person = ?', person) !== undefined;
}

/** A key that was made here; the hub has yet to be told. One that is here already stands. */
export const keepNewPersonKey: LocalWrite<{ person: string; wrapped: string }, void> = {
  name: 'keep-new-person-key',
  run(tx, { person, wrapped }) {
    if (isErased(tx, person)) return;
    tx.run(
      'INSERT OR IGNORE INTO person_key (person, wrapped, offered) VALUES (?, ?, 0)',
      person,
      Buffer.from(wrapped, 'base64url'),
    );
  },
};

/** A hub that was set back may have lost what it took: of persons whom this store made, nobody else's offer is taken. */
export function offerKeysAgain(tx: Tx): void {
  tx.run(`UPDATE person_key SET offered = 0 WHERE person IN (SELECT customer FROM customer_edit WHERE op = 'create')`);
}

/** As they came from the hub, wrapped anew; base64url. */
export type WrappedKey = { person: string; wrapped: string };

/** In the place of one that this box cannot unwrap, too. */
export const keepPersonKeys: BackgroundWrite<{ keys: readonly WrappedKey[] }, { at: number }> = {
  name: 'keep-person-keys',
  slice(tx, { keys }, { at: from }, { stopwatch }) {
    const startMs = stopwatch();
    let at = from;
    for (; at < keys.length && at - from < SLICE_ROWS_MAX; at += 1) {
      if (at - from >= SLICE_ROWS_MIN && stopwatch() - startMs >= SLICE_MS_MAX) break;
      keepKey(tx, keys[at] as WrappedKey);
    }
    return { state: { at }, more: at < keys.length };
  },
};

function keepKey(tx: Tx, { person, wrapped }: WrappedKey): void {
  if (isErased(tx, person)) return;
  tx.run(
    `INSERT INTO person_key (person, wrapped, offered) VALUES (?, ?, 1)
     ON CONFLICT (person) DO UPDATE SET wrapped = excluded.wrapped, offered = 1`,
    person,
    Buffer.from(wrapped, 'base64url'),
  );
}

/** What the hub answered to an offer, or of persons it was asked for. */
export type LearntOfPersons = {
  offered: readonly string[];
  gone: readonly string[];
  erased: readonly string[];
};

export const learnOfPersons: LocalWrite<LearntOfPersons, void> = {
  name: 'learn-of-persons',
  run(tx, { offered, gone, erased }) {
    for (const person of offered) tx.run('UPDATE person_key SET offered = 1 WHERE person = ?', person);
    for (const person of gone) {
      tx.run('INSERT OR IGNORE INTO customer_gone (id) VALUES (?)', person);
      tx.run('DELETE FROM customer_sealed WHERE customer = ?', person);
    }
    for (const person of erased) erasePerson(tx, person);
  },
};

/**
 * Destroys what opens the person and all that was opened; what is left of him in the file is ciphertext. Freed cells and pages
 * are overwritten (`secure_delete`), the log still has them until it is cut.
 */
export function erasePerson(tx: Tx, person: string): void {
  tx.run('INSERT OR IGNORE INTO erased_person (person) VALUES (?)', person);
  tx.run('DELETE FROM person_key WHERE person = ?', person);
  tx.run('DELETE FROM customer_open WHERE customer = ?', person);
  tx.run('DELETE FROM customer_sealed WHERE customer = ?', person);
  tx.run('INSERT OR IGNORE INTO scrub_due (id) VALUES (1)');
}

export const logWasCut: LocalWrite<null, void> = {
  name: 'log-was-cut',
  run: (tx) => void tx.run('DELETE FROM scrub_due'),
};
