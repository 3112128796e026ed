import { decideRefresh, hashToken, type RefreshRow } from '@branchline/access/refresh-token.js';
import type { Tx } from '../store/tx.js';
import type { LocalWrite } from '../store/write-job.js';
import { activeOperator } from './operators.js';
import { forgetAttempts } from './sign-in-lock.js';

/** A refresh token ends with the longest shift; whoever works on signs in again. */
export const REFRESH_LIFETIME_MS = 14 * 60 * 60_000;
/** Ended tokens are kept this long, so that their reuse is still noticed. */
const KEPT_AFTER_EXPIRY_MS = 24 * 60 * 60_000;

export type Session = { family: string; operator: string; device: string };

type TokenRow = Session & {
  expiresAtMs: number;
  usedAtMs: number | null;
  successor: string | null;
  graceAtMs: number | null;
  voidedAtMs: number | null;
  familyEndedAtMs: number | null;
  successorUsed: number;
};

const BY_HASH = `
  SELECT t.family, t.operator, t.device, t.expires_at AS expiresAtMs, t.used_at AS usedAtMs, t.successor,
         t.grace_at AS graceAtMs, t.voided_at AS voidedAtMs, t.family_ended_at AS familyEndedAtMs,
         (s.used_at IS NOT NULL) AS successorUsed
  FROM refresh_token t LEFT JOIN refresh_token s ON s.hash = t.successor
  WHERE t.hash = ?`;

export type SessionToBegin = { session: Session; till: string; tokenHash: string; nowMs: number };

/** A first refresh token of a new family, of which only the hash is kept; wrong PINs before it are forgotten. */
export const beginSession: LocalWrite<SessionToBegin, void> = {
  name: 'begin-session',
  run(tx, { session, till, tokenHash, nowMs }) {
    forgetAttempts(tx, session.operator, till);
    tx.run('DELETE FROM refresh_token WHERE expires_at < ?', nowMs - KEPT_AFTER_EXPIRY_MS);
    issue(tx, session, { tokenHash, nowMs, expiresAtMs: nowMs + REFRESH_LIFETIME_MS });
  },
};

export type Renewal = { verdict: 'renewed'; session: Session } | { verdict: 'reused' | 'refused' };

/** `token` as it was presented, `nextHash` of the one that takes its place. */
export type SessionToRenew = { token: string; nextHash: string; nowMs: number };

/**
 * Exchanges a refresh token for its successor. A token used twice ends its family, which is written down: the caller
 * answers 401 after the commit, it must not throw before. So does one whose operator works here no more.
 */
export const renewSession: LocalWrite<SessionToRenew, Renewal> = {
  name: 'renew-session',
  run: (tx, renewal, { box }) => renew(tx, renewal, ({ operator }) => activeOperator(tx, operator, box) !== undefined),
};

/** @param isStillAllowed asked with the session of a token that would be renewed; a no ends the family */
function renew(
  tx: Tx,
  { token, nextHash, nowMs }: SessionToRenew,
  isStillAllowed: (session: Session) => boolean,
): Renewal {
  const hash = hashToken(token);
  const row = tx.get<TokenRow>(BY_HASH, hash);
  const decision = decideRefresh(row && refreshRow(row), nowMs);
  if (row === undefined || decision === 'unknown' || decision === 'expired') return { verdict: 'refused' };
  const session = { family: row.family, operator: row.operator, device: row.device };
  if (decision === 'reuse' || !isStillAllowed(session)) {
    endFamily(tx, row.family, nowMs);
    return { verdict: decision === 'reuse' ? 'reused' : 'refused' };
  }
  if (decision === 'grace') tx.run('UPDATE refresh_token SET voided_at = ? WHERE hash = ?', nowMs, row.successor);
  // The family ends when it would have ended: renewing never prolongs a sign-in.
  issue(tx, session, { tokenHash: nextHash, nowMs, expiresAtMs: row.expiresAtMs });
  tx.run(
    'UPDATE refresh_token SET used_at = coalesce(used_at, ?), grace_at = ?, successor = ? WHERE hash = ?',
    nowMs,
    decision === 'grace' ? nowMs : null,
    nextHash,
    hash,
  );
  return { verdict: 'renewed', session };
}

/** Sign-out. A token that nobody knows signs nobody out. */
export const endSession: LocalWrite<{ token: string; nowMs: number }, void> = {
  name: 'end-session',
  run(tx, { token, nowMs }) {
    const row = tx.get<{ family: string }>('SELECT family FROM refresh_token WHERE hash = ?', hashToken(token));
    if (row !== undefined) endFamily(tx, row.family, nowMs);
  },
};

function endFamily(tx: Tx, family: string, nowMs: number): void {
  tx.run('UPDATE refresh_token SET family_ended_at = ? WHERE family = ? AND family_ended_at IS NULL', nowMs, family);
}

function issue(
  tx: Tx,
  { family, operator, device }: Session,
  { tokenHash, nowMs, expiresAtMs }: { tokenHash: string; nowMs: number; expiresAtMs: number },
): void {
  tx.run(
    'INSERT INTO refresh_token (hash, family, operator, device, issued_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)',
    tokenHash,
    family,
    operator,
    device,
    nowMs,
    expiresAtMs,
  );
}

function refreshRow(row: TokenRow): RefreshRow {
  const { expiresAtMs, familyEndedAtMs, usedAtMs, graceAtMs, voidedAtMs } = row;
  return { expiresAtMs, familyEndedAtMs, usedAtMs, graceAtMs, voidedAtMs, successorUsed: row.successorUsed === 1 };
}
