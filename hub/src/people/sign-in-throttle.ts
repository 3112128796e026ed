import type { Clock } from '@branchline/domain/clock.js';
import { problem } from '@branchline/http/problem.js';

/** A bucket holds `burst` tries and gains one each `refillMs`. */
type Rule = { burst: number; refillMs: number };

/** Guessing one person's password from many places. */
const PER_EMAIL: Rule = { burst: 10, refillMs: 30_000 };
/** Guessing many people's from one place; a whole office may sit behind one address. */
const PER_ADDRESS: Rule = { burst: 60, refillMs: 1_000 };
const BUCKETS_MAX = 10_000;

type Bucket = { tries: number; atMs: number };

/**
 * Before a password is hashed: argon2id takes 19 MiB and 20 to 40 ms, and a flood of guesses must cost less than that. In memory, by
 * process: what a restart forgives is less than what a table of attackers would cost.
 */
export class SignInThrottle {
  private readonly buckets = new Map<string, Bucket>();

  constructor(private readonly clock: Clock) {}

  /** How many e-mails and addresses are remembered. */
  get size(): number {
    return this.buckets.size;
  }

  /** @throws Problem `too-many-requests` with Retry-After */
  take(email: string, address: string): void {
    refuseWhile(Math.max(this.waitMs(`e ${email}`, PER_EMAIL), this.waitMs(`a ${address}`, PER_ADDRESS)));
    this.spend(`e ${email}`, PER_EMAIL);
    this.spend(`a ${address}`, PER_ADDRESS);
  }

  /** For what names no person: a sign-in link. @throws Problem `too-many-requests` */
  takeOfAddress(address: string): void {
    refuseWhile(this.waitMs(`a ${address}`, PER_ADDRESS));
    this.spend(`a ${address}`, PER_ADDRESS);
  }

  /** Who knows the password was not guessing: nothing of this try is held against the e-mail or the address. */
  giveBack(email: string, address: string): void {
    this.buckets.delete(`e ${email}`);
    this.giveBackToAddress(address);
  }

  giveBackToAddress(address: string): void {
    const bucket = this.buckets.get(`a ${address}`);
    if (bucket) bucket.tries = Math.min(PER_ADDRESS.burst, bucket.tries + 1);
  }

  private waitMs(key: string, rule: Rule): number {
    const tries = this.triesOf(key, rule);
    return tries >= 1 ? 0 : (1 - tries) * rule.refillMs;
  }

  private spend(key: string, rule: Rule): void {
    const tries = this.triesOf(key, rule) - 1;
    // Deleted first, so that the map's order is that of use and the oldest is what a full map forgets.
    this.buckets.delete(key);
    for (const oldest of this.buckets.keys()) {
      if (this.buckets.size < BUCKETS_MAX) break;
      this.buckets.delete(oldest);
    }
    this.buckets.set(key, { tries, atMs: this.clock.now() });
  }

  private triesOf(key: string, rule: Rule): number {
    const bucket = this.buckets.get(key);
    if (!bucket) return rule.burst;
    const nowMs = this.clock.now();
    // A clock set back opens nothing, and shuts nobody out until it has caught up.
    if (nowMs < bucket.atMs) bucket.atMs = nowMs;
    return Math.min(rule.burst, bucket.tries + (nowMs - bucket.atMs) / rule.refillMs);
  }
}

function refuseWhile(waitMs: number): void {
  if (waitMs <= 0) return;
  const headers = { 'retry-after': String(Math.ceil(waitMs / 1000)) };
  throw problem('too-many-requests', 'Too many sign-ins. Wait a little.', { headers });
}
