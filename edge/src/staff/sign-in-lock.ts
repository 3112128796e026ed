import type { Tx } from '../store/tx.js';
import type { LocalWrite } from '../store/write-job.js';

/** Wrong PINs of an operator on a till before it is locked; after that each further one locks again. */
export const FAILURES_MAX = 5;
/** No lock is longer: a colleague, or another till, is never far, and a store must not be lockable for a day. */
export const LOCK_MS = 5 * 60_000;
/** Names that do not exist are counted like those that do; this bounds what they leave behind. */
const LOCKS_KEPT_MAX = 10_000;

export type LockState = { failures: number; lockedUntilMs: number };
export type Attempt = { allowed: true; state: LockState } | { allowed: false; state: LockState; retryAfterMs: number };

/**
 * Counts an attempt before its PIN is looked at, so that attempts in parallel cannot outrun the count; a right PIN takes
 * it back.
 *
 * A clock that goes back never unlocks early, and never locks for longer than LOCK_MS from the time it now shows.
 */
export function countAttempt(known: LockState | undefined, nowMs: number): Attempt {
  const state = known ?? { failures: 0, lockedUntilMs: 0 };
  if (state.lockedUntilMs > nowMs) {
    const lockedUntilMs = Math.min(state.lockedUntilMs, nowMs + LOCK_MS);
    return { allowed: false, state: { ...state, lockedUntilMs }, retryAfterMs: lockedUntilMs - nowMs };
  }
  const failures = state.failures + 1;
  return { allowed: true, state: { failures, lockedUntilMs: failures >= FAILURES_MAX ? nowMs + LOCK_MS : 0 } };
}

export type SignInPlace = { operator: string; till: string };

/** `countAttempt` on the rows. Kept in the file: neither a restart nor a new connection forgets it. */
export const countSignIn: LocalWrite<SignInPlace & { nowMs: number }, Attempt> = {
  name: 'count-sign-in',
  run: (tx, { operator, till, nowMs }) => recordAttempt(tx, operator, till, nowMs),
};

function recordAttempt(tx: Tx, operator: string, till: string, nowMs: number): Attempt {
  const known = tx.get<LockState>(
    'SELECT failures, locked_until AS lockedUntilMs FROM sign_in_lock WHERE operator = ? AND till = ?',
    operator,
    till,
  );
  if (known === undefined) forgetOldLocks(tx, nowMs);
  const attempt = countAttempt(known, nowMs);
  // A flood against what is locked already writes nothing, so that no sale waits for its commits.
  if (!attempt.allowed && attempt.state.lockedUntilMs === known?.lockedUntilMs) return attempt;
  tx.run(
    `INSERT INTO sign_in_lock (operator, till, failures, locked_until) VALUES (?, ?, ?, ?)
     ON CONFLICT (operator, till) DO UPDATE SET failures = excluded.failures, locked_until = excluded.locked_until`,
    operator,
    till,
    attempt.state.failures,
    attempt.state.lockedUntilMs,
  );
  return attempt;
}

/** After a right PIN. */
export function forgetAttempts(tx: Tx, operator: string, till: string): void {
  tx.run('DELETE FROM sign_in_lock WHERE operator = ? AND till = ?', operator, till);
}

function forgetOldLocks(tx: Tx, nowMs: number): void {
  const kept = tx.get<{ count: number }>('SELECT count(*) AS count FROM sign_in_lock')?.count ?? 0;
  if (kept >= LOCKS_KEPT_MAX) tx.run('DELETE FROM sign_in_lock WHERE locked_until <= ?', nowMs);
}
