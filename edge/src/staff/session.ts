import { decideRefresh, hashToken, newRefreshToken, type RefreshRow } from '@branchline/access/refresh-token.js';
import type { Tx } from '../store/tx.js';

/** A refresh token ends with the longest shift; whoever works on signs in again. */
export const REFRESH_LIFETIME_MS = 14 * 60 * 60_000;
/** Ended tokens are kept this long, so that their reuse is still noticed. */
const KEPT_AFTER_EXPIRY_MS = 24 * 60 * 60_000;

export type Session = { family: string; operator: string; device: string };
export type RandomBytes = (bytes: number) => Buffer;

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

/** A first refresh token of a new family. @returns the token, of which only the hash is kept */
export function beginSession(tx: Tx, session: Session, nowMs: number, random: RandomBytes): string {
  tx.run('DELETE FROM refresh_token WHERE expires_at < ?', nowMs - KEPT_AFTER_EXPIRY_MS);
  return issue(tx, session, nowMs, nowMs + REFRESH_LIFETIME_MS, random);
}

export type Renewal =
  { verdict: 'renewed'; session: Session; refreshToken: string } | { verdict: 'reused' | 'refused' };

/**
 * Exchanges a refresh token for its successor. A token used twice ends its family, which is written down: the caller
 * answers 401 after the commit, it must not throw before.
 *
 * @param isStillAllowed asked with the session of a token that would be renewed; a no ends the family
 */
export function renewSession(
  tx: Tx,
  token: string,
  nowMs: number,
  random: RandomBytes,
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
  const refreshToken = issue(tx, session, nowMs, row.expiresAtMs, random);
  tx.run(
    'UPDATE refresh_token SET used_at = coalesce(used_at, ?), grace_at = ?, successor = ? WHERE hash = ?',
    nowMs,
    decision === 'grace' ? nowMs : null,
    hashToken(refreshToken),
    hash,
  );
  return { verdict: 'renewed', session, refreshToken };
}

/** Sign-out. A token that nobody knows signs nobody out. */
export function endSession(tx: Tx, token: string, nowMs: number): void {
  const row = tx.get<{ family: string }>('SELECT family FROM refresh_token WHERE hash = ?', hashToken(token));
  if (row !== undefined) endFamily(tx, row.family, nowMs);
}

function endFamily(tx: Tx, family: string, nowMs: number): void {
  tx.run('UPDATE refresh_token SET family_ended_at = ? WHERE family = ? AND family_ended_at IS NULL', nowMs, family);
}

function issue(
  tx: Tx,
  { family, operator, device }: Session,
  nowMs: number,
  expiresAtMs: number,
  random: RandomBytes,
): string {
  const { token, hash } = newRefreshToken(random);
  tx.run(
    'INSERT INTO refresh_token (hash, family, operator, device, issued_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)',
    hash,
    family,
    operator,
    device,
    nowMs,
    expiresAtMs,
  );
  return token;
}

function refreshRow(row: TokenRow): RefreshRow {
  const { expiresAtMs, familyEndedAtMs, usedAtMs, graceAtMs, voidedAtMs } = row;
  return { expiresAtMs, familyEndedAtMs, usedAtMs, graceAtMs, voidedAtMs, successorUsed: row.successorUsed === 1 };
}
