import { setImmediate as othersTurn } from 'node:timers/promises';
import {
  hubSealingKeySchema,
  openPersonKeys,
  PERSON_KEYS_MAX,
  sealPersonKeys,
  type PersonKey,
} from '@branchline/replication/person-keys.js';
import { unwrapPersonKey, wrapPersonKey } from '@branchline/replication/person-wrap.js';
import type { z } from 'zod';
import { findSealedEdits, FROM_THE_FIRST, openCustomers } from '../customers/open-customers.js';
import {
  keepPersonKeys,
  learnOfPersons,
  logWasCut,
  personsWrappingKey,
  type WrappedKey,
} from '../customers/person-keys.js';
import type { Store } from '../store/store.js';
import type { HubClient } from './hub-client.js';
import { LineFailure, Refusal } from './hub-failure.js';

/** In one round: 200,000 customers that are new here. */
const REQUESTS_IN_A_ROUND_MAX = 40;
/** Each takes some 5 µs. */
const WRAPPED_AT_ONCE = 200;

type HubSealingKey = z.output<typeof hubSealingKeySchema>;

/**
 * Keys of persons, up and down, beside journal and feed: those made here are offered until the hub has them, those of persons
 * whose fields have come are asked for until they come. Neither waits for the other, and no order is needed between a key and
 * what it opens. At the end of each round what can be opened is, and what was erased is gone from the log as well.
 */
export class PersonKeyExchange {
  private sealingKey: HubSealingKey | null = null;
  private editsSeenTo = { no: 0 };

  constructor(
    private readonly store: Store,
    private readonly hub: HubClient,
    private readonly signal: AbortSignal,
  ) {}

  /** @throws LineFailure, Refusal */
  async run(): Promise<void> {
    await this.open();
    try {
      await this.offerWhatMayGo();
      if (await this.ask()) await this.open();
    } catch (error) {
      // A hub of before: keys wait here.
      if (!(error instanceof Refusal) || error.status !== 404) throw error;
    }
    await this.cutLog();
  }

  /**
   * Before the lines go that name their persons: of a person the first key that is offered stands, and a store that reads
   * of one before the hub has the key could offer another. That keys cannot go holds up no sale.
   * @returns whether none is left to offer
   */
  async offerAhead(): Promise<boolean> {
    try {
      await this.offer();
      return true;
    } catch (error) {
      if (error instanceof Refusal || error instanceof LineFailure) return false;
      throw error;
    }
  }

  /** What the hub holds no more of goes after the lines that tell of its persons; what is asked for does not wait for it. */
  private async offerWhatMayGo(): Promise<void> {
    try {
      await this.offer();
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'person-keys-held') throw error;
    }
  }

  private async open(): Promise<void> {
    const { store, signal } = this;
    if (store.reads.get('SELECT 1 FROM customer_edit WHERE no > ?', this.editsSeenTo.no) !== undefined)
      this.editsSeenTo = await store.writer.background(findSealedEdits, null, this.editsSeenTo, signal);
    if (store.reads.get('SELECT 1 FROM customer_sealed LIMIT 1') === undefined) return;
    await store.writer.background(openCustomers, null, FROM_THE_FIRST, signal);
  }

  private async offer(): Promise<void> {
    const { store, hub } = this;
    const wrappingKey = personsWrappingKey(store.box);
    for (let requests = 0; requests < REQUESTS_IN_A_ROUND_MAX && !this.signal.aborted; requests += 1) {
      const rows = store.reads.all<{ person: string; wrapped: Buffer }>(
        `SELECT person, wrapped FROM person_key WHERE offered = 0 LIMIT ${PERSON_KEYS_MAX}`,
      );
      if (rows.length === 0) return;
      const keys = rows.flatMap(({ person, wrapped }): PersonKey[] => {
        const key = unwrapPersonKey(person, wrapped, wrappingKey);
        return key === null ? [] : [{ person, key }];
      });
      this.sealingKey ??= await hub.hubSealingKey();
      const { erased } = await hub.offerPersonKeys(sealPersonKeys(keys, this.sealingKey.sealingKey));
      const offered = rows.map(({ person }) => person);
      await store.writer.write(learnOfPersons, { offered, gone: [], erased });
    }
  }

  /** @returns whether keys came */
  private async ask(): Promise<boolean> {
    const { store, hub } = this;
    let came = false;
    let after = '';
    for (let requests = 0; requests < REQUESTS_IN_A_ROUND_MAX && !this.signal.aborted; requests += 1) {
      const persons = store.reads.all<{ person: string }>(WANTED, after).map(({ person }) => person);
      const last = persons.at(-1);
      if (last === undefined) return came;
      after = last;
      const { sealed, gone, erased } = await hub.wantPersonKeys(persons);
      if (gone.length + erased.length > 0) await store.writer.write(learnOfPersons, { offered: [], gone, erased });
      if (sealed !== null) {
        const keys = await this.wrapped(sealed);
        await store.writer.background(keepPersonKeys, { keys }, { at: 0 }, this.signal);
        came = true;
      }
      if (persons.length < PERSON_KEYS_MAX) return came;
    }
    return came;
  }

  private async wrapped(sealed: string): Promise<WrappedKey[]> {
    const { box } = this.store;
    const wrappingKey = personsWrappingKey(box);
    let keys: PersonKey[];
    try {
      keys = openPersonKeys(sealed, box.sealingKey);
    } catch (error) {
      throw new LineFailure(`the keys of persons are not sealed to this box: ${(error as Error).message}`);
    }
    const wrapped: WrappedKey[] = [];
    for (const { person, key } of keys) {
      wrapped.push({ person, wrapped: wrapPersonKey(person, key, wrappingKey).toString('base64url') });
      if (wrapped.length % WRAPPED_AT_ONCE === 0) await othersTurn();
    }
    return wrapped;
  }

  /** Until it is cut the log still has the pages from before an erasure; while somebody reads from it it cannot be. */
  private async cutLog(): Promise<void> {
    const { writer, reads } = this.store;
    if (reads.get('SELECT 1 FROM scrub_due') === undefined) return;
    if (await writer.cutLog()) await writer.write(logWasCut, null);
  }
}

/** Of whom something is sealed here that no key here opens. */
const WANTED = `
  SELECT DISTINCT customer AS person FROM customer_sealed s WHERE customer > ? ORDER BY customer LIMIT ${PERSON_KEYS_MAX}`;
