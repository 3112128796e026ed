import { setImmediate as othersTurn } from 'node:timers/promises';
import { openPersonKeys, PERSON_KEYS_MAX, type PersonKey } from '@branchline/replication/person-keys.js';
import { unwrapPersonKey, wrapPersonKey } from '@branchline/replication/person-wrap.js';
import { findSealedEdits, FROM_THE_FIRST, openCustomers } from '../customers/open-customers.js';
import { keepPersonKeys, logWasCut, personsWrappingKey, type WrappedKey } from '../customers/person-keys.js';
import type { BoxIdentity } from '../store/box.js';
import type { Store } from '../store/store.js';
import type { ReadTx } from '../store/tx.js';

/** Each takes some 5 µs. */
const WRAPPED_AT_ONCE = 200;

/** They are sealed to another box, or are no keys. */
export class NotForThisBox extends Error {
  override readonly name = 'NotForThisBox';
}

/** What this box does with keys of persons, whichever way they came: keep them, open what they open, cut what was erased out of the log. */
export class PersonKeyKeeping {
  private editsSeenTo = { no: 0 };

  constructor(
    private readonly store: Store,
    private readonly signal: AbortSignal,
  ) {}

  async open(): Promise<void> {
    const { store, signal } = this;
    if (store.reads.get('SELECT 1 FROM customer_edit WHERE no > ?', this.editsSeenTo.no) !== undefined)
      this.editsSeenTo = await store.writer.background(findSealedEdits, null, this.editsSeenTo, signal);
    if (store.reads.get('SELECT 1 FROM customer_sealed LIMIT 1') === undefined) return;
    await store.writer.background(openCustomers, null, FROM_THE_FIRST, signal);
  }

  /** @throws NotForThisBox */
  async keep(sealed: string): Promise<void> {
    const { store, signal } = this;
    const keys = await this.wrapped(opened(sealed, store.box));
    await store.writer.background(keepPersonKeys, { keys }, { at: 0 }, signal);
  }

  /** Until it is cut the log still has the pages from before an erasure; while somebody reads from it it cannot be. */
  async cutLog(): Promise<void> {
    const { writer, reads } = this.store;
    if (reads.get('SELECT 1 FROM scrub_due') === undefined) return;
    if (await writer.cutLog()) await writer.write(logWasCut, null);
  }

  private async wrapped(keys: readonly PersonKey[]): Promise<WrappedKey[]> {
    const wrappingKey = personsWrappingKey(this.store.box);
    const wrapped: WrappedKey[] = [];
    for (const { person, key } of keys) {
      wrapped.push({ person, wrapped: wrapPersonKey(person, key, wrappingKey).toString('base64url') });
      if (wrapped.length % WRAPPED_AT_ONCE === 0) await othersTurn();
    }
    return wrapped;
  }
}

function opened(sealed: string, { sealingKey }: Pick<BoxIdentity, 'sealingKey'>): PersonKey[] {
  try {
    return openPersonKeys(sealed, sealingKey);
  } catch (error) {
    throw new NotForThisBox(`the keys of persons are not sealed to this box: ${(error as Error).message}`);
  }
}

/** `persons`: of the page, also those whose key this box cannot unwrap: another one wrapped it, and the hub gives it again. */
export type KeysToOffer = { persons: string[]; keys: PersonKey[] };

/** The next of the keys that the hub is not known to have, in the order of persons; or of all keys. */
export function keysToOffer(
  tx: ReadTx,
  box: Pick<BoxIdentity, 'tokenSecret'>,
  { after, all }: { after: string; all: boolean },
): KeysToOffer {
  const wrappingKey = personsWrappingKey(box);
  const rows = tx.all<{ person: string; wrapped: Buffer }>(all ? ALL : NOT_OFFERED, after);
  const keys = rows.flatMap(({ person, wrapped }): PersonKey[] => {
    const key = unwrapPersonKey(person, wrapped, wrappingKey);
    return key === null ? [] : [{ person, key }];
  });
  return { persons: rows.map(({ person }) => person), keys };
}

const ALL = `SELECT person, wrapped FROM person_key WHERE person > ? ORDER BY person LIMIT ${PERSON_KEYS_MAX}`;
const NOT_OFFERED = `
  SELECT person, wrapped FROM person_key WHERE offered = 0 AND person > ? ORDER BY person LIMIT ${PERSON_KEYS_MAX}`;

/** Persons of whom something is sealed here that no key here opens. */
export function personsWanted(tx: ReadTx, after: string, personsMax: number): string[] {
  return tx
    .all<{
      person: string;
    }>(
      'SELECT DISTINCT customer AS person FROM customer_sealed WHERE customer > ? ORDER BY customer LIMIT ?',
      after,
      personsMax,
    )
    .map(({ person }) => person);
}
