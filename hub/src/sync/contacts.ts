import type { Authenticator } from '@branchline/access/principal.js';
import type { Clock } from '@branchline/domain/clock.js';

/**
 * When each box was last heard by this process: every request that proved itself counts, also the polls of the feed, which
 * write nothing. In memory, one entry for each box that is enrolled; what the database knows (the last hello, the last
 * push) is older by minutes in a store that sells nothing.
 */
export class Contacts {
  private readonly atMsByBox = new Map<string, number>();

  constructor(private readonly clock: Clock) {}

  /** The same proof, noted when it holds. */
  hearing(prove: Authenticator): Authenticator {
    return async (request) => {
      const principal = await prove(request);
      if (principal.kind === 'box') this.atMsByBox.set(principal.boxId, this.clock.now());
      return principal;
    };
  }

  lastAtMs(boxId: string): number | undefined {
    return this.atMsByBox.get(boxId);
  }
}
