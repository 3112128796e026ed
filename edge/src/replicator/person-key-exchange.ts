import { hubSealingKeySchema, PERSON_KEYS_MAX, sealPersonKeys } from '@branchline/replication/person-keys.js';
import type { z } from 'zod';
import { learnOfPersons } from '../customers/person-keys.js';
import type { Store } from '../store/store.js';
import type { HubClient } from './hub-client.js';
import { LineFailure, Refusal } from './hub-failure.js';
import { keysToOffer, NotForThisBox, PersonKeyKeeping, personsWanted } from './person-key-keeping.js';

/** In one round: 200,000 customers that are new here. */
const REQUESTS_IN_A_ROUND_MAX = 40;

type HubSealingKey = z.output<typeof hubSealingKeySchema>;

/**
 * Keys of persons, up and down, beside journal and feed: those made here are offered until the hub has them, those of persons
 * whose fields have come are asked for until they come. Neither waits for the other, and no order is needed between a key and
 * what it opens. At the end of each round what can be opened is, and what was erased is gone from the log as well.
 */
export class PersonKeyExchange {
  private sealingKey: HubSealingKey | null = null;
  private readonly keeping: PersonKeyKeeping;

  constructor(
    private readonly store: Store,
    private readonly hub: HubClient,
    private readonly signal: AbortSignal,
  ) {
    this.keeping = new PersonKeyKeeping(store, signal);
  }

  /** @throws LineFailure, Refusal */
  async run(): Promise<void> {
    await this.keeping.open();
    try {
      await this.offerWhatMayGo();
      if (await this.ask()) await this.keeping.open();
    } catch (error) {
      // A hub of before: keys wait here.
      if (!(error instanceof Refusal) || error.status !== 404) throw error;
    }
    await this.keeping.cutLog();
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

  private async offer(): Promise<void> {
    const { store, hub } = this;
    for (let requests = 0; requests < REQUESTS_IN_A_ROUND_MAX && !this.signal.aborted; requests += 1) {
      const { persons: offered, keys } = keysToOffer(store.reads, store.box, { after: '', all: false });
      if (offered.length === 0) return;
      this.sealingKey ??= await hub.hubSealingKey();
      const { erased } = await hub.offerPersonKeys(sealPersonKeys(keys, this.sealingKey.sealingKey));
      await store.writer.write(learnOfPersons, { offered, gone: [], erased });
    }
  }

  /** @returns whether keys came */
  private async ask(): Promise<boolean> {
    const { store, hub } = this;
    let came = false;
    let after = '';
    for (let requests = 0; requests < REQUESTS_IN_A_ROUND_MAX && !this.signal.aborted; requests += 1) {
      const persons = personsWanted(store.reads, after, PERSON_KEYS_MAX);
      const last = persons.at(-1);
      if (last === undefined) return came;
      after = last;
      const { sealed, gone, erased } = await hub.wantPersonKeys(persons);
      if (gone.length + erased.length > 0) await store.writer.write(learnOfPersons, { offered: [], gone, erased });
      if (sealed !== null) {
        await this.keep(sealed);
        came = true;
      }
      if (persons.length < PERSON_KEYS_MAX) return came;
    }
    return came;
  }

  /** @throws LineFailure */
  private async keep(sealed: string): Promise<void> {
    try {
      await this.keeping.keep(sealed);
    } catch (error) {
      if (error instanceof NotForThisBox) throw new LineFailure(error.message, { cause: error });
      throw error;
    }
  }
}
