import { hash, verify, type Options } from '@node-rs/argon2';
import { problem } from '@branchline/http/problem.js';

/** OWASP's floor for argon2id: 19 MiB, two passes, one lane. Argon2id and version 1.3 are the library's defaults. */
const ARGON2ID: Options = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 };
/** Each takes 20 to 40 ms of a core and 19 MiB, on the four threads that files and DNS need too. */
const RUNNING_MAX = 2;
const WAITING_MAX = 32;

/** Argon2id for passwords and PINs, never more than two at once. One per process: the threads are the process's. */
export class PasswordHasher {
  private running = 0;
  private readonly waiting: (() => void)[] = [];
  private decoy: Promise<string> | undefined;

  /** @param password as typed, or what `pin.ts` of libs/replication makes of a PIN */
  hash(password: string): Promise<string> {
    return this.inTurn(() => hash(password.normalize('NFKC'), ARGON2ID));
  }

  /**
   * @param stored undefined for a user who does not exist: the same work is done and the answer is no, so that time does
   *   not tell who exists
   */
  async verify(stored: string | undefined, password: string): Promise<boolean> {
    this.decoy ??= hash('nobody knows this', ARGON2ID);
    const against = stored ?? (await this.decoy);
    const matches = await this.inTurn(() => verify(against, password.normalize('NFKC')));
    return stored !== undefined && matches;
  }

  /** @throws Problem `busy` when too many wait already: a flood of sign-ins must not become a queue of minutes */
  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= RUNNING_MAX) {
      if (this.waiting.length >= WAITING_MAX) {
        throw problem('busy', 'Too many sign-ins at once.', { headers: { 'retry-after': '2' } });
      }
      // Whoever ends hands its place on, so `running` stays as it is.
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else this.running++;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.running--;
    }
  }
}
